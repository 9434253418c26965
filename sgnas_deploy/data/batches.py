"""Images to input arrays: resize, crop, normalise."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, final

import numpy as np
import numpy.typing as npt

from sgnas_deploy.data import Images, Preprocessing
from sgnas_deploy.data.pillow import pillow

CACHE_BYTES: Final = 1 << 30
"""Sets of resized images up to this size are kept in memory."""


def resized(image: npt.NDArray[np.uint8], preprocessing: Preprocessing) -> npt.NDArray[np.uint8]:
    """Resize and crop one image (height, width, 3) to (R, R, 3).

    The shorter side becomes `resolution / crop`, bilinear with antialiasing; the crop is centred.
    Rounding is that of timm's transform for evaluation, to the pixel, so that either may prepare
    images for a deployed network.
    """
    side = preprocessing.resolution
    shorter = math.floor(side / preprocessing.crop)
    height, width = image.shape[:2]
    low, high = min(height, width), max(height, width)
    if low != shorter:
        longer = int(shorter * high / low)
        size = (shorter, longer) if width <= height else (longer, shorter)
        module = pillow()
        image = np.asarray(module.fromarray(image).resize(size, module.Resampling.BILINEAR))
        height, width = image.shape[:2]
    # An odd margin: halves are rounded to the even number, there as here.
    top, left = round((height - side) / 2), round((width - side) / 2)
    return image[top : top + side, left : left + side]


def normalised(
    pixels: npt.NDArray[np.uint8] | npt.NDArray[np.float32], preprocessing: Preprocessing
) -> npt.NDArray[np.float32]:
    """Pixels (n, R, R, 3), values 0..255, to inputs (n, 3, R, R)."""
    scale = 1 / (255 * np.array(preprocessing.std))
    shift = -np.array(preprocessing.mean) / np.array(preprocessing.std)
    values = pixels * scale.astype(np.float32) + shift.astype(np.float32)
    return np.ascontiguousarray(values.transpose(0, 3, 1, 2), np.float32)


def to_array(
    images: Images, indices: Sequence[int] | npt.NDArray[np.int64], preprocessing: Preprocessing
) -> npt.NDArray[np.float32]:
    """Some images as network inputs.

    Returns:
        float32, shape (n, 3, R, R).

    Raises:
        BadInput: an image cannot be decoded.
    """
    side = preprocessing.resolution
    pixels = np.empty((len(indices), side, side, 3), np.uint8)
    for at, index in enumerate(indices):
        pixels[at] = resized(images.image(int(index)), preprocessing)
    return normalised(pixels, preprocessing)


@final
class ResizedImages:
    """Images at the network's resolution; small sets are decoded once and kept.

    Args:
        images: where they come from.
        preprocessing: how they are resized.
        cache_bytes: larger sets are decoded every time.
    """

    def __init__(
        self, images: Images, preprocessing: Preprocessing, cache_bytes: int = CACHE_BYTES
    ) -> None:
        self._images = images
        self._preprocessing = preprocessing
        side = preprocessing.resolution
        shape = (len(images), side, side, 3)
        keep = int(np.prod(shape)) <= cache_bytes
        self._cache = np.zeros(shape, np.uint8) if keep else None
        self._known = np.zeros(len(images), bool)

    @property
    def labels(self) -> npt.NDArray[np.int64]:
        """Class index of each image, shape (n,)."""
        return self._images.labels

    def __len__(self) -> int:
        return len(self._images)

    def image(self, index: int) -> npt.NDArray[np.uint8]:
        """One image, shape (R, R, 3)."""
        if self._cache is None:
            return resized(self._images.image(index), self._preprocessing)
        if not self._known[index]:
            self._cache[index] = resized(self._images.image(index), self._preprocessing)
            self._known[index] = True
        found: npt.NDArray[np.uint8] = self._cache[index]
        return found

    def pixels(self, indices: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
        """Some images, shape (n, R, R, 3)."""
        return np.stack([self.image(int(index)) for index in indices])
