"""Image folders: `train/CLASS/*` and `val/CLASS/*`, decoded when they are needed."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import final

import numpy as np
import numpy.typing as npt

from sgnas_deploy.data import IMAGENET_MEAN, IMAGENET_STD, DataSet, Preprocessing
from sgnas_deploy.data.pillow import pillow
from sgnas_deploy.errors import BadInput

_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"})
# The usual centre crop of photographs. Small images are shown whole: their objects fill them.
_CROP = 0.875
_CROP_FROM = 96


@final
class FolderImages:
    """Image files with labels."""

    def __init__(self, paths: tuple[Path, ...], labels: npt.NDArray[np.int64]) -> None:
        self._paths = paths
        self._labels = labels

    @property
    def labels(self) -> npt.NDArray[np.int64]:
        """Class index of each image, shape (n,)."""
        return self._labels

    def __len__(self) -> int:
        return len(self._paths)

    def image(self, index: int) -> npt.NDArray[np.uint8]:
        """One image, shape (height, width, 3), in its own size.

        Raises:
            BadInput: the file is no image that can be decoded.
        """
        path = self._paths[index]
        try:
            with pillow().open(path) as opened:
                return np.asarray(opened.convert("RGB"))
        # Decoders raise nearly anything on a damaged file.
        except (OSError, SyntaxError, ValueError) as error:
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
    paths: list[Path] = []
    labels: list[int] = []
    for label, name in enumerate(classes):
        found = sorted(
            path
            for path in (folder / name).iterdir()
            if path.suffix.lower() in _SUFFIXES and not path.name.startswith(".")
        )
        if not found:
            raise BadInput(
                f"{folder / name} has no images", f"known suffixes: {', '.join(sorted(_SUFFIXES))}"
            )
        for path in found:
            line = f"{folder.name}/{name}/{path.name} {path.stat().st_size}\n"
            digest.update(line.encode("utf-8", "surrogateescape"))
        paths += found
        labels += [label] * len(found)
    return FolderImages(tuple(paths), np.array(labels, np.int64))
