"""Training batches in an order that depends on seed, epoch and step alone.

So a resumed training sees what an undisturbed one would have seen, and needs no stored state, and
several processes that take a part of every batch each see together what one process would see.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol, TypeAlias, final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from sgnas_deploy.data import DataSet, Images
from sgnas_deploy.data.batches import ResizedImages, normalised
from sgnas_deploy.data.pillow import pillow
from sgnas_deploy.errors import BadInput
from sgnas_deploy.training import augment
from sgnas_deploy.training.decoding import Reader, usual_workers
from sgnas_deploy.training.process import derived_seed, seed_all
from sgnas_deploy.training.timm_parts import part as timm_part

Part: TypeAlias = "tuple[int, int]"
"""Which part of every batch: rank, and of how many."""


class Feed(Protocol):
    """Where a training's batches come from."""

    @property
    def batch(self) -> int:
        """Images a step, over all parts."""

    @property
    def steps(self) -> int:
        """Batches an epoch."""

    def batches(self, epoch: int, start: int) -> Iterator[tuple[Tensor, Tensor]]:
        """The batches of an epoch from step `start` on: images (B, 3, R, R) and labels (B,).

        B is the batch, or the part of it that was asked for.
        """


def share(length: int, part: Part) -> slice:
    """Which of `length` things side by side belong to a part; all parts together are all things."""
    rank, of = part
    return slice(length * rank // of, length * (rank + 1) // of)


def require_images(data: DataSet, count: int) -> None:
    """Raise BadInput unless there are at least two images to train on."""
    if count < 2:
        raise BadInput(
            f"{data.name} has {count} image(s) to train on; at least 2 are needed",
            "add images to its train folder",
        )


def make(
    data: DataSet,
    indices: npt.NDArray[np.int64] | None,
    batch: int,
    augmentation: str,
    seed: int,
    randaugment: str | None = None,
    erasing: float = 0.0,
    workers: int | None = None,
    part: Part = (0, 1),
) -> Feed:
    """The feed for an augmentation.

    Args:
        data: its training images are used.
        indices: which of them; None for all.
        batch: images a step; a last batch that is not full is left out.
        augmentation: `affine`, `crop` or `timm`.
        seed: decides order and augmentation.
        randaugment: timm's word for it.
        erasing: probability of erasing a rectangle.
        workers: processes that decode for `timm`; 0 decodes in this one, None takes one per core,
            at most 8.
        part: which part of each batch is wanted, `share` of it; the images of all parts are those
            of the whole batch, augmented alike.

    Raises:
        BadInput: fewer images than two, or fewer than parts.
    """
    chosen = np.arange(len(data.train)) if indices is None else indices
    require_images(data, len(chosen))
    size = min(batch, len(chosen))
    if size < part[1]:
        raise BadInput(
            f"a batch of {size} images cannot be split over {part[1]} processes",
            "take a larger --batch, or fewer processes",
        )
    if augmentation == "timm":
        count = usual_workers() if workers is None else workers
        return _DecodingFeed(data, chosen, size, seed, randaugment, erasing, count, part)
    return _ArrayFeed(data, chosen, size, augmentation, seed, part)


def _order(indices: npt.NDArray[np.int64], seed: int, epoch: int) -> npt.NDArray[np.int64]:
    return np.random.default_rng([seed, epoch]).permutation(indices)


@final
class _ArrayFeed:
    """Small images, kept in memory, augmented by whole batches."""

    def __init__(
        self,
        data: DataSet,
        indices: npt.NDArray[np.int64],
        batch: int,
        augmentation: str,
        seed: int,
        part: Part,
    ) -> None:
        self._data = data
        self._images = ResizedImages(data.train, data.preprocessing)
        self._indices = indices
        self._batch = batch
        self._augmentation = augmentation
        self._seed = seed
        self._share = share(batch, part)

    @property
    def batch(self) -> int:
        """Images a step."""
        return self._batch

    @property
    def steps(self) -> int:
        """Batches an epoch."""
        return len(self._indices) // self._batch

    def batches(self, epoch: int, start: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Batches from step `start` on."""
        order = _order(self._indices, self._seed, epoch)
        place = (self._share.start, self._batch)
        for step in range(start, self.steps):
            own = order[step * self._batch : (step + 1) * self._batch][self._share]
            pixels: npt.NDArray[Any] = self._images.pixels(own)
            rng = np.random.default_rng([self._seed, epoch, step])
            if self._augmentation == "crop":
                pixels = augment.crop(pixels, rng, self._data.flip, place)
            if self._augmentation == "affine":
                pixels = augment.affine(pixels, rng, place)
            images = torch.from_numpy(normalised(pixels, self._data.preprocessing))
            yield images, torch.from_numpy(self._images.labels[own])


@final
class _DecodingFeed:
    """Photographs, decoded by worker processes and augmented one by one with timm's transforms."""

    def __init__(
        self,
        data: DataSet,
        indices: npt.NDArray[np.int64],
        batch: int,
        seed: int,
        randaugment: str | None,
        erasing: float,
        workers: int,
        part: Part,
    ) -> None:
        preprocessing = data.preprocessing
        transform = timm_part("data", "create_transform")(
            preprocessing.resolution,
            is_training=True,
            auto_augment=randaugment,
            re_prob=erasing,
            hflip=0.5 if data.flip else 0.0,
            mean=preprocessing.mean,
            std=preprocessing.std,
        )
        self._indices = indices
        self._batch = batch
        self._seed = seed
        self._share = share(batch, part)
        self._reader = Reader(_Transformed(data.train, transform, seed), workers)

    @property
    def batch(self) -> int:
        """Images a step."""
        return self._batch

    @property
    def steps(self) -> int:
        """Batches an epoch."""
        return len(self._indices) // self._batch

    def batches(self, epoch: int, start: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Batches from step `start` on."""
        order = _order(self._indices, self._seed, epoch)
        return self._reader.batches(self._keys(order, epoch, start))

    def _keys(
        self, order: npt.NDArray[np.int64], epoch: int, start: int
    ) -> Iterator[list[tuple[int, int]]]:
        for step in range(start, self.steps):
            whole = order[step * self._batch : (step + 1) * self._batch]
            yield [(epoch, int(index)) for index in whole[self._share]]


@final
class _Transformed:
    """One image per (epoch, index): what is drawn for it depends on that and the seed alone."""

    def __init__(self, images: Images, transform: Any, seed: int) -> None:
        self._images = images
        self._transform = transform
        self._seed = seed

    def __getitem__(self, key: tuple[int, int]) -> tuple[Tensor, int]:
        epoch, index = key
        # The transforms draw from the global states, which the loop seeds anew before each step.
        seed_all(derived_seed("image", self._seed, epoch, index))
        image = pillow().fromarray(self._images.image(index))
        return self._transform(image), int(self._images.labels[index])
