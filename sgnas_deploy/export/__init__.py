"""Formats that a trained network is exported to. One format, one file.

A format builds the artefact from folded weights, and runs it on this machine for the comparison
with the PyTorch network, without which nothing is written. What a device needs to know beside the
artefact stands in its sidecar (`sgnas_deploy.models.ExportFile`).
"""

from __future__ import annotations

import hashlib
import importlib
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol, cast

from sgnas_deploy import files
from sgnas_deploy.emitter import OPSET
from sgnas_deploy.emitter.weights import Array, Weights
from sgnas_deploy.errors import BadInput, EnvironmentProblem
from sgnas_deploy.export.engines import Wish
from sgnas_deploy.models import Batch, Calibration, Checks, ExportFile, ModelFile, sidecar
from sgnas_profilers.transports import OnProgress

SHARED: Final = frozenset({"engines", "images", "parity", "trained"})
"""Files of this folder that are no format themselves."""


@dataclass(frozen=True)
class Job:
    """What is exported.

    Attributes:
        name: of the artefact, without its suffix.
        model: the trained model, as described beside its weights.
        weights: its folded weights.
        form: graph form.
        batch: size of the batch axis, or `dynamic`.
        precision: `fp32`, ...
        backend: what will execute it: decides the kind of integers of int8.
        images: what int8 ranges are calibrated on, and what fp16 must be able to hold,
            (n, channels, height, width) normalised; None where there are none.
        engine: for the format tensorrt, what engine is wanted and where it is built.
        on_progress: told how far the build of an engine is.
    """

    name: str
    model: ModelFile
    weights: Weights
    form: str
    batch: Batch
    precision: str
    backend: str = "onnxruntime"
    images: Array | None = None
    engine: Wish = field(default_factory=Wish)
    on_progress: OnProgress = None


@dataclass(frozen=True)
class Artefact:
    """What a format has built.

    Attributes:
        data: the file's bytes.
        runtime: what it is bound to, for its sidecar; empty where it runs anywhere.
        source: the ONNX file that it was built from; None for ONNX itself.
        notes: what the user should know of it.
        kept: names of the nodes that stay in single precision, whatever the precision is.
    """

    data: bytes
    runtime: dict[str, str] = field(default_factory=dict)
    source: bytes | None = None
    notes: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()


class NotRunHere(EnvironmentProblem):
    """The artefact is for another machine, or for a GPU and none is here.

    What was made for this machine and fails on it is an error of another kind.
    """


class Format(Protocol):
    """What each file of this folder has."""

    SUFFIX: str
    """Of the artefact's file, with its dot."""

    def build(self, job: Job) -> Artefact:
        """The artefact, checked by whatever checker the format has.

        Raises:
            BadInput: a precision that the format cannot have.
            ClearNo: the network does not fit the precision's range.
            EnvironmentProblem: something that it needs is not installed.
        """

    def run(
        self, artefact: bytes, images: Array, runtime: Mapping[str, str] | None = None
    ) -> Array:
        """Logits (n, classes) of images (n, channels, height, width); n is any number.

        Args:
            artefact: what `build` made.
            images: normalised.
            runtime: what `build` said that it is bound to; not needed for what runs anywhere.

        Raises:
            NotRunHere: it is for another device; its `source` is compared instead.
            BadInput: it was made for this machine, and does not load or run here.
            EnvironmentProblem: the runtime is not installed, or refuses the artefact.
        """


def names() -> list[str]:
    """Names of the formats there are."""
    found = (module.name for module in pkgutil.iter_modules(__path__))
    return sorted(name for name in found if name not in SHARED)


def load(name: str) -> Format:
    """The format of that name.

    Raises:
        BadInput: there is no such format.
    """
    if name in names():
        return cast(Format, importlib.import_module(f"{__name__}.{name}"))
    raise BadInput(f"unknown export format {name!r}", f"choose one of {', '.join(names())}")


def write(
    folder: Path,
    format_name: str,
    job: Job,
    artefact: Artefact,
    checks: Checks,
    calibration: Calibration | None = None,
) -> Path:
    """Write a compared artefact and its sidecar.

    Args:
        folder: where to.
        format_name: the format's name.
        job: what was exported.
        artefact: what to write.
        checks: how it compared with the network in single precision.
        calibration: where int8 ranges come from.

    Returns:
        The artefact's path.
    """
    path = folder / f"{job.name}{load(format_name).SUFFIX}"
    source = artefact.source
    description = ExportFile(
        name=job.name,
        format=format_name,
        precision=job.precision,
        form=job.form,
        batch=job.batch,
        opset=OPSET,
        artefact_sha256=hashlib.sha256(artefact.data).hexdigest(),
        artefact_bytes=len(artefact.data),
        parity_max_abs=checks.max_abs,
        parity_limit=checks.limit,
        model=job.model,
        runtime=artefact.runtime,
        source_sha256=None if source is None else hashlib.sha256(source).hexdigest(),
        checks=checks,
        calibration=calibration,
    )
    # A reader compares the hash: between the two writes it sees a mismatch, never a wrong pair.
    files.write_bytes(path, artefact.data)
    files.write_model(sidecar(path), description)
    return path
