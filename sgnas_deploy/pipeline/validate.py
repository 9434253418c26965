"""`sgnas validate`: measure exported networks against a budget and give a verdict."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal, final

import numpy as np

from sgnas_deploy import data as images
from sgnas_deploy import files, models, targets
from sgnas_deploy.data import DataSet
from sgnas_deploy.errors import BadInput
from sgnas_deploy.events import NullReporter, Reporter, Warned
from sgnas_deploy.export.onnx import with_batch
from sgnas_deploy.fitting import artefact
from sgnas_deploy.fitting.artefact import Described, UntrainedFile, architecture_of
from sgnas_deploy.models import ExportFile
from sgnas_deploy.tables import predictor
from sgnas_deploy.tables.statistics import spans
from sgnas_deploy.targets import Target
from sgnas_deploy.verdict import (
    PercentileTest,
    Verdict,
    accuracy,
    campaign,
    conditions,
    engine,
    report,
    sittings,
)
from sgnas_deploy.verdict.campaign import MIN_PERIOD_S, Outcome, Subject
from sgnas_deploy.verdict.settings import Settings, changed_since, settings_of, with_runtime
from sgnas_deploy.verdict.undecided import reason
from sgnas_deploy.workspace import DEFAULT_ROOT, Workspace
from sgnas_profilers.backends import RunOptions
from sgnas_profilers.transports import Transport


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


class Validated(files.FrozenModel):
    """The verdict on one network.

    Attributes:
        name: its name in the workspace.
        verdict: PASS, FAIL, or UNDECIDED with the reason.
        reason: why it is UNDECIDED, else empty.
        budget_s: what it was held against.
        percentile: which percentile must keep the budget.
        confidence: of the verdict.
        predicted_s: what the table promised, None where no table did.
        p50_s: measured median of a hot run.
        p95_s: measured 95th percentile.
        measured_s: measured at `percentile`.
        unused: 1 - measured / budget at the percentile; negative above the budget.
        n: hot runs measured.
        blocks: units of observation of the test: the launches.
        launches: fresh processes.
        environment: device, runtime, clocks, temperatures: what was readable.
        artefact_sha256: the file that was measured.
        artefact_bytes: its size.
        peak_rss_bytes: largest resident memory of a measuring process, runtime included.
        accuracy: top-1 on the data, None where not asked for.
        parity_max_abs: largest difference of a logit to the PyTorch network, at export; None
            where there is no such network.
        weights: `arbitrary` where `sgnas fit` wrote the file: the verdict speaks of latency only.
        line: all of it in one line, fit for a release note.
        report: where the JSON report stands.
    """

    name: str
    verdict: Verdict
    reason: str = ""
    budget_s: float
    percentile: float
    confidence: float
    predicted_s: float | None
    p50_s: float
    p95_s: float
    measured_s: float | None = None
    unused: float
    n: int
    blocks: int
    launches: int
    environment: dict[str, str]
    artefact_sha256: str
    artefact_bytes: int
    peak_rss_bytes: int | None = None
    accuracy: float | None = None
    parity_max_abs: float | None = None
    weights: Literal["trained", "arbitrary"] = "trained"
    line: str
    report: Path


class ValidateResult(files.FrozenModel):
    """All verdicts; `verdict` is FAIL if any failed, else UNDECIDED if any is, else PASS."""

    verdict: Verdict
    networks: tuple[Validated, ...]


class VerdictReport(files.FrozenModel):
    """`reports/NAME.verdict.json`: the verdict, and all that it rests on; `.html` shows it.

    Attributes:
        kind: `sgnas-verdict`.
        schema_version: version of this layout.
        result: what the command printed.
        export: the description of the file that was measured.
        settings: backend, threads and timing plan.
        test: the evidence.
        launches: every fresh process with all its samples.
        warnings: what the user was told.
    """

    kind: Literal["sgnas-verdict"] = "sgnas-verdict"
    schema_version: Literal[1] = report.SCHEMA_VERSION
    result: Validated
    export: Described
    settings: dict[str, str | float]
    test: report.TestRecord
    launches: tuple[report.LaunchRecord, ...]
    warnings: tuple[str, ...]


@final
@dataclass(frozen=True)
class _Job:
    """One exported file, all questions about it answered but the last.

    Attributes:
        name: its name in the workspace.
        model: the artefact's bytes.
        export: its description.
        settings: how it is measured.
        test: what is decided.
        predicted_s: what the table promised at the test's percentile.
        target: the device, and how it is reached.
        accuracy: top-1 on the data.
    """

    name: str
    model: bytes
    export: Described
    settings: Settings
    test: PercentileTest
    predicted_s: float | None
    target: Target
    accuracy: float | None = None


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
    jobs = _jobs(request, workspace, reporter)
    data = None if request.data is None else _data(request.data, jobs)
    jobs = [_with_accuracy(job, data, reporter) for job in jobs]

    found: dict[int, Validated] = {}
    latency_s: dict[tuple[str, float], dict[str, float]] = {}

    def done(index: int, outcome: Outcome) -> None:
        found[index] = _write(jobs[index], outcome, workspace, reporter)
        place = sittings.place(
            jobs[index].settings.device,
            jobs[index].settings.backend,
            jobs[index].settings.threads,
            outcome.hello,
        )
        measured_s = found[index].measured_s
        if measured_s is not None:
            key = place, jobs[index].test.percentile
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


def _subject(job: _Job) -> Subject:
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


def overall(verdicts: Sequence[Verdict]) -> Verdict:
    """FAIL if any failed, else UNDECIDED if any is, else PASS."""
    for worst in ("FAIL", "UNDECIDED"):
        if worst in verdicts:
            return worst
    return "PASS"


def _jobs(request: ValidateRequest, workspace: Workspace, reporter: Reporter) -> list[_Job]:
    if not (math.isfinite(request.max_seconds) and request.max_seconds > 0):
        raise BadInput(f"the time limit must be positive, not {request.max_seconds} s")
    # Looked at before any file, because they are quickly corrected.
    for budget_s in request.budgets_s or (1.0,):
        PercentileTest(
            budget_s, 50.0 if request.percentile is None else request.percentile, request.confidence
        )
    if request.device is not None:
        targets.resolve(request.device, host=request.host)
    elif request.host is not None:
        raise BadInput(
            "--host says where a device is, and no device was named",
            "name it too, such as: --device jetson",
        )
    paths = workspace.find("export", request.models)
    if len(request.budgets_s) not in (0, 1, len(paths)):
        raise BadInput(
            f"{len(request.budgets_s)} budgets for {len(paths)} networks",
            "give one --latency-ms for all, or one for each in the same order",
        )
    twice = [name for name, count in Counter(path.stem for path in paths).items() if count > 1]
    if twice:
        raise BadInput(f"{twice[0]} is named twice", "name each network once: reports go by name")
    budgets: Sequence[float | None] = request.budgets_s or (None,)
    if len(budgets) == 1:
        budgets = list(budgets) * len(paths)
    return [
        _job(path, budget_s, request, workspace, reporter)
        for path, budget_s in zip(paths, budgets, strict=True)
    ]


def _job(
    path: Path,
    budget_s: float | None,
    request: ValidateRequest,
    workspace: Workspace,
    reporter: Reporter,
) -> _Job:
    export = _description(path)
    name = path.stem
    engine.check_format(name, export.format, export.batch, request.data is not None)
    architecture = architecture_of(export)
    promise = architecture.budgeted
    if budget_s is None:
        if promise is None:
            raise BadInput(
                f"{name} was not generated for a budget", f"sgnas validate {name} --latency-ms 10"
            )
        budget_s = promise.budget_s
    percentile = request.percentile
    if percentile is None:
        percentile = 50.0 if promise is None else promise.percentile
    settings = settings_of(export, _table(export, workspace))
    had = settings.backend
    settings = with_runtime(settings, export)
    if request.device is not None:
        settings = replace(settings, device=request.device)
    if export.format == engine.FORMAT and settings.backend != had:
        settings = replace(settings, backend=engine.backend_of(settings.device))
    target = targets.resolve(settings.device, settings.backend, request.host)
    for warning in settings.warnings:
        reporter.event(Warned(f"{name}: {warning}"))
    predicted_s = None
    if promise is not None and promise.percentile == percentile:
        predicted_s = promise.predicted_s
    elif settings.table is not None and settings.table.space == architecture.space:
        predicted_s = predictor(settings.table, percentile).predict_s(architecture.options)
    return _Job(
        name,
        _model(path, export, settings),
        export,
        settings,
        PercentileTest(budget_s, percentile, request.confidence),
        predicted_s,
        target,
    )


def _model(path: Path, export: Described, settings: Settings) -> bytes:
    """What is measured: the file; of one with a dynamic batch, the same with its table's batch."""
    found = files.read_bytes(path, "exported network")
    if export.batch != "dynamic":
        return found
    return with_batch(found, _batch(export, settings))


