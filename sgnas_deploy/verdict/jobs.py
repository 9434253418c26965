"""From what was asked of `sgnas validate` to one job per exported file."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, final

from sgnas_deploy import artefacts, files, models, targets
from sgnas_deploy import data as images
from sgnas_deploy.data import DataSet
from sgnas_deploy.errors import BadInput
from sgnas_deploy.events import Reporter, Warned
from sgnas_deploy.export.onnx import with_batch
from sgnas_deploy.fitting import artefact
from sgnas_deploy.fitting.artefact import Described, UntrainedFile, architecture_of
from sgnas_deploy.models import ExportFile
from sgnas_deploy.tables import predictor
from sgnas_deploy.targets import Target
from sgnas_deploy.verdict import PercentileTest, accuracy, engine
from sgnas_deploy.verdict.results import name_of
from sgnas_deploy.verdict.settings import Settings, settings_of, with_runtime
from sgnas_deploy.workspace import Workspace

if TYPE_CHECKING:
    from sgnas_deploy.pipeline.validate import ValidateRequest


@final
@dataclass(frozen=True)
class Job:
    """One exported file, all questions about it answered but the last.

    Attributes:
        name: its name in the workspace, and of its report (`results.name_of`).
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


def jobs_of(request: ValidateRequest, workspace: Workspace, reporter: Reporter) -> list[Job]:
    """Find the files, their tables, their budgets and their device.

    Raises:
        BadInput: a budget, name or file that cannot be used.
    """
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
    # A name that a person gives may be ambiguous; the names that `export` has noted are not.
    paths = tuple(artefacts.find(name, workspace) for name in request.models)
    paths = paths or workspace.find("export", ())
    if len(request.budgets_s) not in (0, 1, len(paths)):
        raise BadInput(
            f"{len(request.budgets_s)} budgets for {len(paths)} networks",
            "give one --latency-ms for all, or one for each in the same order",
        )
    twice = [name for name, count in Counter(name_of(path) for path in paths).items() if count > 1]
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
) -> Job:
    export = _description(path)
    if isinstance(export, ExportFile):
        artefacts.check_fresh(path, export)
    name = name_of(path)
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
    return Job(
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


def data_for(spec: str, jobs: Sequence[Job]) -> DataSet:
    """Images that the accuracy of all networks can be measured on.

    Raises:
        BadInput: other classes than a network has, or a network with arbitrary weights.
    """
    trained = [(job.name, _trained(job).model) for job in jobs]
    data = images.load(spec, max(model.preprocessing.resolution for _, model in trained))
    for name, model in trained:
        accuracy.check_classes(name, model.classes, data)
    return data


def _trained(job: Job) -> ExportFile:
    if isinstance(job.export, UntrainedFile):
        raise BadInput(
            f"{job.name} has arbitrary weights: there is no accuracy to measure",
            "leave out --data, or: sgnas retrain, sgnas export, and validate what that wrote",
        )
    return job.export


def with_accuracy(job: Job, data: DataSet | None, reporter: Reporter) -> Job:
    """The same, with its accuracy where there are images."""
    if data is None:
        return job
    model = _trained(job).model
    batch = _batch(job.export, job.settings)
    share = accuracy.top1(job.name, job.model, batch, model.preprocessing, data, reporter)
    return replace(job, accuracy=share)
