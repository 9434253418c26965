"""The commands with recipes, logs and evaluations: what stands there in the end."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sgnas_deploy import architectures, events, files, models, spaces
from sgnas_deploy.architectures import Architecture
from sgnas_deploy.errors import BadInput
from sgnas_deploy.pipeline.retrain import RetrainRequest, retrain
from sgnas_deploy.pipeline.train_supernet import TrainSupernetRequest, train_supernet
from sgnas_deploy.training import evaluation, history
from sgnas_deploy.workspace import Workspace
from tests.training.test_logs import scalars

SPACE = "tiny+r16+c2"
SILENT = events.NullReporter()


class Listener:
    """Keeps readings, and presses Ctrl-C after some steps."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.readings: list[dict[str, float]] = []
        self._stop_after = stop_after

    def event(self, event: events.Event) -> None:
        if isinstance(event, events.StageAdvanced) and event.readings:
            self.readings.append(dict(event.readings))
            if len(self.readings) == self._stop_after:
                raise KeyboardInterrupt


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> str:
    root = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    for part, each in (("train", 12), ("val", 6)):
        for label, name in enumerate(("dark", "light")):
            folder = root / part / name
            folder.mkdir(parents=True)
            for i in range(each):
                pixels = rng.integers(0, 128, (16, 16, 3)) + 127 * label
                Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{i}.png")
    return str(root)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as text:
        return list(csv.DictReader(text))


def test_a_watched_supernet_is_the_same_supernet(images: str, tmp_path: Path) -> None:
    plain = TrainSupernetRequest(images, tmp_path / "a", SPACE, epochs=3, batch=5)
    quiet = train_supernet(plain, SILENT)
    listener = Listener()
    watched = train_supernet(
        TrainSupernetRequest(
            images,
            tmp_path / "b",
            SPACE,
            epochs=3,
            batch=5,
            logs=("csv", "tensorboard"),
            evaluate_every=2,
            workers=0,
        ),
        listener,
    )
    assert watched.sha256 == quiet.sha256
    folder = tmp_path / "b" / "supernet"
    assert sorted(path.name for path in folder.iterdir()) == [
        f"{SPACE}.{end}"
        for end in ("history.jsonl", "json", "log.csv", "safetensors", "tensorboard")
    ]
    found = rows(folder / f"{SPACE}.log.csv")
    # 20 images to train on, 4 steps an epoch.
    assert [int(row["step"]) for row in found] == list(range(1, 13))
    assert [row["step"] for row in found if row["accuracy"]] == ["8"]
    assert all(float(row["learning_rate"]) > 0 and float(row["loss"]) > 0 for row in found)
    told = scalars(folder / f"{SPACE}.tensorboard")
    assert set(told) == {"epoch", "loss", "learning_rate", "images_per_s", "accuracy"}
    for name in ("loss", "learning_rate"):
        expected = [float(row[name]) for row in found]
        assert [told[name][step] for step in range(1, 13)] == pytest.approx(expected, rel=1e-5)
    assert told["accuracy"] == {8: pytest.approx(float(found[7]["accuracy"]))}
    assert 0 <= told["accuracy"][8] <= 1
    lines = history.read(folder / f"{SPACE}.history.jsonl")
    assert [line["epoch"] for line in lines if "accuracy" in line] == [2]
    assert len(listener.readings) == 12
    assert listener.readings[0].keys() == {"loss", "learning_rate", "images_per_s"}
    assert "accuracy" not in listener.readings[7]
    assert listener.readings[8]["accuracy"] == pytest.approx(told["accuracy"][8])


