"""The commands `train supernet` and `retrain`: files, resuming, refusals."""

from __future__ import annotations

import dataclasses
import importlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from sgnas_deploy import architectures, events, files, models, spaces, supernet
from sgnas_deploy.architectures import Architecture
from sgnas_deploy.errors import BadInput
from sgnas_deploy.pipeline.retrain import Retrained, RetrainRequest, retrain
from sgnas_deploy.pipeline.train_supernet import TrainSupernetRequest, train_supernet
from sgnas_deploy.training import checkpoint, loop, recipes
from sgnas_deploy.training.loop import Running
from sgnas_deploy.workspace import Workspace

SPACE = "tiny+r16+c2"
SILENT = events.NullReporter()


class StopAfter:
    """A reporter that presses Ctrl-C after some steps of a training."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    def event(self, event: events.Event) -> None:
        if isinstance(event, events.StageAdvanced) and event.note.startswith("loss"):
            self.left -= 1
            if self.left == 0:
                raise KeyboardInterrupt


@pytest.fixture
def images(tmp_path: Path) -> str:
    rng = np.random.default_rng(0)
    for part, each in (("train", 12), ("val", 4)):
        for label, name in enumerate(("dark", "light")):
            folder = tmp_path / "images" / part / name
            folder.mkdir(parents=True)
            for i in range(each):
                pixels = rng.integers(0, 128, (16, 16, 3)) + 127 * label
                Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{i}.png")
    return str(tmp_path / "images")


@pytest.fixture
def every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Checkpoints at every step."""
    plan = loop.Plan

    def eager(**values: object) -> loop.Plan:
        found = plan(**values)  # type: ignore[arg-type]
        return dataclasses.replace(found, running=Running(interval_s=-1.0))

    for module in ("supernet_job", "retrain_job"):
        found = importlib.import_module(f"sgnas_deploy.training.jobs.{module}")
        monkeypatch.setattr(found.loop, "Plan", eager)


def request(images: str, workdir: Path, **changes: object) -> TrainSupernetRequest:
    usual = TrainSupernetRequest(data=images, workdir=workdir, space=SPACE, epochs=2, batch=5)
    return dataclasses.replace(usual, **changes)  # type: ignore[arg-type]


def write_architecture(workdir: Path, name: str = "net", space: str = SPACE) -> Architecture:
    options = spaces.load(space).sample(np.random.default_rng(7))
    found = Architecture(space, options)
    path = Workspace(workdir).architectures / f"{name}.json"
    files.write_model(path, architectures.describe(name, found, supernet_accuracy=0.5))
    Workspace(workdir).remember("generate", [name])
    return found


def weights(path: Path) -> dict[str, torch.Tensor]:
    return checkpoint.read_tensors(path, "weights")


def assert_same(first: Path, second: Path) -> None:
    a, b = weights(first), weights(second)
    assert set(a) == set(b)
    for name, tensor in a.items():
        assert torch.equal(tensor, b[name]), name


def test_a_supernet_is_trained_and_loaded(images: str, tmp_path: Path) -> None:
    result = train_supernet(request(images, tmp_path / "w"), SILENT)
    assert result.checkpoint == tmp_path / "w" / "supernet" / f"{SPACE}.safetensors"
    left = sorted(p.suffix for p in result.checkpoint.parent.iterdir())
    assert left == [".json", ".jsonl", ".safetensors"]
    assert result.resumed_at == 0
    assert result.epochs == 2
    assert result.sha256 == files.sha256_of(result.checkpoint)
    for spelling in (SPACE, f"{SPACE}+se"):
        network, found = supernet.load(result.checkpoint, spaces.load(spelling))
        assert found.accuracy == result.accuracy == pytest.approx(np.mean(found.accuracies))
        assert found.classes == ("dark", "light")
        assert found.images == 8
        assert not network.training
        assert not any(p.requires_grad for p in network.parameters())
    workspace = Workspace(tmp_path / "w")
    assert workspace.space == SPACE
    assert workspace.last("supernet") == (SPACE,)


def test_a_finished_supernet_is_kept(images: str, tmp_path: Path) -> None:
    first = train_supernet(request(images, tmp_path / "w"), SILENT)
    written = first.checkpoint.stat().st_mtime_ns
    again = train_supernet(request(images, tmp_path / "w"), SILENT)
    assert again.resumed_at == 2
    assert again.accuracy == first.accuracy
    assert first.checkpoint.stat().st_mtime_ns == written
    fresh = train_supernet(request(images, tmp_path / "w", fresh=True), SILENT)
    assert fresh.checkpoint.stat().st_mtime_ns != written
    assert fresh.sha256 == first.sha256
    other = train_supernet(request(images, tmp_path / "w", seed=1), SILENT)
    assert other.sha256 != first.sha256


