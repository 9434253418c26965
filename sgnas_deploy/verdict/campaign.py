"""Measuring until the verdicts are certain: launches of all networks take turns.

Every launch is a fresh process, because processes differ (memory layout, page placement). Turns
spread the launches of a network over time and let slow changes of the machine hit all alike.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias, final

import numpy as np

from sgnas_deploy.errors import EnvironmentProblem
from sgnas_deploy.events import Reporter, stage
from sgnas_deploy.verdict.percentile import Judgement, PercentileTest
from sgnas_profilers.backends import RunOptions
from sgnas_profilers.timing import TimingPlan
from sgnas_profilers.transports import Hello, Measurement, Transport

Seconds: TypeAlias = Callable[[], float]

MIN_PERIOD_S: Final = 20.0
"""A verdict rests on at least so long a period, in seconds: a statement about a machine that was
looked at for a moment does not survive its next change of clocks."""
MAX_LAUNCHES: Final = 2000


@final
@dataclass(frozen=True)
class Subject:
    """A network to judge.

    Attributes:
        name: what to call it.
        model: the artefact's bytes.
        backend: what executes it.
        options: how.
        plan: how a launch is timed; every sample must be a single run.
        test: what to decide.
        check: given how the device introduced itself, before the network is first sent there;
            refuses a network that does not belong there.
    """

    name: str
    model: bytes
    backend: str
    options: RunOptions
    plan: TimingPlan
    test: PercentileTest
    check: Callable[[Hello], None] | None = None


@final
@dataclass(frozen=True)
class Launch:
    """A fresh process: start to end in seconds since the campaign began, and what it measured."""

    started_s: float
    ended_s: float
    measurement: Measurement

    @property
    def samples_s(self) -> tuple[float, ...]:
        """Seconds of its single hot runs."""
        return self.measurement.timing.samples_s


@final
@dataclass(frozen=True)
class Outcome:
    """What is known of a network at the end.

    Attributes:
        judgement: the verdict and its evidence.
        launches: all of them, in the order of time.
        levels: `PercentileTest.level` of each launch.
        hello: how the agent introduced itself, the same at every launch.
    """

    judgement: Judgement
    launches: tuple[Launch, ...]
    levels: tuple[float, ...]
    hello: Hello


@dataclass
class _Running:
    subject: Subject
    hello: Hello | None = None
    launches: list[Launch] = field(default_factory=list)
    shares: list[float] = field(default_factory=list)
    levels: list[float] = field(default_factory=list)
    spent_s: float = 0.0

    def judge(self) -> Judgement:
        return self.subject.test.judge(np.array(self.shares), np.array(self.levels))


def measure(
    subjects: Sequence[Subject],
    transport: Transport,
    max_seconds: float,
    done: Callable[[int, Outcome], None],
    reporter: Reporter,
    *,
    min_period_s: float = MIN_PERIOD_S,
    clock: Seconds = time.monotonic,
) -> None:
    """Measure until every network has a verdict or has used up its time.

    Args:
        subjects: the networks.
        transport: the way to the device.
        max_seconds: time for the launches of one network, the others' not counted.
        done: called with a network's index as soon as it is over.
        reporter: who listens.
        min_period_s: least time from a network's first launch to its last (or `max_seconds`).
        clock: seconds since some fixed moment.

    Raises:
        BadInput: a model cannot be run.
        EnvironmentProblem: the device or runtime fails, or changed meanwhile.
    """
    begin_s = clock()
    period_s = min(min_period_s, max_seconds)
    running = {index: _Running(subject) for index, subject in enumerate(subjects)}
    with stage(reporter, "measure networks", len(subjects), "networks") as progress:
        while running:
            for index, one in list(running.items()):
                _launch(one, transport, begin_s, clock)
                judgement = one.judge()
                progress.advance(0, _news(one, judgement))
                period = one.launches[-1].ended_s - one.launches[0].started_s
                decided = judgement.verdict != "UNDECIDED" and period >= period_s
                if decided or one.spent_s >= max_seconds or len(one.launches) >= MAX_LAUNCHES:
                    assert one.hello is not None
                    outcome = Outcome(judgement, tuple(one.launches), tuple(one.levels), one.hello)
                    del running[index]
                    done(index, outcome)
                    progress.advance(1, f"{one.subject.name}: {judgement.verdict}")


def _launch(one: _Running, transport: Transport, begin_s: float, clock: Seconds) -> None:
    """One launch: start a fresh agent, time the network, end the agent."""
    subject = one.subject
    started_s = clock() - begin_s
    with transport.start(subject.backend, subject.options) as agent:
        hello = agent.hello
        if one.hello is None and subject.check is not None:
            subject.check(hello)
        measurement = agent.measure(subject.model, subject.plan)
    launch = Launch(started_s, clock() - begin_s, measurement)
    if one.hello is None:
        one.hello = hello
    elif changed := differences(one.hello, hello):
        raise EnvironmentProblem(
            f"the device changed while it was measured: {', '.join(changed)}",
            "keep it as it is and validate again",
        )
    one.launches.append(launch)
    one.shares.append(subject.test.share(launch.samples_s))
    one.levels.append(subject.test.level(launch.samples_s))
    one.spent_s += launch.ended_s - started_s


def differences(before: Hello, now: Hello) -> tuple[str, ...]:
    """Names of what two agents say differently of their machine and runtime."""
    pairs = ((before.machine, now.machine), (before.backend, now.backend))
    return tuple(
        name
        for one, other in pairs
        for name in sorted({*one, *other})
        if one.get(name) != other.get(name)
    )


def _news(one: _Running, judgement: Judgement) -> str:
    typical_ms = 1e3 * float(np.exp(np.median(one.levels)))
    return (
        f"{one.subject.name}: p{one.subject.test.percentile:g} {typical_ms:.3g} ms of "
        f"{1e3 * one.subject.test.budget_s:.4g} ms, {judgement.launches} launches"
    )
