"""scikit-learn's handwritten digits: 1,797 real images of 8x8 pixels, installed with it."""

from __future__ import annotations

import hashlib

import numpy as np

from sgnas_deploy.data import ArrayImages, DataSet, Preprocessing, split
from sgnas_deploy.errors import EnvironmentProblem

_VAL_SHARE = 0.2
# The split is part of the data set: it never changes.
_SPLIT_SEED = 1797
# Of the training images in 0..1.
_MEAN = 0.305
_STD = 0.376


def load(resolution: int) -> DataSet:
    """The digits, 80 % to train and 20 % to validate on.

    Raises:
        EnvironmentProblem: scikit-learn is not installed.
    """
    try:
        from sklearn import datasets
    except ImportError as error:
        raise EnvironmentProblem(
            "the digits come with scikit-learn, which is not installed",
            "pip install 'sgnas-deploy[train]'",
        ) from error
    pixels, labels = datasets.load_digits(return_X_y=True)
    grey = np.round(pixels.reshape(-1, 8, 8) * (255 / 16)).astype(np.uint8)
    images = np.repeat(grey[..., None], 3, axis=3)
    labels = labels.astype(np.int64)
    digest = hashlib.sha256(b"digits" + images.tobytes() + labels.tobytes())
    train, val = split(labels, _VAL_SHARE, _SPLIT_SEED)
    return DataSet(
        name="digits",
        classes=tuple(str(digit) for digit in range(10)),
        train=ArrayImages(images[train], labels[train]),
        val=ArrayImages(images[val], labels[val]),
        fingerprint=digest.hexdigest(),
        preprocessing=Preprocessing(
            resolution=resolution, crop=1.0, mean=(_MEAN,) * 3, std=(_STD,) * 3
        ),
        flip=False,
    )