@pytest.mark.usefixtures("every_step")
@pytest.mark.parametrize("stop", [1, 3, 4, 5])
def test_a_stopped_supernet_goes_on_as_if_undisturbed(
    images: str, tmp_path: Path, stop: int
) -> None:
    whole = train_supernet(request(images, tmp_path / "a"), SILENT)
    with pytest.raises(KeyboardInterrupt):
        train_supernet(request(images, tmp_path / "b"), StopAfter(stop))
    left = list((tmp_path / "b" / "supernet").iterdir())
    assert {path.suffix for path in left} == {".checkpoint", ".jsonl"}
    resumed = train_supernet(request(images, tmp_path / "b"), SILENT)
    assert resumed.resumed_at == (0 if stop < 5 else 1)
    told = [(tmp_path / name / "supernet" / f"{SPACE}.history.jsonl").read_text() for name in "ab"]
    assert told[0] == told[1]
    assert len(told[0].splitlines()) >= 2
    assert_same(whole.checkpoint, resumed.checkpoint)
    assert resumed.accuracy == whole.accuracy
    assert len(list((tmp_path / "b" / "supernet").iterdir())) == 3


@pytest.mark.usefixtures("every_step")
def test_an_interrupted_training_with_other_settings_is_refused(
    images: str, tmp_path: Path
) -> None:
    with pytest.raises(KeyboardInterrupt):
        train_supernet(request(images, tmp_path), StopAfter(2))
    with pytest.raises(BadInput, match="other settings") as refused:
        train_supernet(request(images, tmp_path, seed=5), SILENT)
    assert refused.value.cure is not None
    assert "--fresh" in refused.value.cure
    assert train_supernet(request(images, tmp_path, seed=5, fresh=True), SILENT).resumed_at == 0


