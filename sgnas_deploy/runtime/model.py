"""A loaded network: images in, classes out, whatever executes it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, TypeAlias, final

import numpy as np
import numpy.typing as npt

from sgnas_deploy.data import Preprocessing
from sgnas_deploy.data.batches import normalised, resized
from sgnas_deploy.data.pillow import pillow
from sgnas_deploy.errors import BadInput
from sgnas_deploy.models import ExportFile

Floats: TypeAlias = npt.NDArray[np.float32]
Image: TypeAlias = "str | Path | npt.NDArray[np.uint8] | Any"
"""A path, an array (height, width, 3) or (height, width) of values 0..255, or a Pillow image."""


class Engine(Protocol):
    """What executes a network."""

    name: str
    """Runtime and version."""

    def run(self, images: Floats) -> Floats:
        """Logits (n, classes) of inputs (n, channels, R, R), n being what the file was made for."""

    def close(self) -> None:
        """Give back what it holds."""


@final
@dataclass(frozen=True)
class Prediction:
    """One guess.

    Attributes:
        label: name of the class.
        probability: softmax of the logits; no calibrated probability.
        index: of the class.
    """

    label: str
    probability: float
    index: int


@final
class Model:
    """An exported network, ready to run. A context manager: it closes its engine.

    Args:
        description: what stands beside the file.
        engine: what executes it.
    """

    def __init__(self, description: ExportFile, engine: Engine) -> None:
        self.description = description
        self._engine = engine

    def __enter__(self) -> Model:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def name(self) -> str:
        """Its name."""
        return self.description.name

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, in the order of the logits."""
        return self.description.model.classes

    @property
    def preprocessing(self) -> Preprocessing:
        """How an image becomes an input."""
        return self.description.model.preprocessing

    @property
    def engine(self) -> str:
        """Runtime and version that execute it."""
        return self._engine.name

    def close(self) -> None:
        """Give back what the engine holds."""
        self._engine.close()

    def classify(self, image: Image, top: int = 5) -> tuple[Prediction, ...]:
        """The likeliest classes of one image, the likeliest first.

        Raises:
            BadInput: no image, or one that cannot be decoded.
        """
        return self.classify_all([image], top)[0]

    def classify_all(
        self, images: list[Image] | tuple[Image, ...], top: int = 5
    ) -> tuple[tuple[Prediction, ...], ...]:
        """The same for several images.

        Raises:
            BadInput: as `classify`; `top` below 1.
        """
        if top < 1:
            raise BadInput(f"--top must be at least 1, not {top}")
        if not images:
            return ()
        logits = self.logits(self.inputs(images))
        return tuple(self._best(row, top) for row in logits)

    def inputs(self, images: list[Image] | tuple[Image, ...]) -> Floats:
        """Images as the network's input, float32, shape (n, 3, R, R)."""
        pixels = [resized(_pixels(image), self.preprocessing) for image in images]
        return normalised(np.stack(pixels), self.preprocessing)

    def logits(self, batch: Floats) -> Floats:
        """Logits of normalised inputs.

        Args:
            batch: float32, shape (n, 3, R, R), any n from 1; the file's batch is filled up with
                zeros.

        Returns:
            float32, shape (n, classes).

        Raises:
            BadInput: another shape.
        """
        side = self.preprocessing.resolution
        given = np.asarray(batch, np.float32)
        if given.ndim != 4 or given.shape[1:] != (3, side, side) or not len(given):
            raise BadInput(
                f"the input has shape {given.shape}, {self.name} wants (n, 3, {side}, {side})"
            )
        each = self.description.batch
        if not isinstance(each, int):
            return np.asarray(self._engine.run(given), np.float32)
        filled = np.concatenate(
            [given, np.zeros((-len(given) % each, *given.shape[1:]), np.float32)]
        )
        parts = [
            self._engine.run(np.ascontiguousarray(filled[start : start + each]))
            for start in range(0, len(filled), each)
        ]
        return np.asarray(np.concatenate(parts)[: len(given)], np.float32)

    def _best(self, logits: Floats, top: int) -> tuple[Prediction, ...]:
        values = logits.astype(np.float64)
        odds = np.exp(values - values.max())
        odds /= odds.sum()
        # Equal ones in the order of the classes.
        order = np.argsort(-odds, kind="stable")[:top]
        return tuple(
            Prediction(self.classes[index], float(odds[index]), int(index)) for index in order
        )


def _pixels(image: Image) -> npt.NDArray[np.uint8]:
    """Any kind of image as an array (height, width, 3)."""
    if isinstance(image, str | Path):
        return _decoded(Path(image))
    if hasattr(image, "convert"):  # a Pillow image, without importing Pillow to ask
        return np.asarray(image.convert("RGB"), np.uint8)
    found = np.asarray(image)
    if found.dtype != np.uint8:
        raise BadInput(
            f"an image array holds numbers 0..255 of type uint8, not {found.dtype}",
            "for inputs that are normalised already use Model.logits",
        )
    if found.ndim == 2:
        found = np.repeat(found[..., None], 3, axis=2)
    if found.ndim != 3 or found.shape[2] != 3 or 0 in found.shape:
        raise BadInput(f"an image array has the shape (height, width, 3), not {found.shape}")
    return found


def _decoded(path: Path) -> npt.NDArray[np.uint8]:
    """As training's evaluation reads an image file."""
    module = pillow()
    try:
        with module.open(path) as opened:
            return np.asarray(opened.convert("RGB"))
    # Decoders raise nearly anything on a damaged file.
    except (OSError, SyntaxError, ValueError) as error:
        raise BadInput(f"cannot read image {path}: {error}") from error
