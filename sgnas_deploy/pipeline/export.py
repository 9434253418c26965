"""`sgnas export`: write trained networks in a format that a device runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from sgnas_deploy import export as formats
from sgnas_deploy import files, models, spaces, tables
from sgnas_deploy.architectures import Budgeted
from sgnas_deploy.emitter import DEFAULT_FORM, check_form
from sgnas_deploy.emitter.weights import Array, Weights
from sgnas_deploy.errors import BadInput, ClearNo, EnvironmentProblem
from sgnas_deploy.events import Reporter, stage
from sgnas_deploy.export import parity
from sgnas_deploy.models import ModelFile
from sgnas_deploy.pipeline.profile import Precision
from sgnas_deploy.workspace import DEFAULT_ROOT, Workspace

Shape: TypeAlias = tuple[int, ...]


@dataclass(frozen=True)
class ExportRequest:
    """Flags of `sgnas export`.

    Attributes:
        models: paths or names; empty for all that `retrain` made last.
        format: `onnx` or `tensorrt`.
        precision: None for the table's.
    """

    workdir: Path = DEFAULT_ROOT
    models: tuple[str, ...] = ()
    format: str = "onnx"
    precision: Precision | None = None


class Exported(files.FrozenModel):
    """One exported file.

    Attributes:
        name: its name in the workspace.
        path: the file; its description stands beside it.
        sha256: of the file.
        form: its graph form, that of the table.
        parity_max_abs: largest absolute difference of a logit to the PyTorch network.
        parity_limit: the largest difference that was allowed.
    """

    name: str
    path: Path
    sha256: str
    size_bytes: int
    form: str
    parity_max_abs: float
    parity_limit: float


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


def export(request: ExportRequest, reporter: Reporter) -> ExportResult:
    """Export each model and compare it with the PyTorch network.

    The graph's form, batch and precision are those of the latency table that the architecture was
    generated from; one that a person wrote gets the default form and batch 1. Everything is built
    and compared before the first file is written.

    Raises:
        ClearNo: the outputs differ by more than the limit; nothing is written.
        BadInput: nothing to export, a damaged model, a table that is gone, an unknown format.
        NotBuiltYet: a format or precision that is planned.
        EnvironmentProblem: PyTorch or the format's runtime is missing, or the disk is full.
    """
    workspace = Workspace(request.workdir)
    target = formats.load(request.format)
    paths = workspace.find("retrain", request.models)
    twice = [name for name, n in Counter(path.stem for path in paths).items() if n > 1]
    if twice:
        raise BadInput(f"two of the models are called {twice[0]!r}", "export one at a time")

    done: list[tuple[formats.Job, bytes, parity.Parity]] = []
    with stage(reporter, "exporting", len(paths), "models") as progress:
        for path in paths:
            model = models.read_model_file(path)
            settings = _settings(model.architecture.budgeted, workspace)
            images = parity.inputs(model.preprocessing)
            weights, reference = _trained(path, model, images)
            job = formats.Job(
                name=path.stem,
                model=model,
                weights=weights,
                form=settings.form,
                batch=settings.batch,
                precision=request.precision or settings.precision,
            )
            artefact = target.build(job)
            compared = parity.compare(target.run(artefact, images), reference)
            _check(job.name, compared)
            done.append((job, artefact, compared))
            progress.advance(1, f"{job.name}: largest difference {compared.max_abs:.1e}")

    written = []
    for job, artefact, compared in done:
        path = formats.write(workspace.models, request.format, job, artefact, compared)
        written.append(
            Exported(
                name=job.name,
                path=path,
                sha256=files.sha256_of(path),
                size_bytes=len(artefact),
                form=job.form,
                parity_max_abs=compared.max_abs,
                parity_limit=compared.limit,
            )
        )
    workspace.remember("export", [one.name for one in written])
    precisions = sorted({job.precision for job, _, _ in done})
    return ExportResult(
        format=request.format, precision=", ".join(precisions), files=tuple(written)
    )


def _settings(budgeted: Budgeted | None, workspace: Workspace) -> _Settings:
    """The settings of the table that the architecture was generated from."""
    if budgeted is None:
        return _Settings()
    table = tables.read(workspace.table_of(budgeted.table_sha256))
    return _Settings(check_form(table.form), table.batch, table.precision)


def _trained(path: Path, model: ModelFile, images: Array) -> tuple[Weights, Array]:
    """Folded weights of a trained network, and its own logits of `images`."""
    try:
        import safetensors
        import safetensors.torch
        import torch

        from sgnas_deploy.networks.deployed import DeployedNetwork, fold
    except ImportError as error:
        raise EnvironmentProblem(
            f"export needs PyTorch to compare with ({error})", "pip install 'sgnas-deploy[train]'"
        ) from error

    cure = "make it anew with: sgnas retrain"
    architecture = model.architecture.architecture
    space = spaces.load(architecture.space)
    if len(model.classes) != space.classes or model.preprocessing.resolution != space.resolution:
        raise BadInput(
            f"the description of {path} has {len(model.classes)} classes at "
            f"{model.preprocessing.resolution} pixels, its space {space.id} has {space.classes} "
            f"at {space.resolution}",
            cure,
        )
    network = DeployedNetwork(space, architecture.options)
    try:
        state = safetensors.torch.load(files.read_bytes(path, "model"))
    except safetensors.SafetensorError as error:
        raise BadInput(f"{path} is damaged: {error}", cure) from error
    wrong = _difference(
        {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()},
        {name: tuple(tensor.shape) for name, tensor in state.items()},
    )
    if wrong:
        raise BadInput(f"{path} does not hold the weights of its architecture: {wrong}", cure)
    network.load_state_dict(state)
    network.eval()
    with torch.inference_mode():
        reference: Array = network(torch.from_numpy(images)).numpy()
    return fold(network), reference


def _difference(expected: Mapping[str, Shape], found: Mapping[str, Shape]) -> str:
    """The first thing in which two sets of tensors differ, empty where they agree."""
    for name, shape in expected.items():
        if name not in found:
            return f"{name} is missing"
        if found[name] != shape:
            return f"{name} has shape {found[name]}, expected {shape}"
    extra = [name for name in found if name not in expected]
    return f"{extra[0]} belongs to another network" if extra else ""


def _check(name: str, compared: parity.Parity) -> None:
    if not compared.passed:
        raise ClearNo(
            f"the exported {name} differs from the PyTorch network by {compared.max_abs:.3g} in a "
            f"logit, the limit is {compared.limit:.3g}",
            "retrain it if its weights are not finite, else report this as a bug",
        )