@pytest.mark.usefixtures("every_step")
def test_a_truncated_checkpoint_is_refused(images: str, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        train_supernet(request(images, tmp_path), StopAfter(2))
    (path,) = (tmp_path / "supernet").glob("*.checkpoint")
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(BadInput, match="truncated or corrupt") as refused:
        train_supernet(request(images, tmp_path), SILENT)
    assert refused.value.cure is not None
    assert "--fresh" in refused.value.cure


def test_a_space_with_other_classes_is_refused(images: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="2 classes, but space tiny has 10") as refused:
        train_supernet(request(images, tmp_path, space="tiny"), SILENT)
    assert refused.value.cure == "use --space tiny+c2"
    with pytest.raises(BadInput) as refused:
        train_supernet(request(images, tmp_path, space="tiny+c7+paper"), SILENT)
    assert refused.value.cure == "use --space tiny+c2+paper"
    assert not (tmp_path / "supernet").exists()


@pytest.mark.parametrize("changes", [{"epochs": 0}, {"batch": -3}])
def test_flags_out_of_range(images: str, tmp_path: Path, changes: dict[str, int]) -> None:
    with pytest.raises(BadInput, match="must be at least 1"):
        train_supernet(request(images, tmp_path, **changes), SILENT)


def test_supernets_that_cannot_be_used(images: str, tmp_path: Path) -> None:
    space = spaces.load(SPACE)
    path = supernet.weights_path(tmp_path, space)
    with pytest.raises(BadInput, match="no trained supernet") as refused:
        supernet.load(path, space)
    assert refused.value.cure == f"run: sgnas train supernet --space {SPACE}"
    made = train_supernet(request(images, tmp_path, epochs=1), SILENT).checkpoint
    with pytest.raises(BadInput, match="is a supernet of space"):
        supernet.load(made, spaces.load("tiny"))
    made.write_bytes(made.read_bytes()[:-5])
    with pytest.raises(BadInput, match="SHA-256 differs"):
        supernet.load(made, space)


def run_retrain(workdir: Path, images: str | None, **changes: object) -> Retrained:
    usual = RetrainRequest(workdir=workdir, data=images, epochs=2, batch=6)
    result = retrain(dataclasses.replace(usual, **changes), SILENT)  # type: ignore[arg-type]
    (only,) = result.models
    return only


def test_retraining_writes_weights_and_description(images: str, tmp_path: Path) -> None:
    architecture = write_architecture(tmp_path)
    made = run_retrain(tmp_path, images)
    assert made.path == tmp_path / "models" / "net.safetensors"
    assert made.supernet_accuracy == 0.5
    assert made.resumed_at == 0
    found = models.read_model_file(made.path)
    assert found.architecture.architecture == architecture
    assert found.accuracy == made.accuracy
    assert found.images == 8
    assert found.recipe["epochs"] == 2
    left = sorted(p.name for p in made.path.parent.iterdir())
    assert left == ["net.history.jsonl", "net.json", "net.safetensors"]
    assert Workspace(tmp_path).last("retrain") == ("net",)


def test_finished_networks_are_kept_and_changed_ones_are_not(images: str, tmp_path: Path) -> None:
    write_architecture(tmp_path)
    first = run_retrain(tmp_path, images)
    written = first.path.stat().st_mtime_ns
    again = run_retrain(tmp_path, images)
    assert again.resumed_at == 2
    assert again.accuracy == first.accuracy
    assert first.path.stat().st_mtime_ns == written
    run_retrain(tmp_path, images, seed=3)
    assert first.path.stat().st_mtime_ns != written


@pytest.mark.usefixtures("every_step")
@pytest.mark.parametrize("stop", [2, 4, 6])
def test_a_stopped_retraining_goes_on_as_if_undisturbed(
    images: str, tmp_path: Path, stop: int
) -> None:
    write_architecture(tmp_path / "a")
    write_architecture(tmp_path / "b")
    whole = run_retrain(tmp_path / "a", images)
    with pytest.raises(KeyboardInterrupt):
        retrain(
            RetrainRequest(workdir=tmp_path / "b", data=images, epochs=2, batch=6), StopAfter(stop)
        )
    assert not (tmp_path / "b" / "models" / "net.safetensors").exists()
    resumed = run_retrain(tmp_path / "b", images)
    assert resumed.resumed_at == (0 if stop < 5 else 1)
    assert_same(whole.path, resumed.path)


def test_data_and_weights_come_from_the_supernet(images: str, tmp_path: Path) -> None:
    trained = train_supernet(request(images, tmp_path, epochs=1), SILENT)
    write_architecture(tmp_path, space=f"{SPACE}+se")
    scratch = run_retrain(tmp_path, None, epochs=1)
    before = weights(scratch.path)
    inherited = run_retrain(tmp_path, None, epochs=1, inherit=True)
    assert inherited.resumed_at == 0
    found = models.read_model_file(inherited.path)
    assert found.recipe["supernet_sha256"] == trained.sha256
    name = "stem.conv.bn.running_mean"
    assert not torch.equal(weights(inherited.path)[name], before[name])


def test_distillation_from_the_supernet(
    images: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train_supernet(request(images, tmp_path, epochs=1), SILENT)
    write_architecture(tmp_path)
    usual = recipes.retraining

    def distilling(
        space: spaces.Space, source: object, own: str | None = None
    ) -> recipes.RetrainRecipe:
        made = usual(space, source, own)  # type: ignore[arg-type]
        return dataclasses.replace(made, distill=0.5, mixup=0.2, clip_norm=1.0)

    without = weights(run_retrain(tmp_path, None, epochs=1).path)
    monkeypatch.setattr(recipes, "retraining", distilling)
    made = run_retrain(tmp_path, None, epochs=1)
    assert models.read_model_file(made.path).recipe["distill"] == 0.5
    name = "head.classifier.conv.weight"
    assert not torch.equal(weights(made.path)[name], without[name])


def test_a_changed_data_set_is_told(images: str, tmp_path: Path) -> None:
    train_supernet(request(images, tmp_path, epochs=1), SILENT)
    write_architecture(tmp_path)
    Image.new("RGB", (16, 16)).save(Path(images) / "train" / "dark" / "new.png")
    heard: list[events.Event] = []

    class Listener:
        def event(self, event: events.Event) -> None:
            heard.append(event)

    retrain(RetrainRequest(workdir=tmp_path, epochs=1, batch=6), Listener())
    assert any(isinstance(e, events.Warned) and "has changed" in e.text for e in heard)


def test_retraining_without_what_it_needs(images: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="nothing in"):
        retrain(RetrainRequest(workdir=tmp_path, data=images), SILENT)
    write_architecture(tmp_path)
    with pytest.raises(BadInput, match="no supernet of"):
        retrain(RetrainRequest(workdir=tmp_path), SILENT)
    with pytest.raises(BadInput, match="no trained supernet"):
        retrain(RetrainRequest(workdir=tmp_path, data=images, inherit=True), SILENT)


def test_two_architectures_of_one_name(images: str, tmp_path: Path) -> None:
    write_architecture(tmp_path)
    path = str(tmp_path / "architectures" / "net.json")
    with pytest.raises(BadInput, match="overwrite each other"):
        retrain(RetrainRequest(workdir=tmp_path, data=images, architectures=(path, path)), SILENT)
