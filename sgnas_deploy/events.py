"""What a long job says while it runs. Printing is the business of whoever listens."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias, final


@dataclass(frozen=True)
class StageStarted:
    """A stage of known or unknown length begins.

    Attributes:
        name: what is happening, in a few words; unique among the stages that are open.
        total: how many units of work it has, None when unknown.
        unit: what one unit is ("blocks", "epochs").
    """

    name: str
    total: float | None
    unit: str


@dataclass(frozen=True)
class StageAdvanced:
    """`done` units (in all, not since the last event) are finished; `note` is the latest news.

    Attributes:
        name: of the stage.
        done: units finished.
        note: for a person.
        readings: figures by name, in SI units, such as `loss` and `learning_rate` of a training;
            whoever shows them leaves the note out, which tells less.
    """

    name: str
    done: float
    note: str
    readings: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class StageEnded:
    """The stage is over, well or not."""

    name: str


@dataclass(frozen=True)
class Note:
    """A finding worth one line."""

    text: str


@dataclass(frozen=True)
class Warned:
    """Something the user should know before trusting the result."""

    text: str


Event: TypeAlias = StageStarted | StageAdvanced | StageEnded | Note | Warned


class Reporter(Protocol):
    """Whoever listens to a job."""

    def event(self, event: Event) -> None:
        """Take one event; must not raise and must not block for long."""


@final
class NullReporter:
    """Listens and says nothing."""

    def event(self, event: Event) -> None:
        """Drop the event."""


class Stage:
    """Handle of an open stage, made by `stage`."""

    def __init__(self, reporter: Reporter, name: str) -> None:
        self._reporter = reporter
        self._name = name
        self.done = 0.0

    def advance(
        self, by: float = 1, note: str = "", readings: Mapping[str, float] | None = None
    ) -> None:
        """Report `by` further units as done."""
        self.done += by
        self._reporter.event(StageAdvanced(self._name, self.done, note, readings or {}))


@contextmanager
def stage(
    reporter: Reporter, name: str, total: float | None = None, unit: str = ""
) -> Iterator[Stage]:
    """Open a stage for the length of a `with` block."""
    reporter.event(StageStarted(name, total, unit))
    try:
        yield Stage(reporter, name)
    finally:
        reporter.event(StageEnded(name))
