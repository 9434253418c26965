"""Models on disk: retrained weights and exported files, each with a JSON file beside it.

`NAME.safetensors` has `NAME.json` (`ModelFile`); an exported `NAME.onnx` has `NAME.onnx.json`
(`ExportFile`). The sidecar says what the file was made from; nothing is put into foreign formats
that another tool could stumble over.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal, TypeAlias

from pydantic import Field

from sgnas_deploy import files
from sgnas_deploy.architectures import ArchitectureFile
from sgnas_deploy.data import Preprocessing
from sgnas_deploy.errors import BadInput

SCHEMA_VERSION: Final = 1

Batch: TypeAlias = int | Literal["dynamic"]
"""Images a run: a number, or any number of them."""


class ModelFile(files.FrozenModel):
    """What stands beside retrained weights.

    Attributes:
        name: its name in the workspace.
        architecture: what was trained, and what it was generated for.
        weights_sha256: the safetensors file.
        classes: names of the classes.
        preprocessing: how an image becomes an input.
        data: what the user called the data.
        data_fingerprint: SHA-256 of the data's content or listing.
        recipe: the settings of the training.
        seed: the seed of the training.
        accuracy: top-1 on the images that nothing was trained on.
        images: how many those are.
    """

    kind: Literal["sgnas-model"] = "sgnas-model"
    schema_version: Literal[1] = SCHEMA_VERSION
    name: str = Field(min_length=1)
    architecture: ArchitectureFile
    weights_sha256: str
    classes: tuple[str, ...]
    preprocessing: Preprocessing
    data: str
    data_fingerprint: str
    recipe: dict[str, str | int | float | bool | None]
    seed: int
    accuracy: float = Field(ge=0, le=1)
    images: int


class Checks(files.FrozenModel):
    """How an exported network compares with the same network in single precision.

    Attributes:
        images: how many were compared on.
        source: which images those are.
        of: `artefact`, or `source` where the artefact cannot run on the machine that exported
            it, and the ONNX file that it was built from was compared instead.
        max_abs: largest absolute difference of a logit.
        limit: the largest difference that was allowed.
        cosine: smallest cosine of the angle between the logits of an image in both precisions.
        cosine_limit: the smallest that was allowed.
        agreement: share of the images whose class is the same in both precisions.
        accuracy: top-1 of the exported network; None where the images have no labels.
        accuracy_fp32: top-1 of the network in single precision on the same images.
        max_drop: the largest loss of accuracy (without labels: of agreement) that was allowed.
    """

    images: int
    source: str
    of: Literal["artefact", "source"] = "artefact"
    max_abs: float
    limit: float
    cosine: float
    cosine_limit: float
    agreement: float
    accuracy: float | None = None
    accuracy_fp32: float | None = None
    max_drop: float

    @property
    def drop(self) -> float:
        """Accuracy lost; where the images have no labels, the share of changed answers."""
        if self.accuracy is None or self.accuracy_fp32 is None:
            return 1 - self.agreement
        return self.accuracy_fp32 - self.accuracy


class Calibration(files.FrozenModel):
    """What the ranges of an int8 network were taken from.

    Attributes:
        data: what the user called the images.
        data_fingerprint: SHA-256 of their content or listing.
        images: how many were looked at.
        seed: which ones.
        method: how a range follows from the values.
    """

    data: str
    data_fingerprint: str
    images: int
    seed: int
    method: str


class ExportFile(files.FrozenModel):
    """What stands beside an exported file: its manifest.

    Attributes:
        name: its name in the workspace.
        format: `onnx`, ...
        precision: `fp32`, ...
        form: graph form of the table that the architecture came from.
        batch: images a run, or `dynamic`.
        opset: ONNX operator set.
        artefact_sha256: the exported file.
        artefact_bytes: its size.
        parity_max_abs: largest absolute difference of a logit to the PyTorch network.
        parity_limit: the largest difference that was allowed.
        model: the trained model that it was made from.
        runtime: what the artefact is bound to (flavour, version, device, ...), empty where it
            runs anywhere.
        source_sha256: the ONNX file that it was built from, None for ONNX itself.
        checks: the comparison in full; None in files of older versions.
        calibration: where the ranges of an int8 network come from.
    """

    kind: Literal["sgnas-export"] = "sgnas-export"
    schema_version: Literal[1] = SCHEMA_VERSION
    name: str = Field(min_length=1)
    format: str
    precision: str
    form: str
    batch: Batch
    opset: int
    artefact_sha256: str
    artefact_bytes: int
    parity_max_abs: float
    parity_limit: float
    model: ModelFile
    runtime: dict[str, str] = Field(default_factory=dict)
    source_sha256: str | None = None
    checks: Checks | None = None
    calibration: Calibration | None = None


def read_model_file(weights: Path) -> ModelFile:
    """The description beside `NAME.safetensors`, after its hash was compared.

    Raises:
        BadInput: missing, malformed, or not the file that the description was written for.
    """
    found = files.read_model(weights.with_suffix(".json"), ModelFile, "model description")
    _compare(weights, found.weights_sha256, "sgnas retrain")
    return found


def sidecar(artefact: Path) -> Path:
    """Where the description of an exported file stands: `NAME.onnx.json`."""
    return artefact.with_name(artefact.name + ".json")


def read_export_file(artefact: Path) -> ExportFile:
    """The description beside an exported file, after its hash was compared.

    Raises:
        BadInput: missing, malformed, or not the file that the description was written for.
    """
    found = files.read_model(sidecar(artefact), ExportFile, "export description")
    _compare(artefact, found.artefact_sha256, "sgnas export")
    return found


def _compare(path: Path, expected: str, command: str) -> None:
    if files.sha256_of(path) != expected:
        raise BadInput(
            f"{path} is not the file that its description was written for (SHA-256 differs)",
            f"make both anew with: {command}",
        )
