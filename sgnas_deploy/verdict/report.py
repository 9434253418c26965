"""What is written down of a verdict: the JSON report and the one line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Literal

from sgnas_deploy import files
from sgnas_deploy.verdict.campaign import Outcome
from sgnas_deploy.verdict.percentile import PercentileTest, Verdict

SCHEMA_VERSION: Final = 1


class LaunchRecord(files.FrozenModel):
    """One fresh process.

    Attributes:
        started_s: seconds since the campaign began.
        ended_s: the same.
        warmup_runs: runs before the first sample.
        slower: share of its runs slower than the budget: what the test worked on.
        samples_s: seconds of its single hot runs, rounded to a nanosecond.
        state: load, clocks, temperatures: what was readable just after.
    """

    started_s: float
    ended_s: float
    warmup_runs: int
    slower: float
    samples_s: tuple[float, ...]
    state: dict[str, float | str]


class TestRecord(files.FrozenModel):
    """The test and its evidence, natural logarithms.

    Attributes:
        method: what was done; `docs/verdict.md` explains it.
        tolerated: share of runs that may be slower than the budget.
        slower: share of runs that were.
        log_pass: evidence that the budget is kept.
        log_fail: evidence that it is not.
        log_needed: what either must reach.
        discount: how many launches counted as one, for being alike.
        period_s: from the first launch's start to the last one's end.
    """

    # Not for pytest, which collects classes of this name.
    __test__ = False

    method: Literal["betting on launches, constant bets"] = "betting on launches, constant bets"
    tolerated: float
    slower: float
    log_pass: float
    log_fail: float
    log_needed: float
    discount: float
    period_s: float


def test_record(test: PercentileTest, outcome: Outcome) -> TestRecord:
    """The test's part of a report."""
    judgement = outcome.judgement
    return TestRecord(
        tolerated=test.tolerated,
        slower=judgement.slower,
        log_pass=judgement.log_pass,
        log_fail=judgement.log_fail,
        log_needed=judgement.log_needed,
        discount=judgement.discount,
        period_s=outcome.launches[-1].ended_s - outcome.launches[0].started_s,
    )


def launch_records(test: PercentileTest, outcome: Outcome) -> tuple[LaunchRecord, ...]:
    """The launches' part of a report."""
    return tuple(
        LaunchRecord(
            started_s=round(launch.started_s, 3),
            ended_s=round(launch.ended_s, 3),
            warmup_runs=launch.measurement.timing.warmup_runs,
            slower=test.share(launch.samples_s),
            samples_s=tuple(round(sample, 9) for sample in launch.samples_s),
            state=dict(launch.measurement.state),
        )
        for launch in outcome.launches
    )


def milliseconds(seconds: float) -> str:
    """Seconds as a person reads them: `9.61 ms`."""
    value = 1e3 * seconds
    return f"{value:.2f} ms" if 1 <= value < 1000 else f"{value:.3g} ms"


def line(
    name: str,
    test: PercentileTest,
    verdict: Verdict,
    reason: str,
    percentiles_s: Mapping[float, float],
    runs: int,
    launches: int,
    facts: Sequence[str],
    artefact_sha256: str,
) -> str:
    """A verdict in one line, fit for a release note.

    Args:
        name: of the network.
        test: what was decided.
        verdict: how.
        reason: why not, for UNDECIDED.
        percentiles_s: measured percentiles to tell, in seconds.
        runs: hot runs in all.
        launches: fresh processes.
        facts: device, runtime, settings, state.
        artefact_sha256: the file that was measured.
    """
    measured = ", ".join(f"p{q:g} {milliseconds(s)}" for q, s in sorted(percentiles_s.items()))
    says = f"{verdict} at {100 * test.confidence:g} % confidence"
    if reason:
        says += f" ({reason})"
    parts = [
        f"{name}: {measured}, budget {1e3 * test.budget_s:g} ms (p{test.percentile:g}): {says}",
        f"n={runs} in {launches} launches",
        *facts,
        f"sha256 {artefact_sha256[:8]}",
    ]
    return ", ".join(parts)
