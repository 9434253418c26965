"""Exported files: how a name finds one, and whether an engine is still that of its network.

An engine (`NAME.plan`) holds a copy of weights, and cannot be asked which. Its manifest says it,
and is compared with what `retrain` and `export` have left beside it:

* `NAME.json`, the trained network: its weights must be those that the engine was built from;
* `NAME.onnx.json`, the ONNX file: asked for the weights only where `NAME.json` is gone, because an
  ONNX file may be the older of the two. One of the same weights and settings must be the file that
  the engine was built from. Files of int8 are left out of that: TensorRT's integers are others
  than ONNX Runtime's, and the calibration may have been.

What is not there is not asked: an engine alone, as on a device, passes.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from sgnas_deploy import files, models
from sgnas_deploy.errors import BadInput
from sgnas_deploy.models import ExportFile, ModelFile
from sgnas_deploy.workspace import Workspace
from sgnas_profilers.trt import plans

SUFFIXES: Final = (".onnx", ".ov.onnx", ".plan")
"""Of exported files, one for each format."""
ENGINE: Final = "tensorrt"
"""The format of engines."""
UNTRIED: Final = "not yet run on hardware with this version of sgnas"
"""What must be said of engines, and of all that runs them, wherever a user meets them."""


def find(name: str, workspace: Workspace) -> Path:
    """The exported file that a person names: a path, or a name in the workspace.

    Raises:
        BadInput: there is none, or the name was exported in several formats.
    """
    for path in (Path(name), workspace.models / name):
        if path.is_file():
            return path
    ends = (workspace.models / f"{name}{suffix}" for suffix in SUFFIXES)
    fitting = [path for path in ends if path.is_file()]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        several = ", ".join(path.name for path in fitting)
        raise BadInput(f"{name!r} was exported in several formats: {several}", "name one of them")
    raise BadInput(
        f"there is no exported network {name!r}, neither as a path nor in {workspace.models}",
        "make one with: sgnas export --format onnx",
    )


def rebuild(export: ExportFile, name: str = "") -> str:
    """The command that builds an engine anew where it was built.

    Args:
        export: the engine's manifest.
        name: of its network, to build the same engine of that one; empty for all that was trained.
    """
    words = ["sgnas export --format tensorrt"]
    device = export.runtime.get("built_on")
    if device and " " not in device:  # not "this machine"
        words.append(f"--device {device}")
    if name:
        if export.runtime.get("flavour") == "rtx":
            words.append("--flavour rtx")
        words.append(f"--precision {export.precision} {name}")
    return " ".join(words)


def check_fresh(artefact: Path, export: ExportFile) -> None:
    """Refuse an engine that another training or export has left behind; other formats pass.

    Args:
        artefact: the engine's file.
        export: its manifest.

    Raises:
        BadInput: what lies beside it has other weights, or is another ONNX file; both hashes are
            named. A description beside it is damaged.
    """
    if export.format != ENGINE:
        return
    name, weights = artefact.stem, export.model.weights_sha256
    trained = _model_beside(artefact.with_suffix(".json"))
    if trained is not None and trained.weights_sha256 != weights:
        raise BadInput(
            f"{artefact.name} is stale: it was built from the weights {_short(weights)}, those of "
            f"{name}.safetensors are now {_short(trained.weights_sha256)} (SHA-256)",
            f"build it anew: {rebuild(export, name)}",
        )
    onnx = artefact.with_suffix(".onnx")
    beside = _export_beside(onnx)
    if beside is None:
        return
    found = beside.model.weights_sha256
    if found != weights:
        if trained is None:
            raise _unlike(artefact, export, onnx, "the weights", weights, found)
        return  # the ONNX file is the older one
    source = export.source_sha256 or export.runtime.get("onnx_sha256", "")
    if not source or export.precision == "int8" or _settings(beside) != _settings(export):
        return
    if plans.stale({"onnx_sha256": source}, files.read_bytes(onnx, "exported network")):
        now = files.sha256_of(onnx)
        raise _unlike(artefact, export, onnx, "the ONNX file", source, now)


def _unlike(
    artefact: Path, export: ExportFile, onnx: Path, what: str, built_from: str, found: str
) -> BadInput:
    """Two files that are not of one export; which of them is the older cannot be told."""
    return BadInput(
        f"{artefact.name} may be stale: it was built from {what} {_short(built_from)}, "
        f"{onnx.name} beside it is of {_short(found)} (SHA-256)",
        f"build it anew: {rebuild(export, artefact.stem)}; where {onnx.name} is the older one, "
        "make that anew too (sgnas export --format onnx), or take it away",
    )


def _settings(export: ExportFile) -> tuple[object, ...]:
    return export.precision, export.batch, export.form, export.opset


def _model_beside(path: Path) -> ModelFile | None:
    data = _of_kind(path, "sgnas-model")
    if data is None:
        return None
    cure = "make it anew with: sgnas retrain"
    return files.parse_model(path, data, ModelFile, "model description", cure)


def _export_beside(onnx: Path) -> ExportFile | None:
    path = models.sidecar(onnx)
    data = _of_kind(path, "sgnas-export") if onnx.is_file() else None
    if data is None:
        return None
    cure = "make it anew with: sgnas export --format onnx"
    return files.parse_model(path, data, ExportFile, "export description", cure)


def _of_kind(path: Path, kind: str) -> bytes | None:
    """A JSON file that says to be of that kind; None for any other, which is not ours to read."""
    try:
        data = path.read_bytes()
        found = json.loads(data)
    except (OSError, ValueError):
        return None
    return data if isinstance(found, dict) and found.get("kind") == kind else None


def _short(sha256: str) -> str:
    return f"{sha256[:12]}..."
