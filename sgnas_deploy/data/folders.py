"""Image folders: `train/CLASS/*` and `val/CLASS/*`, decoded when they are needed.

Made for a million files and more: listing them reads names and sizes, never contents, and what is
kept of a file is its name and its label, in a few arrays that worker processes share.
"""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import final

import numpy as np
import numpy.typing as npt

from sgnas_deploy.data import IMAGENET_MEAN, IMAGENET_STD, DataSet, Preprocessing
from sgnas_deploy.data.pillow import pillow
from sgnas_deploy.errors import BadInput, SgnasError

_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"})
# The usual centre crop of photographs. Small images are shown whole: their objects fill them.
_CROP = 0.875
_CROP_FROM = 96


@final
class FolderImages:
    """Image files with labels.

    Names are kept in one buffer and found by number. A million path objects would take most of a
    gigabyte, and counting references to them would copy it into every worker process.

    Args:
        folder: holds one folder per class.
        classes: names of those folders; a label is an index into them.
        names: of the files of each class.
    """

    def __init__(
        self, folder: Path, classes: tuple[str, ...], names: Sequence[Sequence[str]]
    ) -> None:
        self._folder = folder
        self._classes = classes
        encoded = [os.fsencode(name) for own in names for name in own]
        self._names = b"".join(encoded)
        self._ends = np.cumsum([0, *map(len, encoded)])
        self._labels = np.repeat(np.arange(len(classes)), [len(own) for own in names])

    @property
    def labels(self) -> npt.NDArray[np.int64]:
        """Class index of each image, shape (n,)."""
        return self._labels

    def __len__(self) -> int:
        return len(self._labels)

    def path(self, index: int) -> Path:
        """Where an image stands."""
        if not 0 <= index < len(self):
            raise IndexError(index)
        start, end = int(self._ends[index]), int(self._ends[index + 1])
        name = os.fsdecode(self._names[start:end])
        return self._folder / self._classes[int(self._labels[index])] / name

    def image(self, index: int) -> npt.NDArray[np.uint8]:
        """One image, shape (height, width, 3), in its own size.

        Raises:
            BadInput: the file is no image that can be decoded.
        """
        path = self.path(index)
        try:
            with warnings.catch_warnings():
                # Such as a broken date in a photograph's EXIF part, which nobody reads here.
                warnings.simplefilter("ignore")
                with pillow().open(path) as opened:
                    return np.asarray(opened.convert("RGB"))
        except (SgnasError, MemoryError):
            raise
        # Decoders raise nearly anything on a damaged file.
        except Exception as error:
            raise BadInput(f"cannot read image {path}: {error}", "repair or remove it") from error


def load(spec: str, folder: Path, resolution: int) -> DataSet:
    """An image folder; classes are the sorted names of the folders in `train`.

    The fingerprint covers names and sizes of the files, not their content.

    Raises:
        BadInput: no images, one class only, other classes in `val` than in `train`, or a folder
            or file that cannot be read.
    """
    try:
        return _load(spec, folder, resolution)
    except OSError as error:
        raise BadInput(f"cannot read data folder {folder}: {error}") from error


def _load(spec: str, folder: Path, resolution: int) -> DataSet:
    layout = f"lay it out as {spec}/train/CLASS/*.jpg and {spec}/val/CLASS/*.jpg"
    for part in ("train", "val"):
        if not (folder / part).is_dir():
            raise BadInput(f"{folder} has no folder {part!r}", layout)
    classes = _classes(folder / "train")
    if not classes:
        raise BadInput(f"{folder / 'train'} has no class folders", layout)
    if len(classes) == 1:
        raise BadInput(f"{folder / 'train'} has one class only, {classes[0]!r}", layout)
    others = set(_classes(folder / "val")) ^ set(classes)
    if others:
        name = min(others)
        where, missing = ("train", "val") if name in classes else ("val", "train")
        raise BadInput(f"class {name!r} of {folder} is in {where!r} but not in {missing!r}", layout)
    digest = hashlib.sha256(b"folders")
    return DataSet(
        name=spec,
        classes=classes,
        train=_list(folder / "train", classes, digest),
        val=_list(folder / "val", classes, digest),
        fingerprint=digest.hexdigest(),
        preprocessing=Preprocessing(
            resolution=resolution,
            crop=_CROP if resolution >= _CROP_FROM else 1.0,
            mean=IMAGENET_MEAN,
            std=IMAGENET_STD,
        ),
        flip=True,
    )


def _classes(folder: Path) -> tuple[str, ...]:
    names = (entry.name for entry in folder.iterdir() if entry.is_dir())
    return tuple(sorted(name for name in names if not name.startswith(".")))


def _list(folder: Path, classes: tuple[str, ...], digest: hashlib._Hash) -> FolderImages:
    names: list[list[str]] = []
    for name in classes:
        with os.scandir(folder / name) as entries:
            found = sorted((e.name, e.stat().st_size) for e in entries if _is_image(e.name))
        if not found:
            raise BadInput(
                f"{folder / name} has no images", f"known suffixes: {', '.join(sorted(_SUFFIXES))}"
            )
        for file, size in found:
            line = f"{folder.name}/{name}/{file} {size}\n"
            digest.update(line.encode("utf-8", "surrogateescape"))
        names.append([file for file, _ in found])
    return FolderImages(folder, classes, names)


def _is_image(name: str) -> bool:
    stem, _, suffix = name.rpartition(".")
    return stem != "" and not stem.startswith(".") and f".{suffix.lower()}" in _SUFFIXES
