"""Whether an exported network computes what the PyTorch network computes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, final

import numpy as np

from sgnas_deploy.data import Preprocessing
from sgnas_deploy.emitter.weights import Array

TOLERANCE: Final = 1e-3
"""Largest allowed difference of a logit, as a share of the largest logit.

Single precision in another order of summation stays below a hundredth of it; a wrong weight, a
missing activation or a shifted kernel is far above.
"""

_NOISE_IMAGES: Final = 8


@final
@dataclass(frozen=True)
class Parity:
    """A comparison.

    Attributes:
        max_abs: largest absolute difference of a logit; infinite when a result is not finite.
        limit: what was allowed.
    """

    max_abs: float
    limit: float

    @property
    def passed(self) -> bool:
        """Within the limit."""
        return self.max_abs <= self.limit


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


def compare(exported: Array, reference: Array) -> Parity:
    """Compare logits (n, classes) with those of the PyTorch network.

    The limit is `TOLERANCE` times the largest absolute logit of the reference: logits of an
    undertrained network are tiny, those of a confident one large.
    """
    if exported.shape != reference.shape:
        raise ValueError(f"logits {exported.shape} against {reference.shape}")
    finite = bool(np.isfinite(exported).all() and np.isfinite(reference).all())
    if not finite:
        return Parity(float("inf"), 0.0)
    wide = reference.astype(np.float64)
    difference = np.abs(exported.astype(np.float64) - wide).max()
    return Parity(float(difference), TOLERANCE * float(np.abs(wide).max()))
