"""Whoever looks on while a training runs: history, logs, the live line, accuracy now and then.

Nothing here decides what is trained; a training that is watched ends with the same weights.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol, TypeAlias, final, runtime_checkable

from sgnas_deploy.errors import BadInput
from sgnas_deploy.training import logs
from sgnas_deploy.training.history import History, path_of

Readings: TypeAlias = "dict[str, float]"

ROWS_AN_EPOCH: Final = 50
"""Lines of a log, about."""

EVALUATIONS: Final = 10
"""How often a long training is evaluated where nobody says how often."""

LONG: Final = 50
"""Epochs from which on a training is long: looking at it ten times costs it little (for the spaces
`cifar` and `imagenet` less than a hundredth of the passes)."""

_PACE_STEPS: Final = 50


@runtime_checkable
class Telling(Protocol):
    """A task that has more to tell than its loss."""

    def readings(self) -> dict[str, float]:
        """Figures of the last step by name, such as `learning_rate`."""


@final
@dataclass(frozen=True)
class Watch:
    """What a user wants to see of a training, and how its images come.

    Attributes:
        logs: formats, files of `training.logs`.
        evaluate_every: epochs between evaluations on held-out images; 0 for none before the end,
            None for `EVALUATIONS` in all where there are `LONG` epochs or more.
        workers: processes that decode image files; None for one per core, at most 8.
    """

    logs: tuple[str, ...] = ()
    evaluate_every: int | None = None
    workers: int | None = None

    def __post_init__(self) -> None:
        """Raise BadInput unless every value can be used."""
        logs.check(self.logs)
        for name, value in (("evaluate-every", self.evaluate_every), ("workers", self.workers)):
            if value is not None and value < 0:
                raise BadInput(f"--{name} must be 0 or more, not {value}")

    def period(self, epochs: int) -> int:
        """Epochs between evaluations of a training that has so many; 0 for none."""
        if self.evaluate_every is not None:
            return self.evaluate_every
        return epochs // EVALUATIONS if epochs >= LONG else 0


SILENT: Final = Watch()


@final
@dataclass(frozen=True)
class Evaluation:
    """How a training is evaluated while it runs.

    Attributes:
        every: epochs between evaluations; 0 for none.
        accuracy: looks at held-out images; a share.
    """

    every: int
    accuracy: Callable[[], float]


@final
class Watcher:
    """Hears of every step of a training.

    Args:
        path: the checkpoint; history and logs stand beside it.
        steps: steps an epoch.
        batch: images a step; 0 for a training that looks at none.
        done: steps that were done before.
        state: what `state` returned then.
        wanted: formats of logs.
        evaluation: None for no accuracy before the end.
        now_s: a clock, for images a second.
    """

    def __init__(
        self,
        path: Path,
        steps: int,
        batch: int,
        done: int = 0,
        state: Mapping[str, Any] | None = None,
        wanted: Sequence[str] = (),
        evaluation: Evaluation | None = None,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        state = state or {}
        self._history = History(path_of(path), steps, state)
        self._steps = steps
        self._batch = batch
        self._every = max(1, steps // ROWS_AN_EPOCH)
        self._evaluation = evaluation
        self._now_s = now_s
        self._accuracy: float | None = state.get("accuracy")
        self._since: list[float] = list(state.get("since", []))
        self._pace: deque[float] = deque([now_s()], maxlen=_PACE_STEPS + 1)
        self._row: Readings = {}
        self._logs = [logs.open_log(name, path, done) for name in wanted]

    def step(self, epoch: int, step: int, loss: float, task: object) -> Readings:
        """Take the loss of a step, the `step`-th (from 0) of an epoch; returns all readings."""
        self._pace.append(self._now_s())
        told = dict(task.readings()) if isinstance(task, Telling) else {}
        self._history.step(epoch, step, loss, told)
        self._since.append(loss)
        found = {**({"images_per_s": self._images_per_s()} if self._batch else {}), **told}
        last = step + 1 == self._steps
        if last or (step + 1) % self._every == 0:
            self._row = {
                "epoch": round(epoch + (step + 1) / self._steps, 6),
                "loss": sum(self._since) / len(self._since),
                **found,
            }
            self._since = []
            if not last:
                self._tell(epoch * self._steps + step + 1)
        if self._accuracy is not None:
            found["accuracy"] = self._accuracy
        return found

    def end_of_epoch(self, epoch: int) -> None:
        """The `epoch`-th (from 0) is over: evaluate, if it is time."""
        plan = self._evaluation
        if plan is not None and plan.every and (epoch + 1) % plan.every == 0:
            self._accuracy = plan.accuracy()
            self._row["accuracy"] = self._accuracy
            self._history.add(accuracy=self._accuracy)
            # The next step is not slow because of it.
            self._pace.clear()
            self._pace.append(self._now_s())
        self._tell((epoch + 1) * self._steps)

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        since = list(self._since)
        return {**self._history.state(), "accuracy": self._accuracy, "since": since}

    def write(self) -> None:
        """Write the history so far."""
        self._history.write()

    def close(self) -> None:
        """Close the logs."""
        for log in self._logs:
            log.close()

    def _tell(self, step: int) -> None:
        for log in self._logs:
            log.row(step, self._row)

    def _images_per_s(self) -> float:
        steps, seconds = len(self._pace) - 1, self._pace[-1] - self._pace[0]
        return steps * self._batch / seconds if seconds > 0 else 0.0
