"""Accuracy on held-out images."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final, final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from sgnas_deploy.data import ArrayImages, Images, Preprocessing
from sgnas_deploy.data.batches import CACHE_BYTES, normalised, resized
from sgnas_deploy.supernet.base import Choice, Supernet
from sgnas_deploy.training.decoding import Reader, usual_workers

BATCH: Final = 128

WATCHED: Final = 5_000
"""Held-out images that are looked at while a training runs, at most."""


@final
class HeldOut:
    """Held-out images, again and again in the same order.

    Image files are decoded and resized by worker processes, with the very functions that prepare
    an image for a deployed network. Small sets are kept in memory (resized, one byte a value) after
    the first pass; of larger ones only the batches under way are.

    Args:
        images: where they come from.
        preprocessing: how they become inputs.
        limit: look at no more than so many of them, drawn once and always the same; None for all.
        workers: processes that decode; 0 decodes in this one, None takes one per core, at most 8.
        cache_bytes: larger sets are decoded every time.
    """

    def __init__(
        self,
        images: Images,
        preprocessing: Preprocessing,
        limit: int | None = None,
        workers: int | None = None,
        cache_bytes: int = CACHE_BYTES,
    ) -> None:
        count = len(images)
        self._indices = np.arange(count)
        if limit is not None and limit < count:
            self._indices = np.sort(np.random.default_rng(0).permutation(count)[:limit])
        self._labels = images.labels[self._indices]
        self._preprocessing = preprocessing
        side = preprocessing.resolution
        shape = (len(self._indices), side, side, 3)
        self._cache = np.empty(shape, np.uint8) if np.prod(shape) <= cache_bytes else None
        self._complete = False
        # Images that are in memory already need nobody to decode them.
        alone = isinstance(images, ArrayImages) or count <= BATCH
        found = usual_workers() if workers is None else workers
        self._reader = Reader(
            _Prepared(images, preprocessing, normalise=self._cache is None), 0 if alone else found
        )

    @property
    def labels(self) -> npt.NDArray[np.int64]:
        """Class index of each image, shape (n,)."""
        return self._labels

    def __len__(self) -> int:
        return len(self._indices)

    def batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """All images as inputs (B, 3, R, R), with their labels (B,).

        Raises:
            BadInput: an image cannot be decoded.
        """
        parts = [slice(at, at + BATCH) for at in range(0, len(self), BATCH)]
        if self._cache is None:
            yield from self._reader.batches(self._indices[part].tolist() for part in parts)
            return
        if not self._complete:
            read = self._reader.batches(self._indices[part].tolist() for part in parts)
            for part, (pixels, _) in zip(parts, read, strict=True):
                self._cache[part] = pixels.numpy()
            self._complete = True
            # Its processes are not needed again.
            del self._reader
        for part in parts:
            inputs = torch.from_numpy(normalised(self._cache[part], self._preprocessing))
            yield inputs, torch.from_numpy(self._labels[part])


@final
class _Prepared:
    """One image, resized and cropped; as values 0..255 (R, R, 3), or as an input (3, R, R)."""

    def __init__(self, images: Images, preprocessing: Preprocessing, normalise: bool) -> None:
        self._images = images
        self._preprocessing = preprocessing
        self._normalise = normalise

    def __getitem__(self, key: int) -> tuple[Tensor, int]:
        pixels = resized(self._images.image(key), self._preprocessing)
        label = int(self._images.labels[key])
        if self._normalise:
            return torch.from_numpy(normalised(pixels[None], self._preprocessing)[0]), label
        # A copy: what a decoder gives may be read-only, and the crop is a view.
        return torch.from_numpy(np.array(pixels)), label


def accuracies(
    forwards: Sequence[Callable[[Tensor], Tensor]],
    images: HeldOut,
    device: torch.device,
    seen: Callable[[int], None] = lambda count: None,
) -> list[float]:
    """Top-1 of several networks, shares; every image is decoded once for all of them.

    Args:
        forwards: inputs (B, 3, R, R) to logits (B, classes), in eval mode.
        images: what to look at.
        device: where they compute.
        seen: is told after each batch how many images were in it.
    """
    right = [0] * len(forwards)
    with torch.inference_mode():
        for inputs, labels in images.batches():
            own, truth = inputs.to(device, non_blocking=True), labels.to(device, non_blocking=True)
            for number, forward in enumerate(forwards):
                right[number] += int((forward(own).argmax(1) == truth).sum())
            seen(len(labels))
    return [count / len(images) for count in right]


def network_accuracy(network: nn.Module, images: HeldOut, device: torch.device) -> float:
    """Top-1 of a network, which is put into eval mode."""
    network.eval()
    return accuracies([network], images, device)[0]


def choice_accuracies(
    supernet: Supernet,
    choices: Sequence[Choice],
    images: HeldOut,
    device: torch.device,
    seen: Callable[[int], None] = lambda count: None,
) -> list[float]:
    """Top-1 of sub-networks; the supernet is put into eval mode."""
    supernet.eval()
    forwards = [_forward(supernet, choice) for choice in choices]
    return accuracies(forwards, images, device, seen)


def _forward(supernet: Supernet, choice: Choice) -> Callable[[Tensor], Tensor]:
    return lambda inputs: supernet(inputs, choice)