def test_an_evaluation_is_of_the_trained_sub_networks(
    images: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the end of the last epoch, on few images, it is the first part of the final one."""
    listener = Listener()
    found: list[list[float]] = []
    usual = evaluation.choice_accuracies

    def heard(*arguments: object) -> list[float]:
        found.append(usual(*arguments))  # type: ignore[arg-type]
        return found[-1]

    monkeypatch.setattr(evaluation, "choice_accuracies", heard)
    asked = TrainSupernetRequest(images, tmp_path, SPACE, epochs=2, batch=5, evaluate_every=2)
    result = train_supernet(asked, listener)
    during, final = found
    assert len(during) == 3
    assert final[:3] == during
    assert result.accuracy == pytest.approx(np.mean(final))
    (line,) = [
        line
        for line in history.read(result.checkpoint.with_suffix(".history.jsonl"))
        if "accuracy" in line
    ]
    assert line["accuracy"] == pytest.approx(np.mean(during))


def test_a_stopped_training_goes_on_in_the_same_logs(images: str, tmp_path: Path) -> None:
    asked = TrainSupernetRequest(
        images,
        tmp_path,
        SPACE,
        epochs=3,
        batch=5,
        logs=("csv", "tensorboard"),
        checkpoint_s=0.0,
        evaluate_every=1,
    )
    for stop in (3, 4):
        with pytest.raises(KeyboardInterrupt):
            train_supernet(asked, Listener(stop))
    train_supernet(asked, SILENT)
    found = rows(tmp_path / "supernet" / f"{SPACE}.log.csv")
    assert [int(row["step"]) for row in found] == list(range(1, 13))
    told = scalars(tmp_path / "supernet" / f"{SPACE}.tensorboard")
    assert sorted(told["loss"]) == list(range(1, 13))
    assert sorted(told["accuracy"]) == [4, 8, 12]


def architecture(workdir: Path) -> None:
    options = spaces.load(SPACE).sample(np.random.default_rng(7))
    path = Workspace(workdir).architectures / "net.json"
    described = architectures.describe("net", Architecture(SPACE, options), supernet_accuracy=0.5)
    files.write_model(path, described)
    Workspace(workdir).remember("generate", ["net"])


def test_a_retraining_with_a_recipe_of_one_s_own(images: str, tmp_path: Path) -> None:
    architecture(tmp_path)
    recipe = tmp_path / "own.toml"
    recipe.write_text(
        """
        [retrain]
        epochs = 4
        batch = 8
        optimizer = "sgd"
        lr = 0.05
        augmentation = "timm"
        randaugment = "rand-m5"
        ema = "none"
        """
    )
    result = retrain(
        RetrainRequest(
            tmp_path,
            data=images,
            recipe=str(recipe),
            epochs=2,
            logs=("csv",),
            evaluate_every=1,
            workers=0,
        ),
        SILENT,
    )
    (made,) = result.models
    used = models.read_model_file(made.path).recipe
    assert (used["epochs"], used["batch"], used["lr"]) == (2, 8, 0.05)
    assert (used["optimizer"], used["randaugment"], used["ema"]) == ("sgd", "rand-m5", None)
    found = rows(tmp_path / "models" / "net.log.csv")
    assert [int(row["step"]) for row in found] == list(range(1, 7))
    # The network as it is after the last epoch is what is kept, and what was looked at.
    assert float(found[-1]["accuracy"]) == pytest.approx(made.accuracy)
    other = RetrainRequest(tmp_path, data=images, recipe=str(recipe), epochs=2, workers=0)
    assert retrain(other, SILENT).models[0].resumed_at == 2


def test_what_is_looked_at_is_the_average_where_there_is_one(images: str, tmp_path: Path) -> None:
    architecture(tmp_path)
    asked = RetrainRequest(tmp_path, data=images, epochs=2, batch=6, evaluate_every=2)
    (made,) = retrain(asked, SILENT).models
    assert models.read_model_file(made.path).recipe["ema"] == 0.99
    last = history.read(tmp_path / "models" / "net.history.jsonl")[-1]
    assert last["accuracy"] == pytest.approx(made.accuracy)


def test_a_recipe_that_cannot_be_used_leaves_nothing(images: str, tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text("[supernet]\nepoch = 3\n")
    for request in (
        TrainSupernetRequest(images, tmp_path / "w", SPACE, recipe=str(path)),
        TrainSupernetRequest(images, tmp_path / "w", SPACE, recipe="nowhere.toml"),
        TrainSupernetRequest(images, tmp_path / "w", SPACE, logs=("paper",)),
    ):
        with pytest.raises(BadInput):
            train_supernet(request, SILENT)
    assert not (tmp_path / "w" / "supernet").exists()
