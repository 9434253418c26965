"""Accuracy of many sub-networks of a supernet on the same images."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from sgnas_deploy.data import Images, Preprocessing
from sgnas_deploy.data.batches import to_array
from sgnas_deploy.supernet.base import Choice, Supernet

BATCH: Final = 128
"""Images that are normalised together, as many as in training."""


@final
class ManyJudge:
    """Looks at every sub-network with the same images, which are kept ready.

    Args:
        network: trained and frozen.
        images: labelled images.
        indices: which of them, shape (n,).
        preprocessing: how an image becomes an input.
    """

    def __init__(
        self,
        network: Supernet,
        images: Images,
        indices: npt.NDArray[np.int64],
        preprocessing: Preprocessing,
    ) -> None:
        inputs = torch.from_numpy(to_array(images, indices, preprocessing))
        labels = torch.from_numpy(images.labels[indices])
        starts = range(0, len(indices), BATCH)
        self._images = [
            inputs[at : at + BATCH].contiguous(memory_format=torch.channels_last) for at in starts
        ]
        self._labels = [labels[at : at + BATCH] for at in starts]
        self._network = network.eval()
        self.images = len(indices)

    def right(self, networks: Iterable[tuple[int, ...]]) -> Iterator[int]:
        """Correct answers of each sub-network, one after another."""
        for options in networks:
            choice = self._network.choice_of(options)
            with torch.inference_mode():
                right = [
                    int((_logits(self._network, images, choice).argmax(1) == labels).sum())
                    for images, labels in zip(self._images, self._labels, strict=True)
                ]
            yield sum(right)

    def accuracy(self, options: tuple[int, ...]) -> float:
        """Top-1 of one sub-network, a share."""
        return next(self.right([options])) / self.images


def _logits(network: Supernet, images: Tensor, choice: Choice) -> Tensor:
    logits: Tensor = network(images, choice)
    return logits
