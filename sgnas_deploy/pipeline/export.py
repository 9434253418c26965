"""`sgnas export`: write trained networks in a format that a device runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sgnas_deploy import files
from sgnas_deploy.errors import NotBuiltYet
from sgnas_deploy.events import Reporter
from sgnas_deploy.pipeline.profile import Precision
from sgnas_deploy.workspace import DEFAULT_ROOT


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
    """

    name: str
    path: Path
    sha256: str
    size_bytes: int
    form: str
    parity_max_abs: float


class ExportResult(files.FrozenModel):
    """What was exported."""

    format: str
    precision: str
    files: tuple[Exported, ...]


def export(request: ExportRequest, reporter: Reporter) -> ExportResult:
    """Export each model and compare it with the PyTorch network.

    Raises:
        ClearNo: the outputs differ by more than the limit; nothing is written.
    """
    raise NotBuiltYet("sgnas export is not built yet")
