"""One generator for many devices: trained on several tables, asked about another one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sgnas_deploy import architectures, generator, tables
from sgnas_deploy.errors import BadInput
from sgnas_deploy.events import NullReporter
from sgnas_deploy.generator import GeneratorFile
from sgnas_deploy.pipeline.generate import GenerateRequest, GenerateResult, generate
from sgnas_deploy.pipeline.train_generator import (
    PERTURBED,
    TrainGeneratorRequest,
    TrainGeneratorResult,
    train_generator,
)
from sgnas_deploy.workspace import Workspace
from tests.fakes.reporters import Interrupts, Listener
from tests.generator import trained
from tests.tables import synthetic


def add_table(made: Workspace, device: str, space: str = "tiny") -> Path:
    table = synthetic.table(space, seed=len(device)).model_copy(update={"device": device})
    path = made.luts / f"{table.name}.json"
    tables.write(path, table)
    return path


def request(made: Workspace, **flags: object) -> TrainGeneratorRequest:
    usual: dict[str, object] = {"epochs": 2, "budgets": 4, "any_device": True, "perturbed": 6}
    return trained.request(made, **usual | flags)


def train(made: Workspace, **flags: object) -> TrainGeneratorResult:
    return train_generator(request(made, **flags), NullReporter())


def ask(made: Workspace, lut: Path | None, reporter: Listener | None = None) -> GenerateResult:
    asked = GenerateRequest(workdir=made.root, lut=None if lut is None else str(lut), count=3)
    return generate(asked, reporter or NullReporter())


def test_a_table_to_come_needs_no_training(ready: Workspace) -> None:
    first = ready.find_table(None)
    second = add_table(ready, "board")
    ready.remember("profile", [first.stem], "tiny")
    made = train(ready)
    assert made.checkpoint == generator.any_device_path(ready.generator, "tiny")
    assert {made.table, *made.more_tables} == {first, second}
    assert made.perturbed == 6
    assert ready.last("generator") == ("tiny--any-device",)
    described = generator.read_file(made.checkpoint)
    assert described.recipe.reads_tables
    assert all(described.knows(tables.sha256(path)) for path in (first, second))

    third = add_table(ready, "phone")
    heard = Listener()
    result = ask(ready, third, heard)
    assert result.unseen
    assert result.generator == "tiny--any-device"
    assert heard.notes == [f"tiny--any-device reads {third.stem}, which it was not trained on"]
    for one in result.architectures:
        found = architectures.read(one.path).budgeted
        assert found is not None
        assert found.generator_sha256 == made.sha256
        assert found.table_sha256 == tables.sha256(third)
        assert found.predicted_s <= one.budget_s * (1 - result.margin)
    quiet = Listener()
    known = ask(ready, first, quiet)
    assert not known.unseen
    assert not quiet.notes
    assert known.generator == "tiny--any-device"


def test_any_percentile_will_do(ready: Workspace) -> None:
    train(ready)
    result = generate(GenerateRequest(workdir=ready.root, count=2, percentile=95), NullReporter())
    assert result.generator == "tiny--any-device"


def test_a_table_s_own_generator_comes_first(ready: Workspace) -> None:
    train(ready)
    own = train(ready, any_device=False, perturbed=None)
    result = ask(ready, None)
    assert result.generator == own.checkpoint.stem == ready.find_table(None).stem
    assert not result.unseen


def test_where_probes_teach_it_is_the_default(ready: Workspace, tmp_path: Path) -> None:
    made = train(ready, any_device=None, perturbed=None, epochs=1)
    assert made.checkpoint == generator.any_device_path(ready.generator, "tiny")
    assert made.perturbed == PERTURBED
    published = tmp_path / "published.toml"
    published.write_text('[generator]\ntaught_by = "mixture"\n')
    flags = {"any_device": None, "perturbed": None, "epochs": 1, "recipe": str(published)}
    own = train(ready, **flags)
    assert own.checkpoint == generator.weights_path(ready.generator, own.table.stem)
    with pytest.raises(BadInput, match="only for a generator that reads tables"):
        train(ready, **{**flags, "perturbed": 3})
    second = add_table(ready, "board")
    ready.remember("profile", [own.table.stem], "tiny")
    with pytest.raises(BadInput, match="cannot be trained on 2"):
        train(ready, **{**flags, "luts": (str(own.table), str(second))})


def test_a_generator_of_a_table_that_was_measured_anew_gives_way(ready: Workspace) -> None:
    path = ready.find_table(None)
    own = train(ready, any_device=False, perturbed=None, epochs=1)
    reading = train(ready, epochs=1)
    assert ask(ready, None).generator == own.checkpoint.stem
    tables.write(path, synthetic.table("tiny", seed=9).model_copy(update={"device": "cpu"}))
    assert ready.find_table(None) == path
    result = ask(ready, None)
    assert result.generator == reading.checkpoint.stem
    assert result.unseen
    reading.checkpoint.unlink()
    with pytest.raises(BadInput, match="trained on another table") as caught:
        ask(ready, None)
    assert "sgnas train generator --one-table" in (caught.value.cure or "")


def test_what_was_stopped_ends_as_what_was_not(ready: Workspace, tmp_path: Path) -> None:
    other = trained.ready(tmp_path / "other")
    undisturbed = train(other)
    with pytest.raises(KeyboardInterrupt):
        train_generator(request(ready), Interrupts(1.4))
    resumed = train(ready)
    assert resumed.resumed_at == 1
    assert resumed.checkpoint.read_bytes() == undisturbed.checkpoint.read_bytes()


def test_what_is_finished_is_kept_until_the_tables_change(ready: Workspace) -> None:
    table = str(ready.find_table(None))
    first = train(ready, luts=(table,))
    stamp = first.checkpoint.stat().st_mtime_ns
    assert train(ready, luts=(table, table)).sha256 == first.sha256
    assert first.checkpoint.stat().st_mtime_ns == stamp
    second = add_table(ready, "board")
    more = train(ready, luts=(table, str(second)))
    assert more.sha256 != first.sha256
    assert train(ready, luts=(table,)).sha256 == first.sha256


def test_expected_latency_nears_its_targets_on_all_tables(ready: Workspace) -> None:
    short = train(ready, epochs=1, perturbed=32)
    long = train(ready, epochs=30, perturbed=32)
    assert long.budget_error < short.budget_error / 1.5


def test_another_supernet_or_space_is_refused(ready: Workspace) -> None:
    made = train(ready)
    described = generator.read_file(made.checkpoint)
    with pytest.raises(BadInput, match="for the space tiny, not for tiny\\+se"):
        generator.check(described, space="tiny+se", table_sha256="", percentile=50.0)
    foreign = add_table(ready, "board", "tiny+se")
    with pytest.raises(BadInput, match="no trained generator"):
        ask(ready, foreign)
    trained.write_supernet(ready, seed=1)
    with pytest.raises(BadInput, match="another supernet") as caught:
        ask(ready, ready.find_table(None, "tiny"))
    assert "--any-device" in (caught.value.cure or "")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"any_device": False}, "reads tables, not for --one-table"),
        ({"any_device": False, "perturbed": None, "luts": ("a", "b")}, "cannot be trained on 2"),
        ({"perturbed": -1}, "-1 random devices"),
        ({"luts": ("none",)}, "no table 'none'"),
    ],
)
def test_flags_that_make_no_sense_are_refused(
    ready: Workspace, flags: dict[str, object], message: str
) -> None:
    with pytest.raises(BadInput, match=message):
        train(ready, **flags)


def test_tables_of_two_spaces_are_refused(ready: Workspace) -> None:
    other = add_table(ready, "board", "tiny+se")
    luts = (str(ready.find_table(None, "tiny")), str(other))
    with pytest.raises(BadInput, match="different spaces: tiny, tiny\\+se"):
        train(ready, luts=luts)


def test_there_are_many_random_devices_unless_said_otherwise(
    ready: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sgnas_deploy.training.jobs import generator_job

    asked: list[int] = []

    def run(job: generator_job.Job, *_: object) -> None:
        asked.append(job.recipe.perturbed)
        raise KeyboardInterrupt

    monkeypatch.setattr(generator_job, "run", run)
    for flags in ({"perturbed": None}, {"perturbed": 0}, {"any_device": False, "perturbed": None}):
        with pytest.raises(KeyboardInterrupt):
            train(ready, **flags)
    assert asked == [PERTURBED, 0, 0]


def test_descriptions_from_before_still_load(ready: Workspace) -> None:
    made = train(ready, any_device=False, perturbed=None)
    described = made.checkpoint.with_suffix(".json")
    content = json.loads(described.read_text())
    del content["more_tables"], content["recipe"]["reads_tables"], content["recipe"]["perturbed"]
    described.write_text(json.dumps(content))
    found = generator.read_file(made.checkpoint)
    assert isinstance(found, GeneratorFile)
    assert not found.recipe.reads_tables
    assert ask(ready, None).generator == ready.find_table(None).stem
