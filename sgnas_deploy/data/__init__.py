"""Images to train on and to measure accuracy with. No torch here: `validate` needs it too.

`digits` are scikit-learn's handwritten digits; a folder is either `train/CLASS/*` and
`val/CLASS/*` with images, or CIFAR-10's binary version. One source, one file.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, final

import numpy as np
import numpy.typing as npt

from sgnas_deploy import files
from sgnas_deploy.errors import BadInput

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class Preprocessing(files.FrozenModel):
    """What stands between an image file and the network's input.

    Attributes:
        resolution: side of the square input; the image is resized so that its shorter side is
            `resolution / crop` (rounded down), bilinear, and cropped at the centre.
        crop: share of the shorter side that the centre crop keeps.
        mean: per channel, of values in 0..1.
        std: per channel.
    """

    resolution: int
    crop: float
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


class Images(Protocol):
    """Labelled images, decoded one by one."""

    @property
    def labels(self) -> npt.NDArray[np.int64]:
        """Class index of each image, shape (n,)."""

    def __len__(self) -> int: ...

    def image(self, index: int) -> npt.NDArray[np.uint8]:
        """One image, shape (height, width, 3), in its own size."""


@final
@dataclass(frozen=True)
class DataSet:
    """A source of images, split.

    Attributes:
        name: what the user called it.
        classes: names of the classes.
        train: images to train on (a share is kept apart for the generator).
        val: images that nothing is trained on.
        fingerprint: SHA-256 over the content or the listing (names and sizes).
        preprocessing: how an image becomes an input.
        flip: whether a mirrored image still shows the same thing (False for digits).
    """

    name: str
    classes: tuple[str, ...]
    train: Images
    val: Images
    fingerprint: str
    preprocessing: Preprocessing
    flip: bool = True


@final
class ArrayImages:
    """Images of one size, in memory.

    Args:
        pixels: shape (n, height, width, 3).
        labels: class index of each, shape (n,).
    """

    def __init__(self, pixels: npt.NDArray[np.uint8], labels: npt.NDArray[np.int64]) -> None:
        self._pixels = pixels
        self._labels = labels

    @property
    def labels(self) -> npt.NDArray[np.int64]:
        """Class index of each image, shape (n,)."""
        return self._labels

    def __len__(self) -> int:
        return len(self._labels)

    def image(self, index: int) -> npt.NDArray[np.uint8]:
        """One image, shape (height, width, 3)."""
        found: npt.NDArray[np.uint8] = self._pixels[index]
        return found


def load(spec: str, resolution: int) -> DataSet:
    """The data that a user names.

    Args:
        spec: `digits`, or a folder.
        resolution: side of the network's input.

    Raises:
        BadInput: no such folder, or nothing usable in it; the message says what.
        EnvironmentProblem: a library that reads this data is not installed.
    """
    # Each source imports what it needs, and only where it is asked for.
    if spec == "digits":
        from sgnas_deploy.data import digits

        return digits.load(resolution)
    folder = Path(spec)
    if not folder.is_dir():
        raise BadInput(
            f"there is no data folder {spec!r}",
            "name a folder with train/CLASS/* and val/CLASS/*, CIFAR-10's binary version, "
            "or the word digits",
        )
    from sgnas_deploy.data import cifar10, folders

    found = cifar10.find(folder)
    if found is not None:
        return cifar10.load(spec, found, resolution)
    return folders.load(spec, folder, resolution)


def split(
    labels: npt.NDArray[np.int64], share: float = 0.2, seed: int = 0
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Split images in two, with the same mixture of classes in both.

    The supernet is trained on the first part, the generator on the second (SGNAS, CVPR 2021,
    section 4: 20 % are kept apart).

    Args:
        labels: class index of each image, shape (n,).
        share: of the second part; at least one image of each class stays in the first.
        seed: decides which images.

    Returns:
        Indices of both parts, each in rising order.
    """
    rng = np.random.default_rng(seed)
    apart = np.zeros(len(labels), bool)
    # Sorted once: a look through a million labels for each of a thousand classes takes seconds.
    order = np.argsort(labels, kind="stable")
    starts = np.flatnonzero(np.diff(labels[order])) + 1
    for indices in np.split(order, starts):
        own = rng.permutation(indices)
        apart[own[: min(round(len(own) * share), len(own) - 1)]] = True
    return np.flatnonzero(~apart), np.flatnonzero(apart)
