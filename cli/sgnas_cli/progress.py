"""Progress on stderr: bars on a terminal, a few plain lines elsewhere."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TextIO, final

from sgnas_cli.render import readings
from sgnas_cli.render.figures import clock, duration
from sgnas_deploy.events import (
    Event,
    Note,
    Reporter,
    StageAdvanced,
    StageEnded,
    StageStarted,
    Warned,
)

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_SETTLE_S = 1.0
_PLAIN_EVERY_S = 10.0


@dataclass
class Pace:
    """How fast a stage goes.

    What is done within the first second is taken for work of an earlier run, found again: it says
    nothing about the speed.

    Attributes:
        started_s: when the stage began.
        total: units in all, None when unknown.
        done: units finished.
    """

    started_s: float
    total: float | None
    unit: str = ""
    done: float = 0.0
    _found: tuple[float, float] = field(default=(0.0, 0.0))

    def advance(self, done: float, now_s: float) -> None:
        """Take note of the units that are finished in all."""
        self.done = float(done)
        if now_s - self.started_s < _SETTLE_S:
            self._found = (done, now_s - self.started_s)

    def remaining_s(self, now_s: float) -> float | None:
        """Seconds that are left at the mean speed so far, None while nobody can know."""
        found, at_s = self._found
        new, spent_s = self.done - found, now_s - self.started_s - at_s
        if self.total is None or new <= 0 or spent_s <= 0:
            return None
        return max(self.total - self.done, 0.0) * spent_s / new

    def amount(self) -> str:
        """Such as `12 of 249 blocks`; empty when there is nothing to count."""
        done = f"{self.done:.0f}" if self.done.is_integer() else f"{self.done:.1f}"
        if self.total is None:
            return f"{done} {self.unit}".strip() if self.done else ""
        return f"{done} of {self.total:.0f} {self.unit}".strip()


@final
class PlainReporter:
    """Lines for a log: outer stages when they begin and end, and a word every ten seconds."""

    def __init__(self, out: TextIO, now_s: Callable[[], float] = time.monotonic) -> None:
        self._out = out
        self._now_s = now_s
        self._open: dict[str, Pace] = {}
        self._spoke_s = now_s()

    def event(self, event: Event) -> None:
        """Take one event."""
        now_s = self._now_s()
        match event:
            case StageStarted():
                outermost = not self._open
                self._open[event.name] = Pace(now_s, event.total, event.unit)
                if outermost:
                    amount = f"{event.total:.0f} {event.unit}".strip() if event.total else ""
                    self._say(f"{event.name} ...{f' ({amount})' if amount else ''}", now_s)
            case StageAdvanced():
                advanced = self._open.get(event.name)
                if advanced is not None:
                    advanced.advance(event.done, now_s)
                    if now_s - self._spoke_s >= _PLAIN_EVERY_S:
                        self._say(self._news(event, advanced, now_s), now_s)
            case StageEnded():
                ended = self._open.pop(event.name, None)
                if ended is not None and not self._open:
                    self._say(
                        f"{event.name}: ended after {duration(now_s - ended.started_s)}", now_s
                    )
            case Note():
                self._say(event.text, now_s)
            case Warned():
                self._say(f"warning: {event.text}", now_s)

    def _news(self, event: StageAdvanced, pace: Pace, now_s: float) -> str:
        left_s = pace.remaining_s(now_s)
        parts = (
            pace.amount(),
            readings.line(event.readings) or event.note,
            f"{duration(now_s - pace.started_s)} so far",
            f"about {duration(left_s)} left" if left_s is not None else "",
        )
        return f"{event.name}: " + ", ".join(part for part in parts if part)

    def _say(self, line: str, now_s: float) -> None:
        self._spoke_s = now_s
        # Whoever read stderr may have left; the job goes on.
        with contextlib.suppress(OSError, ValueError):
            self._out.write(line + "\n")
            self._out.flush()


@final
class RichReporter:
    """A bar for every open stage; notes and ended outer stages stay as lines above them.

    Where a stage has readings, they are the field `told` of its bar, and its note is left out.
    """

    def __init__(self, progress: Progress, now_s: Callable[[], float] = time.monotonic) -> None:
        self._progress = progress
        self._now_s = now_s
        self._open: dict[str, tuple[TaskID, Pace]] = {}

    def event(self, event: Event) -> None:
        """Take one event."""
        now_s = self._now_s()
        match event:
            case StageStarted():
                self._end(event.name)
                depth = len(self._open)
                pace = Pace(now_s, event.total, event.unit)
                task = self._progress.add_task(
                    "  " * depth + event.name,
                    total=event.total or None,
                    note="",
                    told="",
                    pace=pace,
                )
                self._open[event.name] = (task, pace)
            case StageAdvanced():
                if event.name in self._open:
                    task, pace = self._open[event.name]
                    pace.advance(event.done, now_s)
                    told = readings.line(event.readings)
                    self._progress.update(
                        task, completed=event.done, note="" if told else event.note, told=told
                    )
            case StageEnded():
                ended = self._end(event.name)
                if ended is not None and not self._open:
                    took = duration(now_s - ended.started_s)
                    amount = ended.amount()
                    self._line(f"{event.name}: {f'{amount}, ' if amount else ''}{took}", "dim")
            case Note():
                self._line(event.text, "")
            case Warned():
                self._line(f"warning: {event.text}", "yellow")

    def _end(self, name: str) -> Pace | None:
        task_and_pace = self._open.pop(name, None)
        if task_and_pace is None:
            return None
        task, pace = task_and_pace
        self._progress.remove_task(task)
        return pace

    def _line(self, text: str, style: str) -> None:
        from rich.text import Text

        self._progress.console.print(Text(text, style=style))


def _bars(now_s: Callable[[], float]) -> Progress:
    from rich.console import Console, RenderableType
    from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
    from rich.table import Column
    from rich.text import Text

    class Times(ProgressColumn):
        """Elapsed and remaining time."""

        def render(self, task: Task) -> Text:
            pace: Pace = task.fields["pace"]
            left_s = pace.remaining_s(now_s())
            left = f", {clock(left_s)} left" if left_s is not None else ""
            return Text(f"{clock(now_s() - pace.started_s)}{left}", no_wrap=True)

    class Amount(ProgressColumn):
        """How much of how much."""

        def render(self, task: Task) -> Text:
            pace: Pace = task.fields["pace"]
            return Text(pace.amount(), no_wrap=True)

    def flexible(ratio: int) -> Column:
        """What is cut when the terminal is narrow, so that figures never are."""
        return Column(ratio=ratio, no_wrap=True, overflow="ellipsis")

    class Bars(Progress):
        """Bars, and under them what their stages tell."""

        def get_renderables(self) -> Iterable[RenderableType]:
            yield self.make_tasks_table(self.tasks)
            for task in self.tasks:
                if task.fields["told"]:
                    yield Text(f"  {task.fields['told']}", style="dim", overflow="ellipsis")

    return Bars(
        TextColumn("{task.description}", markup=False, table_column=flexible(3)),
        BarColumn(bar_width=10),
        Amount(),
        Times(),
        TextColumn("{task.fields[note]}", style="dim", markup=False, table_column=flexible(2)),
        console=Console(stderr=True, markup=False, highlight=False, emoji=False),
        transient=True,
        expand=True,
        refresh_per_second=4,
    )


@contextmanager
def listening() -> Iterator[Reporter]:
    """A reporter on stderr, for the length of a `with` block; stdout is left to the result."""
    if not sys.stderr.isatty():
        yield PlainReporter(sys.stderr)
        return
    with _bars(time.monotonic) as progress:
        yield RichReporter(progress)
