"""Whoever looks on changes nothing, sees everything, and goes on where it was stopped."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from sgnas_deploy.errors import BadInput
from sgnas_deploy.training import history
from sgnas_deploy.training.watching import Evaluation, Watch, Watcher

STEPS = 120


class Task:
    def readings(self) -> dict[str, float]:
        return {"learning_rate": 0.5}


class Clock:
    """A second a step, and a hundred for an evaluation."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def slow_accuracy(clock: Clock) -> Callable[[], float]:
    def accuracy() -> float:
        clock.now_s += 100
        return 0.25

    return accuracy


def lines(tmp_path: Path) -> list[dict[str, str]]:
    with (tmp_path / "a.log.csv").open(newline="") as text:
        return list(csv.DictReader(text))


@pytest.mark.parametrize("stop", [None, 0, 1, 7, 119, 120, 131, 200])
def test_a_stop_changes_nothing(tmp_path: Path, stop: int | None) -> None:
    def watcher(done: int, state: dict[str, object] | None) -> Watcher:
        plan = Evaluation(1, iter([0.25, 0.5][done // STEPS :]).__next__)
        return Watcher(tmp_path / "a.checkpoint", STEPS, 8, done, state, ("csv",), plan)

    told = watcher(0, None)
    state: dict[str, object] = {}
    for number in range(2 * STEPS):
        if number == stop:
            # Some steps more are heard of, and lost with the process.
            state = told.state()
            for lost in range(number, min(number + 5, 2 * STEPS - 1)):
                if (lost + 1) % STEPS:
                    told.step(*divmod(lost, STEPS), 99.0, Task())
            told.close()
            told = watcher(number, state)
        epoch, step = divmod(number, STEPS)
        told.step(epoch, step, 1 / (1 + number), Task())
        if step + 1 == STEPS:
            told.end_of_epoch(epoch)
    told.write()
    told.close()
    found = lines(tmp_path)
    every = STEPS // 50
    assert [int(line["step"]) for line in found] == list(range(every, 2 * STEPS + 1, every))
    for line in found:
        last = int(line["step"])
        expected = sum(1 / (1 + number) for number in range(last - every, last)) / every
        assert float(line["loss"]) == pytest.approx(expected, rel=1e-8)
        assert float(line["epoch"]) == pytest.approx(last / STEPS, abs=1e-5)
        assert line["learning_rate"] == "0.5"
    assert [line["accuracy"] for line in found if line["accuracy"]] == ["0.25", "0.5"]
    kept = history.read(tmp_path / "a.history.jsonl")
    assert [line["accuracy"] for line in kept if "accuracy" in line] == [0.25, 0.5]
    assert [line["epoch"] for line in kept if "accuracy" in line] == [1, 2]


def test_readings_are_those_of_the_step(tmp_path: Path) -> None:
    clock = Clock()
    told = Watcher(
        tmp_path / "a.checkpoint",
        2,
        16,
        wanted=("csv",),
        evaluation=Evaluation(2, slow_accuracy(clock)),
        now_s=clock,
    )
    for number in range(5):
        clock.now_s += 0.5
        found = told.step(*divmod(number, 2), 1.0, Task())
        expected = {"images_per_s": 32.0, "learning_rate": 0.5}
        assert found == (expected if number < 4 else {**expected, "accuracy": 0.25})
        if number % 2:
            told.end_of_epoch(number // 2)
    # An evaluation takes time, but the steps around it are not slower.
    assert [line["images_per_s"] for line in lines(tmp_path)] == ["32"] * 5
    assert [line["accuracy"] for line in lines(tmp_path)] == ["", "", "", "0.25", ""]


def test_a_training_without_images_has_no_pace(tmp_path: Path) -> None:
    told = Watcher(tmp_path / "a.checkpoint", 3, 0)
    assert told.step(0, 0, 1.0, object()) == {}


def test_without_logs_there_is_only_the_history(tmp_path: Path) -> None:
    told = Watcher(tmp_path / "a.checkpoint", 1, 4)
    told.step(0, 0, 1.0, Task())
    told.end_of_epoch(0)
    told.write()
    told.close()
    assert [path.name for path in tmp_path.iterdir()] == ["a.history.jsonl"]


@pytest.mark.parametrize(
    ("asked", "epochs", "expected"),
    [(None, 24, 0), (None, 50, 5), (None, 350, 35), (0, 350, 0), (7, 3, 7)],
)
def test_only_long_trainings_are_evaluated_unasked(
    asked: int | None, epochs: int, expected: int
) -> None:
    assert Watch(evaluate_every=asked).period(epochs) == expected


def test_what_cannot_be_watched_is_refused() -> None:
    with pytest.raises(BadInput, match="no log 'paper'"):
        Watch(logs=("paper",))
    with pytest.raises(BadInput, match="--evaluate-every must be 0 or more, not -1"):
        Watch(evaluate_every=-1)
    with pytest.raises(BadInput, match="--workers must be 0 or more"):
        Watch(workers=-2)
