"""The artefacts that `fit` measured: ONNX files with arbitrary weights, each with a sidecar.

They are good for one thing, a verdict on latency: no accuracy, no comparison with a trained
network. `fit/NAME.onnx` has `fit/NAME.onnx.json`, whose `kind` tells it from a trained export.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Literal, TypeAlias

from pydantic import Field

from sgnas_deploy import files
from sgnas_deploy.architectures import ArchitectureFile
from sgnas_deploy.emitter import OPSET
from sgnas_deploy.errors import BadInput
from sgnas_deploy.models import ExportFile, sidecar


class UntrainedFile(files.FrozenModel):
    """What stands beside a file with arbitrary weights.

    Attributes:
        name: its name in the workspace.
        weights: always `arbitrary`: nothing was trained.
        format: `onnx`.
        precision: `fp32`, ...
        form: graph form of the table.
        batch: batch size.
        opset: ONNX operator set.
        artefact_sha256: the file.
        artefact_bytes: its size.
        architecture: the network, and what it was generated for.
    """

    kind: Literal["sgnas-untrained"] = "sgnas-untrained"
    schema_version: Literal[1] = 1
    name: str = Field(min_length=1)
    weights: Literal["arbitrary"] = "arbitrary"
    format: Literal["onnx"] = "onnx"
    precision: str
    form: str
    batch: int
    opset: int
    artefact_sha256: str
    artefact_bytes: int
    architecture: ArchitectureFile


Described: TypeAlias = ExportFile | UntrainedFile
"""What may stand beside a file that is judged."""


def architecture_of(described: Described) -> ArchitectureFile:
    """The network, and what it was generated for."""
    if isinstance(described, UntrainedFile):
        return described.architecture
    return described.model.architecture


def write(
    folder: Path,
    architecture: ArchitectureFile,
    model: bytes,
    form: str,
    batch: int,
    precision: str,
) -> tuple[Path, UntrainedFile]:
    """Write a measured model and its sidecar; returns the model's path and what it says."""
    path = folder / f"{architecture.name}.onnx"
    described = UntrainedFile(
        name=architecture.name,
        precision=precision,
        form=form,
        batch=batch,
        opset=OPSET,
        artefact_sha256=hashlib.sha256(model).hexdigest(),
        artefact_bytes=len(model),
        architecture=architecture,
    )
    files.write_bytes(path, model)
    files.write_model(sidecar(path), described)
    return path, described


def is_untrained(artefact: Path) -> bool:
    """Whether the sidecar says that the weights are arbitrary; False where it cannot be read."""
    try:
        found = json.loads(sidecar(artefact).read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(found, dict) and found.get("kind") == "sgnas-untrained"


def read(artefact: Path) -> UntrainedFile:
    """The sidecar, after the file's hash was compared.

    Raises:
        BadInput: missing, malformed, or not the file that the sidecar was written for.
    """
    found = files.read_model(sidecar(artefact), UntrainedFile, "description of a fitted network")
    if files.sha256_of(artefact) != found.artefact_sha256:
        raise BadInput(
            f"{artefact} is not the file that its description was written for (SHA-256 differs)",
            "make both anew with: sgnas fit",
        )
    return found
