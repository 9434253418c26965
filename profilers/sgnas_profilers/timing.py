"""How one opened model is timed: warm up, choose the inner loops, take the samples.

One protocol for everything that is compared: a block of a table, a network that calibrates it and
a network that is judged by it differ only in the plan, and the plan is a value that is recorded.
Every sample is kept; summaries are made later (`stats`).
"""

from __future__ import annotations

import gc
import math
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Iterator, Protocol, final

from sgnas_profilers.errors import BadInput

MAX_SAMPLES = 100_000
MAX_WARMUP_RUNS = 1_000_000
MAX_SECONDS = 3600.0
MAX_INNER_LOOPS = 1 << 24
"""Ends the calibration of something that takes no time at all."""


class Clock(Protocol):
    """A source of time."""

    def now_ns(self) -> int:
        """Nanoseconds since some fixed moment; never goes back."""


@final
class MonotonicClock:
    """The system's finest monotonic clock."""

    def now_ns(self) -> int:
        """Read `time.perf_counter_ns`."""
        return time.perf_counter_ns()


class Runnable(Protocol):
    """What can be timed."""

    def time_s(self, loops: int, clock: Clock) -> float:
        """Seconds that `loops` consecutive runs took together."""


@dataclass(frozen=True)
class TimingPlan:
    """How to time one model.

    Attributes:
        warmup_runs: run at least this often before the first sample,
        warmup_s: and at least this long, in seconds.
        sample_s: a sample is the mean over as many runs as fill this time, in seconds; with 0 each
            sample is one run (needed where single runs are judged: p95, p99).
        samples: how many samples to take.

    Raises:
        BadInput: a negative, non-finite or absurdly large value, or no sample at all.
    """

    warmup_runs: int
    warmup_s: float
    sample_s: float
    samples: int

    def __post_init__(self) -> None:
        for name, runs, low, high in (
            ("warmup_runs", self.warmup_runs, 0, MAX_WARMUP_RUNS),
            ("samples", self.samples, 1, MAX_SAMPLES),
        ):
            if not low <= runs <= high:
                raise BadInput(f"{name} must be between {low} and {high}, not {runs}")
        for name, seconds in (("warmup_s", self.warmup_s), ("sample_s", self.sample_s)):
            # Written so that NaN fails too.
            if not 0 <= seconds <= MAX_SECONDS:
                raise BadInput(f"{name} must be between 0 and {MAX_SECONDS:g}, not {seconds}")


@dataclass(frozen=True)
class Timing:
    """What was measured of one model.

    Attributes:
        samples_s: seconds per run, in the order in which they were taken.
        inner_loops: how many consecutive runs each sample is the mean of.
        warmup_runs: how many runs came before the first sample, those of the calibration included.
    """

    samples_s: tuple[float, ...]
    inner_loops: int
    warmup_runs: int


def measure(session: Runnable, plan: TimingPlan, clock: Clock) -> Timing:
    """Warm up, choose the inner loops and take the samples of `plan`."""
    with _no_garbage_collection():
        runs, fastest_s = _warm_up(session, plan, clock)
        inner_loops = 1
        if plan.sample_s > 0:
            inner_loops, extra_runs = _calibrate(session, plan.sample_s, fastest_s, clock)
            runs += extra_runs
        samples_s = tuple(
            session.time_s(inner_loops, clock) / inner_loops for _ in range(plan.samples)
        )
    return Timing(samples_s, inner_loops, runs)


def _warm_up(session: Runnable, plan: TimingPlan, clock: Clock) -> tuple[int, float]:
    """Run until both conditions of the plan hold; runs made, seconds of the fastest (inf: none)."""
    begin_ns = clock.now_ns()
    runs = 0
    fastest_s = math.inf
    while runs < plan.warmup_runs or (clock.now_ns() - begin_ns) * 1e-9 < plan.warmup_s:
        fastest_s = min(fastest_s, session.time_s(1, clock))
        runs += 1
    return runs, fastest_s


def _calibrate(
    session: Runnable, sample_s: float, fastest_s: float, clock: Clock
) -> tuple[int, int]:
    """Find how many runs fill `sample_s`; that number, and the runs that finding it took.

    The fastest warm-up run gives the first guess; the guess is then tried and grown until one
    sample was really long enough (a single short run is mostly the clock's own cost).
    """
    loops = 1
    if 0 < fastest_s < math.inf:
        loops = min(MAX_INNER_LOOPS, max(1, math.ceil(sample_s / fastest_s)))
    runs = 0
    while True:
        took_s = session.time_s(loops, clock)
        runs += loops
        if took_s >= sample_s or loops >= MAX_INNER_LOOPS:
            return loops, runs
        # A tenth in reserve, so that the next guess is mostly the last; at most tenfold, so that
        # one odd reading cannot ask for an endless sample.
        wanted = math.ceil(1.1 * sample_s * loops / took_s) if took_s > 0 else 10 * loops
        loops = min(MAX_INNER_LOOPS, max(loops + 1, min(wanted, 10 * loops)))


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Keep Python's collector from striking within a sample."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
