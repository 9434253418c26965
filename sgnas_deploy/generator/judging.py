"""Accuracy of architectures in a trained supernet."""

from __future__ import annotations

from pathlib import Path
from typing import final

from sgnas_deploy import data, supernet
from sgnas_deploy.errors import BadInput
from sgnas_deploy.spaces import Space
from sgnas_deploy.training import evaluation, process


@final
class Judge:
    """Looks at every architecture with the same held-out images, each architecture once.

    Args:
        weights: the supernet's.
        space: of the architectures.

    Raises:
        BadInput: the supernet or its data cannot be read, or the data has changed.
        EnvironmentProblem: torch is missing, or what reads the data.
    """

    def __init__(self, weights: Path, space: Space) -> None:
        described = supernet.read_file(weights, space)
        images = data.load(described.data, space.resolution)
        if images.fingerprint != described.data_fingerprint:
            raise BadInput(f"{described.data} has changed since the supernet was trained on it")
        self._device = process.prepare()
        network, _ = supernet.load(weights, space)
        self._supernet = network.to(self._device)
        self._images = evaluation.held_out(images.val, images.preprocessing)
        self._known: dict[tuple[int, ...], float] = {}

    def accuracy(self, options: tuple[int, ...]) -> float:
        """Top-1 of the canonical sub-network, a share."""
        if options not in self._known:
            choice = self._supernet.choice_of(options)
            (self._known[options],) = evaluation.choice_accuracies(
                self._supernet, [choice], self._images, self._device
            )
        return self._known[options]
