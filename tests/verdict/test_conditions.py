"""What the probes read of a machine's state, in doubts, causes and the line of a verdict."""

from __future__ import annotations

import math
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from sgnas_deploy import files
from sgnas_deploy.pipeline.validate import Validated, ValidateRequest, VerdictReport, validate
from sgnas_deploy.tables.noise import causes
from sgnas_deploy.tables.statistics import spans
from sgnas_deploy.verdict import PercentileTest, conditions
from sgnas_deploy.verdict.conditions import State
from sgnas_deploy.verdict.undecided import reason
from sgnas_deploy.workspace import Workspace
from sgnas_profilers import jetson
from sgnas_profilers._system import System
from sgnas_profilers.backends import RunOptions
from sgnas_profilers.cuda import smi
from sgnas_profilers.timing import TimingPlan
from sgnas_profilers.transports import Agent, Measurement
from tests.fakes.device import Disturbance, FakeAgent, FakeDevice
from tests.fakes.reporters import Listener
from tests.verdict import exported


@pytest.fixture
def card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], State]:
    """What the probe of a card says when nvidia-smi prints a line of that mask of reasons."""
    text, program = tmp_path / "answer", tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\nexec cat {shlex.quote(str(text))}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(System, "glob", lambda self, pattern: ["dev/nvidia0"])

    def state(mask: str) -> State:
        text.write_text(f"1410, 1980, 2619, 41, 71.5, {mask}\n")
        return smi.state(System())

    return state


def board(root: Path, events: int) -> State:
    """What the probe of a Jetson says after so many events of its second over-current alarm."""
    path = root / "sys/class/hwmon/hwmon1/oc2_event_cnt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{events}\n")
    return jetson.state(System(root))


def test_a_throttled_card_is_doubted_and_a_cause(card: Callable[[str], State]) -> None:
    idle, hot = card("0x0000000000000001"), card("0x0000000000000020")
    assert conditions.doubts([idle, hot, hot]) == ("the GPU was throttled in 2 of 3 launches",)
    assert conditions.doubts([hot]) == ("the GPU was throttled in 1 of 1 launches",)
    assert causes(spans([idle, hot]), {}) == ("the machine was slowed down (gpu_throttled)",)
    assert causes(spans([hot]), {}) == ("the machine was slowed down (gpu_throttled)",)


def test_a_card_that_is_not_throttled_is_neither(card: Callable[[str], State]) -> None:
    idle = card("0x0000000000000001")
    assert idle["gpu_throttled"] == "no"
    assert conditions.doubts([idle, idle]) == ()
    assert causes(spans([idle, idle]), {}) == ()


def test_over_current_of_a_board_is_doubted_and_a_cause(tmp_path: Path) -> None:
    states = [board(tmp_path, events) for events in (2, 2, 5)]
    said = "slowed down for drawing too much current 3 times meanwhile (oc2)"
    assert conditions.doubts(states) == (said,)
    assert causes(spans(states), {}) == ("the machine was slowed down 3 times (over_current_oc2)",)
    # Before the measurement: it is not this one's.
    assert conditions.doubts(states[:2]) == ()
    assert causes(spans(states[:2]), {}) == ()


def test_a_hot_card_is_a_cause() -> None:
    assert causes({"gpu_c": "61..91"}, {}) == ("it got 91 degrees hot (gpu_c)",)
    assert causes({"gpu_c": "41..61"}, {}) == ()


@pytest.mark.parametrize("budget_s", [0.01003, 0.02])
def test_any_reason_names_what_slowed_the_machine(budget_s: float) -> None:
    levels = np.full(3, math.log(0.01))
    test = PercentileTest(budget_s, 50, 0.95)
    judgement = test.judge(np.zeros(3), levels)
    assert judgement.verdict == "UNDECIDED"
    found = reason(test, judgement, 0.01, levels, "", "the GPU was throttled in 1 of 3 launches")
    assert found.endswith("; the GPU was throttled in 1 of 3 launches")
    assert reason(test, judgement, 0.01, levels, "") == found.partition("; the GPU")[0]


@dataclass
class Told(FakeDevice):
    """A fake device whose state is what it is told, one launch after the other."""

    states: Sequence[State] = ()

    def start(self, backend: str, options: RunOptions) -> Agent:
        return _ToldAgent(self, super().start(backend, options).hello, self.processes)


class _ToldAgent(FakeAgent):
    def measure(self, model: bytes, plan: TimingPlan) -> Measurement:
        assert isinstance(self._device, Told)
        states = self._device.states
        state = states[self._device.finished.total() % len(states)]
        return replace(super().measure(model, plan), state=dict(state))


@dataclass
class Judged:
    """A verdict, its report, and what the user was warned of."""

    result: Validated
    report: VerdictReport
    warnings: list[str]


def judged(root: Path, share: float, states: Sequence[State], **settings: str) -> Judged:
    """A network on a device in these states, held against a share of what it takes."""
    path = exported.put(Workspace(root), "net")
    device = Told(
        disturbance=Disturbance(sigma=0.01),
        settings={"runtime": "fake", **settings},
        states=states,
    )
    budget_s = share * device.true_s(path.read_bytes())
    asked = ValidateRequest(root, ("net",), (budget_s,), max_seconds=15.0)
    listener = Listener()
    (one,) = validate(asked, listener, transport=device, clock=lambda: device.time_s).networks
    report = files.read_model(one.report, VerdictReport, "verdict")
    return Judged(one, report, listener.warnings)


@pytest.mark.parametrize(("share", "verdict"), [(1.1, "PASS"), (0.9, "FAIL"), (1.0, "UNDECIDED")])
def test_a_verdict_taken_while_throttled_says_so(
    tmp_path: Path, card: Callable[[str], State], share: float, verdict: str
) -> None:
    found = judged(tmp_path, share, [card("0x0000000000000020")])
    assert found.result.verdict == verdict
    n = found.result.launches
    said = f"the GPU was throttled in {n} of {n} launches"
    assert found.warnings == [f"net: {said}"]
    assert found.report.warnings == (said,)
    assert found.result.line.count(said) == 1
    assert found.result.reason.endswith(said) == (verdict == "UNDECIDED")
    assert said in found.result.report.with_suffix(".html").read_text()


def test_the_line_tells_the_clocks_of_both_processors_and_the_heat(tmp_path: Path) -> None:
    states: list[State] = [
        {"cpu_mhz": 2400.0, "gpu_mhz": 306.0, "gpu_c": 41.0, "load_1min": 0.5},
        {"cpu_mhz": 2400.0, "gpu_mhz": 918.0, "gpu_c": 57.6, "load_1min": 0.5},
    ]
    one = judged(tmp_path, 1.1, states, gpu="Orin").result
    assert one.line == (
        f"net: p50 {1e3 * one.p50_s:.3g} ms, p95 {1e3 * one.p95_s:.3g} ms, budget "
        f"{1e3 * one.budget_s:g} ms (p50): PASS at 95 % confidence, n={one.n} in {one.launches} "
        "launches, fake, Orin, fake, 1 thread, batch 1, fp32, CPU 2400 MHz, GPU 306..918 MHz, "
        f"0.5 load, up to 58 °C, sha256 {one.artefact_sha256[:8]}"
    )


def test_a_single_clock_needs_no_name(tmp_path: Path) -> None:
    line = judged(tmp_path, 1.1, [{"cpu_mhz": 2400.0}]).result.line
    assert ", fp32, 2400 MHz, sha256" in line
