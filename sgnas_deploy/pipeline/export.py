"""`sgnas export`: write trained networks in a format that a device runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, final

import numpy as np

from sgnas_deploy import export as formats
from sgnas_deploy import files, models, tables
from sgnas_deploy import precision as precisions
from sgnas_deploy.architectures import Budgeted
from sgnas_deploy.emitter import DEFAULT_FORM, check_form
from sgnas_deploy.errors import BadInput, ClearNo
from sgnas_deploy.events import Reporter, Warned, stage
from sgnas_deploy.export import engines, images, parity, trained
from sgnas_deploy.models import Batch, Calibration, Checks
from sgnas_deploy.pipeline.profile import Precision
from sgnas_deploy.workspace import DEFAULT_ROOT, Workspace


@dataclass(frozen=True)
class ExportRequest:
    """Flags of `sgnas export`.

    Attributes:
        models: paths or names; empty for all that `retrain` made last.
        format: `onnx`, `openvino` or `tensorrt`.
        precision: None for the table's.
        batch: None for the table's.
        calibration: images that int8 ranges are taken from; None for those that the model was
            trained on.
        max_drop: the largest loss of top-1 accuracy, a share; None for the precision's own limit.
        flavour: for `tensorrt`: `auto`, `tensorrt` or `rtx`; None for `auto`. This and what follows
            is refused for the other formats.
        device: where the engine is built; None for this machine.
        host: `USER@HOST` of that device.
        workspace_bytes: scratch memory that a layer may take.
        optimisation_level: 0 (fast build) to 5 (fast engine).
        hardware_compatibility: which other GPUs the engine must run on.
        compute_capabilities: of the GPUs to build for, `rtx` only.
    """

    workdir: Path = DEFAULT_ROOT
    models: tuple[str, ...] = ()
    format: str = "onnx"
    precision: Precision | None = None
    batch: Batch | None = None
    calibration: str | None = None
    max_drop: float | None = None
    flavour: str | None = None
    device: str | None = None
    host: str | None = None
    workspace_bytes: int | None = None
    optimisation_level: int | None = None
    hardware_compatibility: str | None = None
    compute_capabilities: tuple[str, ...] = ()


class Exported(files.FrozenModel):
    """One exported file.

    Attributes:
        name: its name in the workspace.
        path: the file; its description stands beside it.
        sha256: of the file.
        form: its graph form, that of the table.
        parity_max_abs: largest absolute difference of a logit to the PyTorch network.
        parity_limit: the largest difference that was allowed.
        precision: of weights and activations.
        batch: images a run, or `dynamic`.
        checks: the comparison with the network in single precision in full.
    """

    name: str
    path: Path
    sha256: str
    size_bytes: int
    form: str
    parity_max_abs: float
    parity_limit: float
    precision: str = "fp32"
    batch: Batch = 1
    checks: Checks | None = None


class ExportResult(files.FrozenModel):
    """What was exported."""

    format: str
    precision: str
    files: tuple[Exported, ...]


@dataclass(frozen=True)
class _Settings:
    """How the latency that was promised was measured."""

    form: str = DEFAULT_FORM
    batch: int = 1
    precision: str = "fp32"
    backend: str = "onnxruntime"


def export(request: ExportRequest, reporter: Reporter) -> ExportResult:
    """Export each model and compare it with the PyTorch network.

    The graph's form, batch and precision are those of the latency table that the architecture was
    generated from; one that a person wrote gets the default form and batch 1. Everything is built
    and compared before the first file is written.

    Raises:
        ClearNo: outputs or accuracy differ by more than the limit; nothing is written.
        BadInput: nothing to export, a damaged model, a table that is gone, an unknown format, no
            images to calibrate on.
        EnvironmentProblem: PyTorch or the format's runtime is missing, or the disk is full.
    """
    workspace = Workspace(request.workdir)
    if request.max_drop is not None and not 0 <= request.max_drop <= 1:
        raise BadInput(
            f"--max-drop is a share between 0 and 1, not {request.max_drop:g}",
            "for one per cent: --max-drop 0.01",
        )
    if request.precision is not None:
        precisions.check(request.precision)
    target = formats.load(request.format)
    engine = engines.wished(
        request.format,
        flavour=request.flavour,
        device=request.device,
        host=request.host,
        workspace_bytes=request.workspace_bytes,
        optimisation_level=request.optimisation_level,
        hardware_compatibility=request.hardware_compatibility,
        compute_capabilities=request.compute_capabilities,
    )
    paths = workspace.find("retrain", request.models)
    twice = [name for name, n in Counter(path.stem for path in paths).items() if n > 1]
    if twice:
        raise BadInput(f"two of the models are called {twice[0]!r}", "export one at a time")

    done: list[_Done] = []
    remarks: dict[str, list[str]] = {}
    try:
        with stage(reporter, "exporting", len(paths), "models") as progress:
            for path in paths:
                found = _one(path, request, target, engine, workspace, reporter, remarks)
                done.append(found)
                progress.advance(1, _summary(found))
    finally:
        for text, names in remarks.items():
            reporter.event(Warned(f"{_listed(names)}: {text}"))

    written = []
    for one in done:
        job, checks = one.job, one.checks
        path = formats.write(
            workspace.models, request.format, job, one.artefact, checks, one.calibration
        )
        written.append(
            Exported(
                name=job.name,
                path=path,
                sha256=files.sha256_of(path),
                size_bytes=len(one.artefact.data),
                form=job.form,
                parity_max_abs=checks.max_abs,
                parity_limit=checks.limit,
                precision=job.precision,
                batch=job.batch,
                checks=checks,
            )
        )
    # By name where the name leads to the file, else by its whole name.
    remembered = [one.path.stem if one.path.suffix == ".onnx" else one.path.name for one in written]
    workspace.remember("export", remembered)
    used = sorted({one.job.precision for one in done})
    return ExportResult(format=request.format, precision=", ".join(used), files=tuple(written))


@final
@dataclass(frozen=True)
class _Done:
    """A model that was built and has passed."""

    job: formats.Job
    artefact: formats.Artefact
    checks: Checks
    calibration: Calibration | None


def _one(
    path: Path,
    request: ExportRequest,
    target: formats.Format,
    engine: engines.Wish,
    workspace: Workspace,
    reporter: Reporter,
    remarks: dict[str, list[str]],
) -> _Done:
    """Build one model and compare it; what there is to warn of goes to `remarks`, with its name."""
    model = models.read_model_file(path)
    settings = _settings(model.architecture.budgeted, workspace)
    precision = request.precision or settings.precision
    network = trained.load(path, model)
    batch: Batch = request.batch or settings.batch
    real = images.Seen()
    if precision != "fp32":
        real = images.find(model, request.calibration, precision == "int8", reporter)
    job = formats.Job(
        name=path.stem,
        model=model,
        weights=network.weights,
        form=settings.form,
        batch=batch,
        precision=precision,
        # A format that is a runtime's own is for that one.
        backend=settings.backend if request.format == "onnx" else request.format,
        images=real.calibration,
        engine=engine,
    )
    artefact = _built(target, job, request.format, reporter)
    for note in artefact.notes:
        remarks.setdefault(note, []).append(job.name)

    # The extremes are no images, and would widen what 8 bits are compared by.
    if real.held_out is None:
        shown, source = parity.inputs(model.preprocessing), "noise and extremes"
    else:
        shown, source = real.held_out, real.source
    reference = network.logits(shown)
    of: Literal["artefact", "source"] = "artefact"
    try:
        logits = target.run(artefact.data, shown, artefact.runtime)
    except formats.NotRunHere as error:
        if artefact.source is None:
            raise
        remark = (
            f"not run on this machine ({error.message}); compared was the ONNX file that it was "
            "built from"
        )
        remarks.setdefault(remark, []).append(job.name)
        logits, of = formats.load("onnx").run(artefact.source, shown), "source"
    compared = parity.compare(
        logits,
        reference,
        precision,
        real.labels,
        real=real.held_out is not None,
        max_drop=request.max_drop,
    )
    _check(job, compared)
    return _Done(job, artefact, compared.checks(source, of), real.made_from)


def _built(
    target: formats.Format, job: formats.Job, format_name: str, reporter: Reporter
) -> formats.Artefact:
    """Build; an engine takes long enough to be followed."""
    if format_name != "tensorrt":
        return target.build(job)
    with engines.following(reporter, job.name) as on_progress:
        return target.build(replace(job, on_progress=on_progress))


def _listed(names: Sequence[str]) -> str:
    """Names for one line: all of them, or the first two and how many more."""
    if len(names) <= 3:
        return ", ".join(names)
    return f"{', '.join(names[:2])} and {len(names) - 2} more"


def _summary(one: _Done) -> str:
    checks = one.checks
    if checks.accuracy is None:
        return f"{one.job.name}: largest difference {checks.max_abs:.1e}"
    return f"{one.job.name}: {checks.drop:+.2%} of accuracy lost"


def _settings(budgeted: Budgeted | None, workspace: Workspace) -> _Settings:
    """The settings of the table that the architecture was generated from."""
    if budgeted is None:
        return _Settings()
    table = tables.read(workspace.table_of(budgeted.table_sha256))
    return _Settings(check_form(table.form), table.batch, table.precision, table.backend)


def _check(job: formats.Job, compared: parity.Parity) -> None:
    if not compared.problem:
        return
    if job.precision == "fp32" or not np.isfinite(compared.max_abs):
        cure = "retrain it if its weights are not finite, else report this as a bug"
    else:
        cure = (
            f"allow more with --max-drop, or give up {job.precision} with --precision fp32"
            if compared.max_abs <= compared.limit and compared.cosine >= compared.cosine_limit
            else "calibrate on other images with --calibration, or take --precision fp32"
        )
    raise ClearNo(f"the exported {job.name} {compared.problem}", cure)