def _batch(export: Described, settings: Settings) -> int:
    """Images a run."""
    if export.batch != "dynamic":
        return export.batch
    return 1 if settings.table is None else settings.table.batch


def _description(path: Path) -> Described:
    return artefact.read(path) if artefact.is_untrained(path) else models.read_export_file(path)


def _table(export: Described, workspace: Workspace) -> Path | None:
    """The table that the architecture came from; None where it is gone, or there never was one."""
    promise = architecture_of(export).budgeted
    if promise is None:
        return None
    try:
        return workspace.table_of(promise.table_sha256)
    except BadInput:
        return None


def _data(spec: str, jobs: Sequence[_Job]) -> DataSet:
    trained = [(job.name, _trained(job).model) for job in jobs]
    data = images.load(spec, max(model.preprocessing.resolution for _, model in trained))
    for name, model in trained:
        accuracy.check_classes(name, model.classes, data)
    return data


def _trained(job: _Job) -> ExportFile:
    if isinstance(job.export, UntrainedFile):
        raise BadInput(
            f"{job.name} has arbitrary weights: there is no accuracy to measure",
            "leave out --data, or: sgnas retrain, sgnas export, and validate what that wrote",
        )
    return job.export


def _with_accuracy(job: _Job, data: DataSet | None, reporter: Reporter) -> _Job:
    if data is None:
        return job
    model = _trained(job).model
    batch = _batch(job.export, job.settings)
    share = accuracy.top1(job.name, job.model, batch, model.preprocessing, data, reporter)
    return replace(job, accuracy=share)


