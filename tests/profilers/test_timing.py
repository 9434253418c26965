"""The timing protocol, played with a fake clock: every figure is exact."""

from __future__ import annotations

import gc
import math
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sgnas_profilers.errors import BadInput
from sgnas_profilers.timing import (
    MAX_INNER_LOOPS,
    Clock,
    MonotonicClock,
    Timing,
    TimingPlan,
    measure,
)
from tests.fakes.clock import FakeClock

MS = 1_000_000


class FakeSession:
    """Its first runs take the given times, all later ones the last of them."""

    def __init__(self, clock: FakeClock, runs_ns: Iterable[int]) -> None:
        self._clock = clock
        *self._first_ns, self._then_ns = runs_ns
        self.runs = 0
        self.calls: list[int] = []

    def time_s(self, loops: int, clock: Clock) -> float:
        begin_ns = clock.now_ns()
        first_ns = self._first_ns[self.runs : self.runs + loops]
        self._clock.advance_ns(sum(first_ns) + (loops - len(first_ns)) * self._then_ns)
        self.runs += loops
        self.calls.append(loops)
        return (clock.now_ns() - begin_ns) * 1e-9


def run(plan: TimingPlan, *runs_ns: int) -> tuple[Timing, FakeSession]:
    clock = FakeClock()
    session = FakeSession(clock, runs_ns)
    return measure(session, plan, clock), session


@pytest.mark.parametrize(
    ("warmup_runs", "warmup_s", "expected"),
    [
        pytest.param(8, 0.0, 8, id="runs-only"),
        pytest.param(0, 0.030, 30, id="time-only"),
        pytest.param(20, 0.005, 20, id="runs-are-later"),
        pytest.param(20, 0.030, 30, id="time-is-later"),
        pytest.param(3, 0.0305, 31, id="the-time-is-passed"),
        pytest.param(0, 0.0, 0, id="none"),
    ],
)
def test_warms_up_until_both_conditions_hold(
    warmup_runs: int, warmup_s: float, expected: int
) -> None:
    timing, session = run(TimingPlan(warmup_runs, warmup_s, 0, 2), MS)
    assert timing.warmup_runs == expected
    assert session.calls == [1] * (expected + 2)


def test_a_slow_start_is_not_in_the_samples() -> None:
    timing, _ = run(TimingPlan(3, 0, 0, 4), 9 * MS, 5 * MS, 2 * MS, MS)
    assert timing.samples_s == pytest.approx([0.001] * 4, abs=1e-12)


def test_without_inner_loops_each_sample_is_one_run_in_its_order() -> None:
    timing, _ = run(TimingPlan(1, 0, 0, 3), 7 * MS, 3 * MS, MS, 2 * MS)
    assert timing.samples_s == pytest.approx((0.003, 0.001, 0.002), abs=1e-12)
    assert (timing.inner_loops, timing.warmup_runs) == (1, 1)


def test_inner_loops_fill_a_sample_and_are_divided_out() -> None:
    timing, session = run(TimingPlan(8, 0, 0.010, 5), MS)
    assert timing.inner_loops == 10
    assert timing.samples_s == pytest.approx([0.001] * 5, abs=1e-12)
    assert timing.warmup_runs == 8 + 10, "the runs of the calibration count"
    assert session.calls[8:] == [10] * 6


def test_a_run_longer_than_a_sample_is_a_sample() -> None:
    timing, _ = run(TimingPlan(8, 0, 0.010, 5), 40 * MS)
    assert timing.inner_loops == 1


def test_inner_loops_are_found_without_any_warmup() -> None:
    timing, session = run(TimingPlan(0, 0, 0.010, 1), MS)
    assert timing.inner_loops >= 10
    assert session.calls[:2] == [1, 10], "at most tenfold at a time"


def test_one_odd_fast_run_does_not_shorten_a_sample() -> None:
    # The clock caught a run at 20 ms that takes 1 ms otherwise: the first guess is too low.
    timing, session = run(TimingPlan(1, 0, 0.010, 1), 20 * MS, MS)
    assert session.calls[1] == 1
    assert timing.inner_loops * 0.001 >= 0.010


def test_something_that_takes_no_time_ends_the_calibration() -> None:
    timing, _ = run(TimingPlan(1, 0, 0.010, 1), 0)
    assert timing.inner_loops == MAX_INNER_LOOPS
    assert timing.samples_s == (0.0,)


@settings(deadline=None)
@given(
    runs_ns=st.lists(st.integers(10, 10**9), min_size=1, max_size=30),
    warmup_runs=st.integers(0, 50),
    warmup_s=st.floats(0, 0.001),
    sample_s=st.floats(0, 0.01),
    samples=st.integers(1, 20),
)
def test_for_any_session(
    runs_ns: list[int], warmup_runs: int, warmup_s: float, sample_s: float, samples: int
) -> None:
    # Steady after the first runs, so that the promise about a sample's length can be kept.
    steady_ns = runs_ns[-1]
    plan = TimingPlan(warmup_runs + len(runs_ns), warmup_s, sample_s, samples)
    timing, session = run(plan, *runs_ns)
    assert session.runs == timing.warmup_runs + samples * timing.inner_loops
    assert timing.warmup_runs >= plan.warmup_runs
    assert timing.samples_s == pytest.approx([steady_ns * 1e-9] * samples, rel=1e-6)
    assert timing.inner_loops * steady_ns * 1e-9 >= sample_s * (1 - 1e-9)


class _Collecting:
    def __init__(self, fail: bool) -> None:
        self.collecting: set[bool] = set()
        self._fail = fail

    def time_s(self, loops: int, clock: Clock) -> float:
        self.collecting.add(gc.isenabled())
        if self._fail:
            raise OSError("broken")
        return 0.001


@pytest.mark.parametrize("enabled", [True, False])
def test_the_garbage_collector_rests_and_is_left_as_it_was(enabled: bool) -> None:
    before = gc.isenabled()
    (gc.enable if enabled else gc.disable)()
    try:
        session = _Collecting(fail=False)
        measure(session, TimingPlan(1, 0, 0, 1), FakeClock())
        assert session.collecting == {False}
        with pytest.raises(OSError, match="broken"):
            measure(_Collecting(fail=True), TimingPlan(1, 0, 0, 1), FakeClock())
        assert gc.isenabled() is enabled
    finally:
        (gc.enable if before else gc.disable)()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("warmup_runs", -1),
        ("warmup_runs", 10**9),
        ("warmup_s", -0.1),
        ("warmup_s", math.nan),
        ("warmup_s", math.inf),
        ("sample_s", -1e-9),
        ("sample_s", math.nan),
        ("samples", 0),
        ("samples", 10**9),
    ],
)
def test_an_impossible_plan_is_refused(field: str, value: float) -> None:
    fields = {"warmup_runs": 1, "warmup_s": 0.0, "sample_s": 0.0, "samples": 1, field: value}
    with pytest.raises(BadInput, match=field):
        TimingPlan(**fields)  # type: ignore[arg-type]


def test_the_real_clock_never_goes_back() -> None:
    clock = MonotonicClock()
    readings = [clock.now_ns() for _ in range(1000)]
    assert readings == sorted(readings)
    assert readings[-1] > readings[0]
