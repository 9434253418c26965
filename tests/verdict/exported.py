"""A workspace with exported networks of `tiny`, as `sgnas export` leaves it, without torch."""

from __future__ import annotations

import hashlib
from pathlib import Path

import onnx

from sgnas_deploy import architectures, files, models, spaces, tables
from sgnas_deploy.architectures import Architecture, Budgeted
from sgnas_deploy.data import Preprocessing
from sgnas_deploy.emitter import DEFAULT_FORM, emit_network
from sgnas_deploy.models import ExportFile, ModelFile
from sgnas_deploy.workspace import Workspace

SPACE = spaces.load("tiny")
CLASSES = tuple(str(digit) for digit in range(SPACE.classes))


def options(choice: int) -> tuple[int, ...]:
    """A network: the same option everywhere, as far as there is one."""
    return tuple(min(choice, count - 1) for count in SPACE.option_counts)


def put(
    workspace: Workspace,
    name: str,
    *,
    table: Path | None = None,
    table_sha256: str = "0" * 64,
    budget_s: float | None = None,
    percentile: float = 50.0,
    choice: int = 0,
    batch: int = 1,
    format: str = "onnx",
) -> Path:
    """Export a network; `budget_s` None for one that a person wrote."""
    budgeted = None
    if table is not None:
        table_sha256 = tables.sha256(table)
    if budget_s is not None:
        budgeted = Budgeted(
            budget_s=budget_s,
            percentile=percentile,
            predicted_s=budget_s * 0.97,
            margin=0.02,
            scores="macs",
            score=1.0,
            table_sha256=table_sha256,
        )
    architecture = Architecture(SPACE.id, options(choice))
    model = emit_network(SPACE, architecture.options, DEFAULT_FORM, batch).SerializeToString()
    path = workspace.models / f"{name}.onnx"
    files.write_bytes(path, model)
    trained = ModelFile(
        name=name,
        architecture=architectures.describe(name, architecture, budgeted),
        weights_sha256="0" * 64,
        classes=CLASSES,
        preprocessing=Preprocessing(
            resolution=SPACE.resolution, crop=1.0, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)
        ),
        data="digits",
        data_fingerprint="0" * 64,
        recipe={},
        seed=0,
        accuracy=0.5,
        images=100,
    )
    description = ExportFile(
        name=name,
        format=format,
        precision="fp32",
        form=DEFAULT_FORM,
        batch=batch,
        opset=17,
        artefact_sha256=hashlib.sha256(model).hexdigest(),
        artefact_bytes=len(model),
        parity_max_abs=1e-6,
        parity_limit=1e-4,
        model=trained,
    )
    files.write_model(models.sidecar(path), description)
    return path


def load(path: Path) -> onnx.ModelProto:
    """The graph of an exported file."""
    return onnx.load_from_string(path.read_bytes())
