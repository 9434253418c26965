from __future__ import annotations

from pathlib import Path

import pytest

from sgnas_deploy import architectures, data, files, generator, tables
from sgnas_deploy.errors import BadInput
from sgnas_deploy.events import NullReporter
from sgnas_deploy.generator import GeneratorFile
from sgnas_deploy.pipeline.generate import GenerateRequest, generate
from sgnas_deploy.pipeline.train_generator import (
    TrainGeneratorRequest,
    TrainGeneratorResult,
    train_generator,
)
from sgnas_deploy.workspace import Workspace
from tests.fakes.reporters import Interrupts, Listener
from tests.generator import trained
from tests.tables import synthetic


def request(made: Workspace, **flags: object) -> TrainGeneratorRequest:
    usual: dict[str, object] = {"epochs": 3, "budgets": 2, "any_device": False}
    return trained.request(made, **usual | flags)


def train(made: Workspace, **flags: object) -> TrainGeneratorResult:
    return train_generator(request(made, **flags), NullReporter())


def test_trained_generators_generate_within_budgets(ready: Workspace) -> None:
    made = train(ready)
    described = generator.read_file(made.checkpoint)
    table = ready.find_table(None)
    assert described.table_sha256 == tables.sha256(table)
    assert described.weights_sha256 == made.sha256 == files.sha256_of(made.checkpoint)
    assert described.epochs == 3
    assert made.loss > 0
    assert made.budget_error > 0
    assert ready.last("generator") == (table.stem,)
    assert not list(ready.generator.glob("*.checkpoint"))

    result = generate(GenerateRequest(workdir=ready.root, count=5), NullReporter())
    assert not result.warnings
    macs = [one.macs for one in result.architectures]
    assert macs[0] < macs[2] < macs[4]
    for one in result.architectures:
        found = architectures.read(one.path)
        assert found.budgeted is not None
        assert found.budgeted.generator_sha256 == made.sha256
        assert found.budgeted.predicted_s <= one.budget_s * (1 - result.margin)
        assert found.budgeted.score < 0
        assert found.supernet_accuracy == one.supernet_accuracy
        assert one.supernet_accuracy is not None
        assert 0 <= one.supernet_accuracy <= 1
    again = generate(GenerateRequest(workdir=ready.root, count=5), NullReporter())
    assert [o.labels for o in again.architectures] == [o.labels for o in result.architectures]


def test_an_interrupted_training_ends_as_an_undisturbed_one(
    ready: Workspace, tmp_path: Path
) -> None:
    other = trained.ready(tmp_path / "other")
    undisturbed = train(other)
    with pytest.raises(KeyboardInterrupt):
        train_generator(request(ready), Interrupts(1.4))
    assert not list(ready.generator.glob("*.safetensors"))
    resumed = train(ready)
    assert resumed.resumed_at == 1
    assert undisturbed.resumed_at == 0
    assert resumed.checkpoint.read_bytes() == undisturbed.checkpoint.read_bytes()
    assert resumed.loss == undisturbed.loss
    assert resumed.budget_error == undisturbed.budget_error


def test_an_interrupted_training_with_other_settings_is_refused(ready: Workspace) -> None:
    with pytest.raises(KeyboardInterrupt):
        train_generator(request(ready), Interrupts(1.4))
    with pytest.raises(BadInput, match="other settings") as caught:
        train(ready, budgets=3)
    assert "--fresh" in (caught.value.cure or "")
    assert train(ready, budgets=3, fresh=True).resumed_at == 0


def test_a_finished_training_is_kept(ready: Workspace) -> None:
    first = train(ready)
    stamp = first.checkpoint.stat().st_mtime_ns
    again = train(ready)
    assert again.sha256 == first.sha256
    assert first.checkpoint.stat().st_mtime_ns == stamp
    assert train(ready, seed=1).sha256 != first.sha256


def test_expected_latency_nears_its_targets(ready: Workspace) -> None:
    short = train(ready, epochs=1)
    long = train(ready, epochs=25)
    assert long.budget_error < short.budget_error / 2


def test_a_missing_supernet_is_named(with_table: Workspace) -> None:
    with pytest.raises(BadInput, match="no trained supernet") as caught:
        train(with_table)
    assert "sgnas train supernet --space tiny" in (caught.value.cure or "")


@pytest.mark.parametrize("flag", ["epochs", "batch", "budgets"])
def test_flags_below_one_are_refused(ready: Workspace, flag: str) -> None:
    with pytest.raises(BadInput, match=flag):
        train(ready, **{flag: 0})


def test_other_data_is_a_warning(ready: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "load", lambda spec, resolution: trained.small_data("other"))
    listens = Listener()
    train_generator(request(ready, epochs=1), listens)
    assert any("data that the supernet was trained on" in text for text in listens.warnings)
    # The accuracy in the supernet would be of other images: it is left out, and said so.
    result = generate(GenerateRequest(workdir=ready.root, count=2), listens)
    assert any("accuracy in the supernet is not known" in text for text in result.warnings)
    assert all(one.supernet_accuracy is None for one in result.architectures)
    assert len(result.architectures) == 2


def test_a_generator_of_another_table_is_refused(ready: Workspace) -> None:
    train(ready, epochs=1)
    table = synthetic.table("tiny", seed=5)
    tables.write(ready.luts / f"{table.name}.json", table)
    with pytest.raises(BadInput, match="another table") as caught:
        generate(GenerateRequest(workdir=ready.root, count=2), NullReporter())
    assert "sgnas train generator" in (caught.value.cure or "")


def test_a_generator_of_another_supernet_or_percentile_is_refused(ready: Workspace) -> None:
    train(ready, epochs=1)
    with pytest.raises(BadInput, match="percentile 50, not 95"):
        generate(GenerateRequest(workdir=ready.root, count=2, percentile=95), NullReporter())
    trained.write_supernet(ready, seed=1)
    with pytest.raises(BadInput, match="another supernet"):
        generate(GenerateRequest(workdir=ready.root, count=2), NullReporter())


def described(made: Workspace) -> tuple[Path, GeneratorFile]:
    weights = train(made, epochs=1).checkpoint
    return weights, generator.read_file(weights)


def test_a_generator_of_another_space_is_refused(ready: Workspace) -> None:
    _, found = described(ready)
    with pytest.raises(BadInput, match="for the space tiny, not for tiny\\+se"):
        generator.check(
            found, space="tiny+se", table_sha256=found.table_sha256, percentile=found.percentile
        )


def test_damaged_generators_are_refused(ready: Workspace) -> None:
    weights, _ = described(ready)
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-100])
    with pytest.raises(BadInput, match="SHA-256 differs") as caught:
        generate(GenerateRequest(workdir=ready.root, count=2), NullReporter())
    assert "sgnas train generator --fresh" in (caught.value.cure or "")
    weights.write_bytes(whole)
    weights.with_suffix(".json").write_text("{}")
    with pytest.raises(BadInput, match="not a valid generator description"):
        generate(GenerateRequest(workdir=ready.root, count=2), NullReporter())
