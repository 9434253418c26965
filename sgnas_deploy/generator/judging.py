"""Accuracy of architectures in a trained supernet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import final

from sgnas_deploy import data, supernet
from sgnas_deploy.errors import BadInput
from sgnas_deploy.spaces import Space
from sgnas_deploy.training import evaluation, process


@final
class Judge:
    """Looks at architectures with the same held-out images.

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
        self._images = evaluation.HeldOut(images.val, images.preprocessing)

    @property
    def images(self) -> int:
        """How many images are looked at."""
        return len(self._images)

    def accuracies(
        self, networks: Sequence[tuple[int, ...]], seen: Callable[[int], None]
    ) -> list[float]:
        """Top-1 of the canonical sub-networks, shares; every image is decoded once for all.

        Args:
            networks: their options.
            seen: is told after each batch how many images were in it.
        """
        different = list(dict.fromkeys(networks))
        choices = [self._supernet.choice_of(options) for options in different]
        found = evaluation.choice_accuracies(
            self._supernet, choices, self._images, self._device, seen
        )
        known = dict(zip(different, found, strict=True))
        return [known[options] for options in networks]
