"""Whether an exported network computes what the PyTorch network computes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, final

import numpy as np
import numpy.typing as npt

from sgnas_deploy.data import Preprocessing
from sgnas_deploy.emitter.weights import Array
from sgnas_deploy.models import Checks


@final
@dataclass(frozen=True)
class Limits:
    """What a precision may change.

    Attributes:
        tolerance: largest difference of a logit, as a share of the largest logit.
        cosine: smallest cosine between the logits of an image in both precisions.
        drop: largest loss of top-1 accuracy on real images.
    """

    tolerance: float
    cosine: float
    drop: float


LIMITS: Final = {
    # Another order of summation stays below a hundredth of it; a wrong weight, a missing
    # activation or a shifted kernel is far above.
    "fp32": Limits(1e-3, 0.9999, 0.001),
    # 11 bits of significand, and errors that add up over dozens of layers: 0.0005 was usual.
    "fp16": Limits(0.02, 0.999, 0.005),
    # 8 bits: single logits move a good deal; what counts is the accuracy.
    "int8": Limits(0.3, 0.9, 0.02),
}

_NOISE_IMAGES: Final = 8


@final
@dataclass(frozen=True)
class Parity:
    """A comparison.

    Attributes:
        images: how many were compared on.
        max_abs: largest absolute difference of a logit; infinite when a result is not finite.
        limit: what was allowed.
        cosine: smallest cosine between the logits of an image; 0 when a result is not finite.
        cosine_limit: what was allowed.
        agreement: share of images with the same class.
        accuracy: top-1 of the exported network; None without labels.
        accuracy_fp32: top-1 of the reference.
        max_drop: the largest loss of accuracy, without labels of agreement, that was allowed.
        real: whether the images are of the kind that the network is for.
    """

    images: int
    max_abs: float
    limit: float
    cosine: float
    cosine_limit: float
    agreement: float
    max_drop: float
    accuracy: float | None = None
    accuracy_fp32: float | None = None
    real: bool = False

    @property
    def drop(self) -> float:
        """Accuracy lost; without labels, the share of changed answers."""
        if self.accuracy is None or self.accuracy_fp32 is None:
            return 1 - self.agreement
        return self.accuracy_fp32 - self.accuracy

    @property
    def problem(self) -> str:
        """What is beyond its limit, empty where nothing is."""
        if not self.max_abs <= self.limit:
            return (
                f"differs from the PyTorch network by {self.max_abs:.3g} in a logit, the limit is "
                f"{self.limit:.3g}"
            )
        if self.cosine < self.cosine_limit:
            return (
                f"gives an image logits at a cosine of {self.cosine:.4f} to the PyTorch "
                f"network's, the limit is {self.cosine_limit:g}"
            )
        # Of noise, an undertrained network's answer is decided by a hair.
        if self.real and self.drop > self.max_drop:
            what = "changes the answer for" if self.accuracy is None else "loses"
            unit = "of the images" if self.accuracy is None else "of top-1 accuracy"
            return f"{what} {self.drop:.2%} {unit}, the limit is {self.max_drop:.2%}"
        return ""

    @property
    def passed(self) -> bool:
        """Within the limits."""
        return not self.problem

    def checks(self, source: str, of: Literal["artefact", "source"]) -> Checks:
        """For the sidecar; only of a comparison that has passed.

        Args:
            source: which images these were.
            of: what was run.
        """
        return Checks(
            images=self.images,
            source=source,
            of=of,
            max_abs=self.max_abs,
            limit=self.limit,
            cosine=self.cosine,
            cosine_limit=self.cosine_limit,
            agreement=self.agreement,
            accuracy=self.accuracy,
            accuracy_fp32=self.accuracy_fp32,
            max_drop=self.max_drop,
        )


def inputs(preprocessing: Preprocessing, seed: int = 0) -> Array:
    """Normalised images to compare on: noise, and the extremes of what an image can be.

    Args:
        preprocessing: of the network: the extremes are black and white after normalisation.
        seed: of the noise.

    Returns:
        (n, 3, resolution, resolution): normal noise, black, white, a checkerboard of both, and
        one image white in each channel alone.
    """
    side = preprocessing.resolution
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal((_NOISE_IMAGES, 3, side, side), np.float32)
    board = np.indices((side, side)).sum(axis=0) % 2
    pixels = [np.zeros((3, side, side)), np.ones((3, side, side)), np.stack([board] * 3)]
    for channel in range(3):
        single = np.zeros((3, side, side))
        single[channel] = 1
        pixels.append(single)
    mean = np.array(preprocessing.mean)[:, None, None]
    std = np.array(preprocessing.std)[:, None, None]
    extremes = (np.stack(pixels) - mean) / std
    return np.concatenate([noise, extremes.astype(np.float32)])


def compare(
    exported: Array,
    reference: Array,
    precision: str = "fp32",
    labels: npt.NDArray[np.int64] | None = None,
    real: bool = False,
    max_drop: float | None = None,
) -> Parity:
    """Compare logits (n, classes) with those of the PyTorch network.

    The limit of a logit is a share of the largest absolute logit of the reference: logits of an
    undertrained network are tiny, those of a confident one large.

    Args:
        exported: of the artefact.
        reference: of the network in single precision.
        precision: of the artefact: decides the limits.
        labels: true classes of the images, (n,); None where they are not known.
        real: whether the images are of the kind that the network is for.
        max_drop: another limit of the loss of accuracy.
    """
    if exported.shape != reference.shape:
        raise ValueError(f"logits {exported.shape} against {reference.shape}")
    limits = LIMITS[precision]
    allowed = limits.drop if max_drop is None else max_drop
    finite = bool(np.isfinite(exported).all() and np.isfinite(reference).all())
    if not finite:
        return Parity(
            len(reference), float("inf"), 0.0, 0.0, limits.cosine, 0.0, allowed, real=real
        )
    wide, other = reference.astype(np.float64), exported.astype(np.float64)
    norms = np.linalg.norm(wide, axis=1) * np.linalg.norm(other, axis=1)
    cosines = (wide * other).sum(axis=1) / np.maximum(norms, 1e-300)
    ours, theirs = other.argmax(axis=1), wide.argmax(axis=1)
    return Parity(
        images=len(reference),
        max_abs=float(np.abs(other - wide).max()),
        limit=limits.tolerance * float(np.abs(wide).max()),
        cosine=float(cosines.min()),
        cosine_limit=limits.cosine,
        agreement=float((ours == theirs).mean()),
        max_drop=allowed,
        accuracy=None if labels is None else float((ours == labels).mean()),
        accuracy_fp32=None if labels is None else float((theirs == labels).mean()),
        real=real,
    )
