"""A generator's training with a recipe of one's own, and what its logs tell."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from sgnas_deploy import events, generator
from sgnas_deploy.errors import BadInput
from sgnas_deploy.pipeline.train_generator import TrainGeneratorRequest, train_generator
from sgnas_deploy.workspace import Workspace
from tests.training.test_logs import scalars


class Listener:
    def __init__(self) -> None:
        self.readings: list[dict[str, float]] = []

    def event(self, event: events.Event) -> None:
        if isinstance(event, events.StageAdvanced) and event.readings:
            self.readings.append(dict(event.readings))


def own(tmp_path: Path, text: str) -> str:
    path = tmp_path / "own.toml"
    path.write_text(text)
    return str(path)


def test_logs_tell_latency_against_its_target(ready: Workspace, tmp_path: Path) -> None:
    recipe = own(
        tmp_path,
        '[generator]\ntaught_by = "mixture"\nbudgets = 2\nbatch = 10\n'
        "temperature = 2.0\npriors = 1\n",
    )
    listener = Listener()
    made = train_generator(
        TrainGeneratorRequest(
            ready.root, epochs=2, recipe=recipe, logs=("csv", "tensorboard"), workers=0
        ),
        listener,
    )
    used = generator.read_file(made.checkpoint).recipe
    assert (used.epochs, used.budgets, used.batch, used.priors) == (2, 2, 10, 1)

    stem = made.checkpoint.stem
    with made.checkpoint.with_name(f"{stem}.log.csv").open(newline="") as text:
        rows = list(csv.DictReader(text))
    # 20 images kept for the generator: two steps an epoch.
    assert [int(row["step"]) for row in rows] == [1, 2, 3, 4]
    assert [float(row["temperature"]) for row in rows] == pytest.approx([2, 2, 1.9, 1.9])
    described = generator.read_file(made.checkpoint)
    for row in rows:
        assert described.fastest_s < float(row["target_s"]) < described.slowest_s
        assert described.fastest_s < float(row["expected_s"]) < described.slowest_s
        assert float(row["budget_error"]) > 0
    assert made.budget_error == pytest.approx(
        sum(float(row["budget_error"]) for row in rows[2:]) / 2
    )
    told = scalars(made.checkpoint.with_name(f"{stem}.tensorboard"))
    assert set(told) >= {"loss", "temperature", "budget_error", "expected_s", "target_s"}
    assert told["expected_s"] == {
        int(row["step"]): pytest.approx(float(row["expected_s"])) for row in rows
    }
    live = [one["expected_s"] for one in listener.readings]
    assert live == pytest.approx([float(row["expected_s"]) for row in rows])


def test_flags_come_after_the_recipe(ready: Workspace, tmp_path: Path) -> None:
    recipe = own(tmp_path, "[generator]\nepochs = 9\nbudgets = 2\nbatch = 10\nprobes = 12\n")
    request = TrainGeneratorRequest(ready.root, epochs=1, budgets=3, recipe=recipe)
    used = generator.read_file(train_generator(request, events.NullReporter()).checkpoint).recipe
    assert (used.epochs, used.budgets, used.batch) == (1, 3, 10)


def test_a_recipe_that_cannot_be_used_is_refused_first(ready: Workspace, tmp_path: Path) -> None:
    recipe = own(tmp_path, "[generator]\ntemperature = 0\n")
    with pytest.raises(BadInput, match="temperature: input should be greater than 0"):
        train_generator(TrainGeneratorRequest(ready.root, recipe=recipe), events.NullReporter())
