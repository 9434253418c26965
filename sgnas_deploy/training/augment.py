"""Augmentation of whole batches; what is drawn depends on the generator alone."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

_SHIFT = 0.08
_SCALE = 0.12
_ROTATION = np.deg2rad(10)


def affine(
    pixels: npt.NDArray[np.uint8],
    rng: np.random.Generator,
    place: tuple[int, int] | None = None,
) -> npt.NDArray[np.float32]:
    """Shift by up to 8 % of the side, scale by up to 12 %, rotate by up to 10 degrees.

    What comes in from outside is black.

    Args:
        pixels: (n, R, R, 3), values 0..255.
        rng: draws one transformation per image.
        place: number of the first image, and images in the whole batch, where these are a part of
            it: what is drawn for an image does not depend on the parts.

    Returns:
        The same shape and range, not rounded.
    """
    n = len(pixels)
    first, whole = place or (0, n)
    own = slice(first, first + n)
    angle = rng.uniform(-_ROTATION, _ROTATION, whole)[own]
    scale = rng.uniform(1 - _SCALE, 1 + _SCALE, whole)[own]
    # Coordinates run from -1 to 1: a shift by the whole side is 2.
    shift = rng.uniform(-2 * _SHIFT, 2 * _SHIFT, (whole, 2))[own]
    theta = np.empty((n, 2, 3), np.float32)
    theta[:, 0, 0] = theta[:, 1, 1] = np.cos(angle) / scale
    theta[:, 0, 1] = -np.sin(angle) / scale
    theta[:, 1, 0] = np.sin(angle) / scale
    theta[:, :, 2] = shift
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2).float()
    grid = functional.affine_grid(torch.from_numpy(theta), list(images.shape), align_corners=False)
    moved = functional.grid_sample(images, grid, padding_mode="zeros", align_corners=False)
    found: npt.NDArray[np.float32] = moved.permute(0, 2, 3, 1).numpy()
    return found


def crop(
    pixels: npt.NDArray[np.uint8],
    rng: np.random.Generator,
    flip: bool,
    place: tuple[int, int] | None = None,
) -> npt.NDArray[np.uint8]:
    """Pad by an eighth of the side (mirrored), crop at random, perhaps flip.

    Args:
        pixels: (n, R, R, 3).
        rng: draws one crop per image.
        flip: also mirror half of the images.
        place: number of the first image, and images in the whole batch, where these are a part of
            it.
    """
    n, side = int(pixels.shape[0]), int(pixels.shape[1])
    margin = side // 8
    padded = np.pad(pixels, ((0, 0), (margin, margin), (margin, margin), (0, 0)), mode="reflect")
    first, whole = place or (0, n)
    own = slice(first, first + n)
    corners = rng.integers(0, 2 * margin + 1, size=(2, whole))[:, own]
    mirrored = rng.integers(0, 2, size=whole)[own]
    found = np.empty_like(pixels)
    for i in range(n):
        top, left = (int(corner) for corner in corners[:, i])
        part = padded[i, top : top + side, left : left + side]
        found[i] = part[:, ::-1] if flip and bool(mirrored[i]) else part
    return found
