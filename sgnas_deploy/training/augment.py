"""Augmentation of whole batches; what is drawn depends on the generator alone."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

_SHIFT = 0.08
_SCALE = 0.12
_ROTATION = np.deg2rad(10)


def affine(images: Tensor, rng: np.random.Generator) -> Tensor:
    """Shift by up to 8 % of the side, scale by up to 12 %, rotate by up to 10 degrees.

    Args:
        images: normalised, (n, 3, R, R).
        rng: draws one transformation per image.
    """
    n = len(images)
    angle = rng.uniform(-_ROTATION, _ROTATION, n)
    scale = rng.uniform(1 - _SCALE, 1 + _SCALE, n)
    # Coordinates run from -1 to 1: a shift by the whole side is 2.
    shift = rng.uniform(-2 * _SHIFT, 2 * _SHIFT, (n, 2))
    theta = np.empty((n, 2, 3), np.float32)
    theta[:, 0, 0] = theta[:, 1, 1] = np.cos(angle) / scale
    theta[:, 0, 1] = -np.sin(angle) / scale
    theta[:, 1, 0] = np.sin(angle) / scale
    theta[:, :, 2] = shift
    grid = functional.affine_grid(
        torch.from_numpy(theta).to(images.device), list(images.shape), align_corners=False
    )
    return functional.grid_sample(images, grid, padding_mode="border", align_corners=False)


def crop(
    pixels: npt.NDArray[np.uint8], rng: np.random.Generator, flip: bool
) -> npt.NDArray[np.uint8]:
    """Pad by an eighth of the side (mirrored), crop at random, perhaps flip.

    Args:
        pixels: (n, R, R, 3).
        rng: draws one crop per image.
        flip: also mirror half of the images.
    """
    n, side = pixels.shape[:2]
    margin = side // 8
    padded = np.pad(pixels, ((0, 0), (margin, margin), (margin, margin), (0, 0)), mode="reflect")
    corners = rng.integers(0, 2 * margin + 1, (n, 2)).tolist()
    mirrored = rng.integers(0, 2, n).tolist()
    found = np.empty_like(pixels)
    for i, (top, left) in enumerate(corners):
        part = padded[i, top : top + side, left : left + side]
        found[i] = part[:, ::-1] if flip and mirrored[i] else part
    return found
