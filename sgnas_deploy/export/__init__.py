"""Formats that a trained network is exported to. One format, one file.

A format builds the artefact from folded weights, and runs it on this machine for the comparison
with the PyTorch network, without which nothing is written. What a device needs to know beside the
artefact stands in its sidecar (`sgnas_deploy.models.ExportFile`).
"""

from __future__ import annotations

import hashlib
import importlib
import pkgutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, cast

from sgnas_deploy import files
from sgnas_deploy.emitter import OPSET
from sgnas_deploy.emitter.weights import Array, Weights
from sgnas_deploy.errors import BadInput, NotBuiltYet
from sgnas_deploy.export.parity import Parity
from sgnas_deploy.models import ExportFile, ModelFile, sidecar

SHARED: Final = frozenset({"parity"})
"""Files of this folder that are no format themselves."""

PLANNED: Final = ("tensorrt",)
"""Formats of the contract that are not built yet."""


@dataclass(frozen=True)
class Job:
    """What is exported.

    Attributes:
        name: of the artefact, without its suffix.
        model: the trained model, as described beside its weights.
        weights: its folded weights.
        form: graph form.
        batch: size of the batch axis.
        precision: `fp32`, ...
    """

    name: str
    model: ModelFile
    weights: Weights
    form: str
    batch: int
    precision: str


class Format(Protocol):
    """What each file of this folder has."""

    SUFFIX: str
    """Of the artefact's file, with its dot."""

    def build(self, job: Job) -> bytes:
        """The artefact, checked by whatever checker the format has.

        Raises:
            NotBuiltYet: a precision that the format has not yet.
            EnvironmentProblem: something that it needs is not installed.
        """

    def run(self, artefact: bytes, images: Array) -> Array:
        """Logits (n, classes) of images (n, channels, height, width); n is any number.

        Raises:
            EnvironmentProblem: the runtime is not installed, or refuses the artefact.
        """


def names() -> list[str]:
    """Names of the formats there are."""
    found = (module.name for module in pkgutil.iter_modules(__path__))
    return sorted(name for name in found if name not in SHARED)


def load(name: str) -> Format:
    """The format of that name.

    Raises:
        NotBuiltYet: it is planned.
        BadInput: there is no such format.
    """
    if name in names():
        return cast(Format, importlib.import_module(f"{__name__}.{name}"))
    if name in PLANNED:
        raise NotBuiltYet(
            f"export to the format {name} is not built yet", "run: sgnas export --format onnx"
        )
    raise BadInput(f"unknown export format {name!r}", f"choose one of {', '.join(names())}")


def write(folder: Path, format_name: str, job: Job, artefact: bytes, parity: Parity) -> Path:
    """Write a compared artefact and its sidecar.

    Args:
        folder: where to.
        format_name: the format's name.
        job: what was exported.
        artefact: the bytes to write.
        parity: how it compared with the PyTorch network.

    Returns:
        The artefact's path.
    """
    path = folder / f"{job.name}{load(format_name).SUFFIX}"
    description = ExportFile(
        name=job.name,
        format=format_name,
        precision=job.precision,
        form=job.form,
        batch=job.batch,
        opset=OPSET,
        artefact_sha256=hashlib.sha256(artefact).hexdigest(),
        artefact_bytes=len(artefact),
        parity_max_abs=parity.max_abs,
        parity_limit=parity.limit,
        model=job.model,
    )
    # A reader compares the hash: between the two writes it sees a mismatch, never a wrong pair.
    files.write_bytes(path, artefact)
    files.write_model(sidecar(path), description)
    return path
