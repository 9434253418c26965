"""Images to train on and to measure accuracy with. No torch here: `validate` needs it too.

`digits` are scikit-learn's handwritten digits; a folder is either `train/CLASS/*` and
`val/CLASS/*` with images, or CIFAR-10's binary version. One source, one file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, final

import numpy as np
import numpy.typing as npt

from sgnas_deploy import files


class Preprocessing(files.FrozenModel):
    """What stands between an image file and the network's input.

    Attributes:
        resolution: side of the square input; the image is resized so that its shorter side is
            `resolution / crop`, bilinear, and cropped at the centre.
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
