"""What every family's supernet answers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Protocol, TypeAlias

from torch import Tensor, nn

from sgnas_deploy.spaces import Space

Choice: TypeAlias = tuple[tuple[int, ...], ...]
"""A sub-network: one tuple per decision, with one choice index per sub-block (or edge)."""


class Sampler(Protocol):
    """Draws the sub-networks that are trained, one a pass."""

    def draw(self) -> Choice:
        """The sub-network of the next pass."""

    def state(self) -> dict[str, Any]:
        """Everything that decides the next draws, as JSON values."""

    def restore(self, state: dict[str, Any]) -> None:
        """Go on where `state` was taken."""


class Supernet(nn.Module, ABC):
    """A network that holds every network of a space.

    Attributes:
        space: the space, without variants that the supernet does not know.
        dropout: share of the pooled features that training drops before the classifier.
        soft_together: images that are computed together on a CPU, under one mixture for all of
            them, where they do not depend on each other; None where they do.
    """

    space: Space
    dropout: float = 0.0
    soft_together: int | None = None

    @abstractmethod
    def forward(self, images: Tensor, choice: Choice) -> Tensor:
        """Logits (B, classes) of one sub-network for images (B, 3, R, R)."""

    @abstractmethod
    def soft_forward(self, images: Tensor, gates: Tensor) -> Tensor:
        """Logits of a mixture of sub-networks, one mixture per image; the weights are frozen.

        A supernet with `soft_together` also takes one mixture for all images.
        """

    @abstractmethod
    def choice_of(self, options: tuple[int, ...]) -> Choice:
        """The sub-network that stands for a deployed architecture."""

    @abstractmethod
    def widest(self) -> Choice:
        """The largest sub-network, which teaches where a recipe distils."""

    @abstractmethod
    def sampler(self, seed: int) -> Sampler:
        """What draws the sub-networks to train."""

    @abstractmethod
    def inherited(self, options: tuple[int, ...]) -> dict[str, Tensor]:
        """A deployed network's tensors, cut out of the supernet.

        The names are those of `DeployedNetwork`. Parts that the supernet does not have
        (squeeze-and-excitation, counts of batches) are missing.
        """

    def freeze(self) -> None:
        """Eval mode, and no gradients for any weight."""
        self.eval()
        self.requires_grad_(False)