def _write(job: _Job, outcome: Outcome, workspace: Workspace, reporter: Reporter) -> Validated:
    """Put a verdict together and write its report."""
    runs_s = np.concatenate([launch.samples_s for launch in outcome.launches])
    p50_s, p95_s, measured_s = (
        float(np.percentile(runs_s, q)) for q in (50, 95, job.test.percentile)
    )
    states = [launch.measurement.state for launch in outcome.launches]
    warnings = [*job.settings.warnings]
    if job.settings.table is not None:
        changed = changed_since(job.settings.table, outcome.hello)
        if changed:
            warnings.append(f"measured otherwise than its table: {'; '.join(changed)}")
    warnings += conditions.doubts(states)
    for warning in warnings[len(job.settings.warnings) :]:
        reporter.event(Warned(f"{job.name}: {warning}"))
    verdict = outcome.judgement.verdict
    why = ""
    if verdict == "UNDECIDED":
        why = reason(
            job.test,
            outcome.judgement,
            measured_s,
            np.array(outcome.levels),
            conditions.load(states),
        )
    path = workspace.reports / f"{job.name}.verdict.json"
    result = Validated(
        name=job.name,
        verdict=verdict,
        reason=why,
        budget_s=job.test.budget_s,
        percentile=job.test.percentile,
        confidence=job.test.confidence,
        predicted_s=job.predicted_s,
        p50_s=p50_s,
        p95_s=p95_s,
        measured_s=measured_s,
        unused=1 - measured_s / job.test.budget_s,
        n=len(runs_s),
        blocks=len(outcome.launches),
        launches=len(outcome.launches),
        environment=_environment(job, outcome),
        artefact_sha256=job.export.artefact_sha256,
        artefact_bytes=job.export.artefact_bytes,
        peak_rss_bytes=max(launch.measurement.peak_rss_bytes for launch in outcome.launches),
        accuracy=job.accuracy,
        parity_max_abs=_parity(job.export),
        weights="arbitrary" if isinstance(job.export, UntrainedFile) else "trained",
        line=report.line(
            job.name,
            job.test,
            verdict,
            why,
            {50.0: p50_s, 95.0: p95_s, job.test.percentile: measured_s},
            len(runs_s),
            len(outcome.launches),
            _facts(job, outcome),
            job.export.artefact_sha256,
        ),
        report=path,
    )
    plan = job.settings.plan
    whole = VerdictReport(
        result=result,
        export=job.export,
        settings={
            "device": job.settings.device,
            "backend": job.settings.backend,
            "threads": job.settings.threads,
            "warmup_runs": plan.warmup_runs,
            "warmup_s": plan.warmup_s,
            "samples": plan.samples,
        },
        test=report.test_record(job.test, outcome),
        launches=report.launch_records(job.test, outcome),
        warnings=tuple(warnings),
    )
    # Here, because the pages read the classes of this file.
    from sgnas_deploy import reporting

    files.write_model(path, whole)
    files.write_text(path.with_suffix(".html"), reporting.verdict_page(whole))
    return result


def _parity(export: Described) -> float | None:
    return None if isinstance(export, UntrainedFile) else export.parity_max_abs


def _environment(job: _Job, outcome: Outcome) -> dict[str, str]:
    """Device, runtime and the machine's state meanwhile, one flat list."""
    state = spans([launch.measurement.state for launch in outcome.launches])
    return {
        "device": job.settings.device,
        **{f"machine.{name}": text for name, text in outcome.hello.machine.items()},
        **{f"backend.{name}": text for name, text in outcome.hello.backend.items()},
        **{f"state.{name}": text for name, text in state.items()},
    }


def _facts(job: _Job, outcome: Outcome) -> list[str]:
    """What a reader of the one line must know to compare it with another."""
    machine, backend = outcome.hello.machine, outcome.hello.backend
    state = spans([launch.measurement.state for launch in outcome.launches])
    threads = job.settings.threads
    facts = [
        machine.get("model") or machine.get("cpu") or job.settings.device,
        f"{backend.get('runtime', job.settings.backend)} {backend.get('version', '')}".strip(),
        f"{threads} thread" if threads == 1 else f"{threads} threads",
        f"batch {job.export.batch}",
        job.export.precision,
    ]
    if isinstance(job.export, UntrainedFile):
        facts.append("arbitrary weights (latency only)")
    if "power_mode" in machine:
        facts.append(machine["power_mode"])
    for name, unit in (("cpu_mhz", "MHz"), ("load_1min", "load")):
        if name in state:
            facts.append(f"{state[name]} {unit}")
    hottest = [
        float(value)
        for launch in outcome.launches
        for name, value in launch.measurement.state.items()
        if name.endswith("_c")
    ]
    if hottest:
        facts.append(f"up to {max(hottest):.0f} °C")
    return facts
