"""Training batches in an order that depends on seed, epoch and step alone.

So a resumed training sees what an undisturbed one would have seen, and needs no stored state.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any, Protocol, final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from sgnas_deploy.data import DataSet, Images
from sgnas_deploy.data.batches import ResizedImages, normalised
from sgnas_deploy.data.pillow import pillow
from sgnas_deploy.errors import BadInput
from sgnas_deploy.training import augment
from sgnas_deploy.training.process import derived_seed, seed_all
from sgnas_deploy.training.timm_parts import part


class Feed(Protocol):
    """Where a training's batches come from."""

    @property
    def steps(self) -> int:
        """Batches an epoch."""

    def batches(self, epoch: int, start: int) -> Iterator[tuple[Tensor, Tensor]]:
        """The batches of an epoch from step `start` on: images (B, 3, R, R) and labels (B,)."""


def make(
    data: DataSet,
    indices: npt.NDArray[np.int64] | None,
    batch: int,
    augmentation: str,
    seed: int,
    randaugment: str | None = None,
    erasing: float = 0.0,
    workers: int | None = None,
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
        workers: processes that decode for `timm`; None for one per core, at most 8.

    Raises:
        BadInput: fewer images than two.
    """
    chosen = np.arange(len(data.train)) if indices is None else indices
    if len(chosen) < 2:
        raise BadInput(
            f"{data.name} has {len(chosen)} image(s) to train on; at least 2 are needed",
            "add images to its train folder",
        )
    size = min(batch, len(chosen))
    if augmentation == "timm":
        count = min(os.cpu_count() or 1, 8) if workers is None else workers
        return _DecodingFeed(data, chosen, size, seed, randaugment, erasing, count)
    return _ArrayFeed(data, chosen, size, augmentation, seed)


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
    ) -> None:
        self._data = data
        self._images = ResizedImages(data.train, data.preprocessing)
        self._indices = indices
        self._batch = batch
        self._augmentation = augmentation
        self._seed = seed

    @property
    def steps(self) -> int:
        """Batches an epoch."""
        return len(self._indices) // self._batch

    def batches(self, epoch: int, start: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Batches from step `start` on."""
        order = _order(self._indices, self._seed, epoch)
        for step in range(start, self.steps):
            own = order[step * self._batch : (step + 1) * self._batch]
            pixels: npt.NDArray[Any] = self._images.pixels(own)
            rng = np.random.default_rng([self._seed, epoch, step])
            if self._augmentation == "crop":
                pixels = augment.crop(pixels, rng, self._data.flip)
            if self._augmentation == "affine":
                pixels = augment.affine(pixels, rng)
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
    ) -> None:
        preprocessing = data.preprocessing
        transform = part("data", "create_transform")(
            preprocessing.resolution,
            is_training=True,
            auto_augment=randaugment,
            re_prob=erasing,
            hflip=0.5 if data.flip else 0.0,
            mean=preprocessing.mean,
            std=preprocessing.std,
        )
        self._labels = data.train.labels
        self._indices = indices
        self._batch = batch
        self._seed = seed
        self._workers = workers
        self._images = _Transformed(data.train, transform, seed)

    @property
    def steps(self) -> int:
        """Batches an epoch."""
        return len(self._indices) // self._batch

    def batches(self, epoch: int, start: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Batches from step `start` on."""
        order = _order(self._indices, self._seed, epoch)
        batches = [
            [(epoch, int(i)) for i in order[step * self._batch : (step + 1) * self._batch]]
            for step in range(start, self.steps)
        ]
        loader: Any = torch.utils.data.DataLoader(
            self._images,
            batch_sampler=batches,
            num_workers=self._workers,
        )
        yield from loader


class _Transformed(torch.utils.data.Dataset[tuple[Tensor, int]]):
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
