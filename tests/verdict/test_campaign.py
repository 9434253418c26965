"""Launches take turns; a verdict waits for its period; a cap ends it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sgnas_deploy.emitter import DEFAULT_FORM, emit_network
from sgnas_deploy.errors import EnvironmentProblem
from sgnas_deploy.events import Event, NullReporter, StageAdvanced, StageEnded, StageStarted
from sgnas_deploy.tables.plans import network_plan
from sgnas_deploy.verdict import PercentileTest
from sgnas_deploy.verdict.campaign import Outcome, Subject, measure
from sgnas_profilers.backends import RunOptions
from sgnas_profilers.transports import Agent, Transport
from tests.fakes.device import Disturbance, FakeDevice
from tests.verdict.exported import SPACE, options

MODELS = [
    emit_network(SPACE, options(choice), DEFAULT_FORM, 1).SerializeToString() for choice in (0, 5)
]
# One device in twenty at its budget may be misjudged: device 0 is one of those.
SEED = 1
NOISE = Disturbance(sigma=0.02, process_sigma=0.01)


def subject(device: FakeDevice, model: int, share: float, percentile: float = 50) -> Subject:
    """A network whose budget is `share` of what it takes."""
    budget_s = share * device.true_s(MODELS[model])
    return Subject(
        f"net{model}",
        MODELS[model],
        "onnxruntime",
        RunOptions(1),
        network_plan(40),
        PercentileTest(budget_s, percentile, 0.95),
    )


def run(
    device: FakeDevice, subjects: list[Subject], max_seconds: float = 60, min_period_s: float = 5
) -> list[tuple[int, Outcome]]:
    found: list[tuple[int, Outcome]] = []
    measure(
        subjects,
        device,
        max_seconds,
        lambda index, outcome: found.append((index, outcome)),
        NullReporter(),
        min_period_s=min_period_s,
        clock=lambda: device.time_s,
    )
    return found


@pytest.mark.parametrize(("share", "verdict"), [(1.1, "PASS"), (0.9, "FAIL")])
def test_a_clear_case_is_decided(share: float, verdict: str) -> None:
    device = FakeDevice(disturbance=NOISE, seed=SEED)
    ((_, outcome),) = run(device, [subject(device, 0, share)])
    assert outcome.judgement.verdict == verdict
    assert outcome.judgement.launches == len(outcome.launches) == device.processes


def test_at_the_budget_the_time_runs_out() -> None:
    device = FakeDevice(disturbance=NOISE, seed=SEED)
    ((_, outcome),) = run(device, [subject(device, 0, 1.0)], max_seconds=20)
    assert outcome.judgement.verdict == "UNDECIDED"
    assert device.time_s == pytest.approx(20, abs=1)


def test_networks_take_turns_and_the_undecided_one_goes_on_alone() -> None:
    device = FakeDevice(disturbance=NOISE, seed=SEED)
    found = run(device, [subject(device, 0, 1.0), subject(device, 1, 1.3)], max_seconds=10)
    assert [index for index, _ in found] == [1, 0]
    starts = sorted(
        (launch.started_s, index) for index, outcome in found for launch in outcome.launches
    )
    shared = 2 * len(found[0][1].launches)
    assert [index for _, index in starts[:shared]] == [0, 1] * (shared // 2)
    assert {index for _, index in starts[shared:]} == {0}


def test_a_verdict_rests_on_the_least_period() -> None:
    device = FakeDevice()
    ((_, outcome),) = run(device, [subject(device, 0, 2.0)], min_period_s=12)
    assert outcome.judgement.verdict == "PASS"
    assert outcome.launches[-1].ended_s - outcome.launches[0].started_s >= 12


def test_a_cap_below_the_least_period_still_allows_a_verdict() -> None:
    device = FakeDevice()
    ((_, outcome),) = run(device, [subject(device, 0, 2.0)], max_seconds=4, min_period_s=20)
    assert outcome.judgement.verdict == "PASS"


def test_a_machine_that_throttles_over_its_budget_later_does_not_pass() -> None:
    device = FakeDevice(disturbance=Disturbance(sigma=0.01, throttle_after_s=3.0))
    ((_, outcome),) = run(device, [subject(device, 0, 1.1)], min_period_s=20)
    assert outcome.judgement.verdict == "FAIL"


class Changing:
    """A device whose governor changes at the third launch."""

    name = "changing"

    def __init__(self) -> None:
        self.device = FakeDevice()

    def start(self, backend: str, options: RunOptions) -> Agent:
        if self.device.processes == 2:
            self.device.machine = {**self.device.machine, "governor": "slow"}
        return self.device.start(backend, options)


def test_a_machine_that_changes_meanwhile_is_refused() -> None:
    transport: Transport = Changing()
    device = FakeDevice()
    with pytest.raises(EnvironmentProblem, match="changed while it was measured: governor"):
        measure(
            [subject(device, 0, 1.1)],
            transport,
            60,
            lambda index, outcome: None,
            NullReporter(),
            clock=Ticks().__next__,
        )


class Ticks(Iterator[float]):
    """A second passes at every look."""

    def __init__(self) -> None:
        self.now = 0.0

    def __next__(self) -> float:
        self.now += 1
        return self.now


def test_progress_is_told_with_the_latest_numbers() -> None:
    events: list[Event] = []

    class Listener:
        def event(self, event: Event) -> None:
            events.append(event)

    device = FakeDevice()
    measure(
        [subject(device, 0, 2.0)],
        device,
        60,
        lambda index, outcome: None,
        Listener(),
        clock=lambda: device.time_s,
    )
    assert isinstance(events[0], StageStarted)
    assert isinstance(events[-1], StageEnded)
    notes = [event.note for event in events if isinstance(event, StageAdvanced)]
    assert notes[0].startswith("net0: p50 ")
    assert notes[-1] == "net0: PASS"
