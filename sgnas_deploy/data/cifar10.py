"""CIFAR-10 in its binary version: records of one label byte and 3 x 32 x 32 pixel bytes."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sgnas_deploy import files
from sgnas_deploy.data import ArrayImages, DataSet, Preprocessing
from sgnas_deploy.errors import BadInput

_SIDE = 32
_RECORD_BYTES = 1 + 3 * _SIDE * _SIDE
_CLASSES = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)
# Of the original training images in 0..1, as is usual.
_MEAN = (0.4914, 0.4822, 0.4465)
_STD = (0.2470, 0.2435, 0.2616)
_CURE = "unpack cifar-10-binary.tar.gz anew"


def find(folder: Path) -> Path | None:
    """Where the .bin files lie: the folder itself, or `cifar-10-batches-bin` in it."""
    for candidate in (folder, folder / "cifar-10-batches-bin"):
        if any(candidate.glob("data_batch_*.bin")) or (candidate / "test_batch.bin").is_file():
            return candidate
    return None


def load(spec: str, folder: Path, resolution: int) -> DataSet:
    """All training batches there are, and the test batch to validate on.

    Raises:
        BadInput: a batch is missing or truncated, or has a label beyond the classes.
    """
    batches = sorted(folder.glob("data_batch_*.bin"))
    if not batches:
        raise BadInput(f"{folder} has a test_batch.bin but no data_batch_*.bin", _CURE)
    classes = _names(folder)
    digest = hashlib.sha256(b"cifar10")
    parts = [_read(path, len(classes), digest) for path in batches]
    pixels = np.concatenate([part[0] for part in parts])
    labels = np.concatenate([part[1] for part in parts])
    if len(np.unique(labels)) < 2:
        raise BadInput(f"all training images in {folder} are of one class", _CURE)
    return DataSet(
        name=spec,
        classes=classes,
        train=ArrayImages(pixels, labels),
        val=ArrayImages(*_read(folder / "test_batch.bin", len(classes), digest)),
        fingerprint=digest.hexdigest(),
        preprocessing=Preprocessing(resolution=resolution, crop=1.0, mean=_MEAN, std=_STD),
        flip=True,
    )


def _names(folder: Path) -> tuple[str, ...]:
    path = folder / "batches.meta.txt"
    if not path.is_file():
        return _CLASSES
    text = files.read_bytes(path, "list of classes").decode("utf-8", "replace")
    names = tuple(line.strip() for line in text.splitlines() if line.strip())
    if len(names) < 2:
        raise BadInput(f"{path} names fewer than two classes", _CURE)
    return names


def _read(
    path: Path, classes: int, digest: hashlib._Hash
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    data = files.read_bytes(path, "CIFAR-10 batch")
    if not data or len(data) % _RECORD_BYTES:
        raise BadInput(
            f"{path} is truncated: {len(data):,} bytes are not whole records "
            f"of {_RECORD_BYTES:,} bytes",
            _CURE,
        )
    digest.update(data)
    records = np.frombuffer(data, np.uint8).reshape(-1, _RECORD_BYTES)
    labels = records[:, 0].astype(np.int64)
    if int(labels.max()) >= classes:
        raise BadInput(f"{path} has label {labels.max()}, but there are {classes} classes", _CURE)
    pixels = records[:, 1:].reshape(-1, 3, _SIDE, _SIDE).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(pixels), labels
