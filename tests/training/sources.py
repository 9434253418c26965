"""Data for tests: made in memory, or files in a folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from sgnas_deploy.data import ArrayImages, DataSet, Preprocessing


def source(resolution: int, flip: bool = True) -> DataSet:
    """Two black images of two classes."""
    images = ArrayImages(np.zeros((2, 8, 8, 3), np.uint8), np.arange(2))
    made = Preprocessing(resolution=resolution, crop=1.0, mean=(0, 0, 0), std=(1, 1, 1))
    return DataSet("x", ("a", "b"), images, images, "0", made, flip)


def photographs(root: Path, each: int, classes: int = 2, seed: int = 0) -> Path:
    """JPEG files of several sizes, `each` per class and part, that are not all alike.

    Class `c0` is darker than `c1` and so on.
    """
    rng = np.random.default_rng(seed)
    for part in ("train", "val"):
        for label in range(classes):
            folder = root / part / f"c{label}"
            folder.mkdir(parents=True)
            for number in range(each):
                width, height = (int(side) for side in rng.integers(40, 90, 2))
                # Small noise, enlarged: something a JPEG keeps.
                noise = rng.integers(0, 256 // classes, (6, 6, 3)) + 256 * label // classes
                picture = Image.fromarray(noise.astype(np.uint8)).resize((width, height))
                picture.save(folder / f"{number:03d}.jpg", quality=90)
    return root
