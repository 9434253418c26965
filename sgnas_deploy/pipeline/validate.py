"""`sgnas validate`: measure exported networks against a budget and give a verdict."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from sgnas_deploy import targets
from sgnas_deploy.events import NullReporter, Reporter, Warned
from sgnas_deploy.models import ExportFile
from sgnas_deploy.verdict import campaign, engine, sittings
from sgnas_deploy.verdict.campaign import MIN_PERIOD_S, Outcome, Subject
from sgnas_deploy.verdict.jobs import Job, data_for, jobs_of, with_accuracy
from sgnas_deploy.verdict.results import Validated, ValidateResult, VerdictReport, overall
from sgnas_deploy.verdict.settings import untried
from sgnas_deploy.verdict.writing import place_of, write
from sgnas_deploy.workspace import DEFAULT_ROOT, Workspace
from sgnas_profilers.backends import RunOptions
from sgnas_profilers.transports import Transport

__all__ = [
    "ValidateRequest",
    "ValidateResult",
    "Validated",
    "VerdictReport",
    "overall",
    "validate",
]


@dataclass(frozen=True)
class ValidateRequest:
    """Flags of `sgnas validate`.

    Attributes:
        models: paths or names; empty for all that `export` made last.
        budgets_s: one for all, or one per model; empty for the budget each was generated for.
        device: None for the table's.
        host: where the device is; None for where it is known to be.
        percentile: None for the percentile each was generated for.
        confidence: 1 minus the largest tolerated probability of a wrong PASS (or FAIL).
        data: also report accuracy on this data; None for none.
        max_seconds: give up (UNDECIDED) on a network after that long.
    """

    workdir: Path = DEFAULT_ROOT
    models: tuple[str, ...] = ()
    budgets_s: tuple[float, ...] = ()
    device: str | None = None
    host: str | None = None
    percentile: float | None = None
    confidence: float = 0.95
    data: str | None = None
    max_seconds: float = 60.0


def validate(
    request: ValidateRequest,
    reporter: Reporter | None = None,
    *,
    transport: Transport | None = None,
    min_period_s: float = MIN_PERIOD_S,
    clock: Callable[[], float] = time.monotonic,
) -> ValidateResult:
    """Measure until the verdict is certain enough, or the time is up.

    Each network's report is written as soon as its verdict is there.

    Args:
        request: what to do.
        reporter: who listens.
        transport: the way to the device; None for the one that the device needs.
        min_period_s: least time that a verdict rests on (or `max_seconds`, where that is less).
        clock: seconds since some fixed moment.

    Raises:
        BadInput: a budget, name or file that cannot be used; other classes in the data.
        EnvironmentProblem: the device cannot be reached, it or its runtime fails, or changed
            meanwhile.
    """
    reporter = reporter or NullReporter()
    workspace = Workspace(request.workdir)
    jobs = jobs_of(request, workspace, reporter)
    for backend in dict.fromkeys(job.settings.backend for job in jobs):
        for text in untried(backend):
            reporter.event(Warned(text))
    data = None if request.data is None else data_for(request.data, jobs)
    jobs = [with_accuracy(job, data, reporter) for job in jobs]

    found: dict[int, Validated] = {}
    latency_s: dict[tuple[str, float], dict[str, float]] = {}
    earlier = sittings.read(workspace)

    def done(index: int, outcome: Outcome) -> None:
        found[index] = write(jobs[index], outcome, workspace, reporter, earlier)
        measured_s = found[index].measured_s
        if measured_s is not None:
            key = place_of(jobs[index], outcome), jobs[index].test.percentile
            latency_s.setdefault(key, {})[found[index].artefact_sha256] = measured_s

    # Networks on one device take turns; devices come one after the other.
    for device in dict.fromkeys(job.target.device for job in jobs):
        here = [index for index, job in enumerate(jobs) if job.target.device == device]
        campaign.measure(
            [_subject(jobs[index]) for index in here],
            transport or targets.transport(jobs[here[0]].target),
            request.max_seconds,
            _renumbered(done, here),
            reporter,
            min_period_s=min_period_s,
            clock=clock,
        )
    for (place, percentile), measured in latency_s.items():
        sittings.remember(workspace, place, percentile, measured)
    networks = tuple(found[index] for index in range(len(jobs)))
    return ValidateResult(verdict=overall([one.verdict for one in networks]), networks=networks)


def _renumbered(
    done: Callable[[int, Outcome], None], numbers: Sequence[int]
) -> Callable[[int, Outcome], None]:
    return lambda position, outcome: done(numbers[position], outcome)


def _subject(job: Job) -> Subject:
    check = None
    if isinstance(job.export, ExportFile) and job.export.format == engine.FORMAT:
        check = partial(engine.check_place, job.model, job.export)
    return Subject(
        job.name,
        job.model,
        job.settings.backend,
        RunOptions(job.settings.threads, "onnx" if check is None else "plan"),
        job.settings.plan,
        job.test,
        check,
    )
