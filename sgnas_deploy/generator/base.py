"""What every family's generator answers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from sgnas_deploy.generator.many import Tables
from sgnas_deploy.generator.scale import LatencyModel, Scale

TOGETHER: Final = 64
"""Budgets in one pass: larger ones leave the cache."""


class ExpectedLatency(nn.Module, ABC):
    """The latency that a mixture of networks has on average."""

    @abstractmethod
    def forward(self, gates: Tensor) -> Tensor:
        """Seconds, shape (B,), for the family's gates of B mixtures; differentiable."""


class Generator(nn.Module, ABC):
    """Budgets to logits, and logits to what training and the solver need.

    Logits and gates have the family's shape (B, ...) with choices on the last axis; gates are
    probabilities over those choices.
    """

    @abstractmethod
    def set_priors(self, networks: Sequence[tuple[int, ...]], shares: Sequence[float]) -> None:
        """Fill the prior pool: as many architectures as the recipe says, with their shares."""

    @abstractmethod
    def forward(self, shares: Tensor) -> Tensor:
        """Logits for budgets, shape (B,), as shares of the feasible range."""

    @abstractmethod
    def expected_latency(self, model: LatencyModel) -> ExpectedLatency:
        """The expectation under a table's predictor."""

    @abstractmethod
    def scores(self, gates: Tensor) -> tuple[Tensor, ...]:
        """Log-probability of every option: one tensor (B, options) per decision."""

    @abstractmethod
    def option_features(self) -> tuple[npt.NDArray[np.float64], ...]:
        """What makes options alike, one array (options, features) per decision.

        Options whose features are about 1 apart are expected to differ in worth, see `probing`.
        """

    def turn_to(self, model: LatencyModel, scale: Scale) -> None:
        """Answer for this table from now on.

        Only generators that read tables change; the others know the one they were trained on.
        """
        del model, scale

    def option_scores(self, shares: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], ...]:
        """Scores of every option for budgets, shape (n,), in one pass: one (n, options) each."""
        starts = range(0, len(shares), TOGETHER)
        with torch.inference_mode():
            chunks = [torch.from_numpy(shares[i : i + TOGETHER]) for i in starts]
            parts = [self.scores(self(chunk).softmax(dim=-1)) for chunk in chunks]
            return tuple(torch.cat(decision).numpy() for decision in zip(*parts, strict=True))


class TableReader(Generator, ABC):
    """A generator that reads the table that its budgets are of."""

    @abstractmethod
    def show(self, tables: Tables) -> None:
        """The tables of the next budgets: one for all of them, or one for each."""

    @abstractmethod
    def mean_s(self, gates: Tensor, tables: Tables) -> Tensor:
        """Exact mean latency of mixtures in seconds, shape (B,): table i times mixture i."""

    def turn_to(self, model: LatencyModel, scale: Scale) -> None:
        """Answer for this table from now on."""
        self.show(Tables.of([model], [scale]))


def gumbel_softmax(logits: Tensor, uniform: Tensor, temperature: float) -> Tensor:
    """Softmax over the last axis of logits with Gumbel noise (Jang et al. 2017).

    Args:
        logits: any shape; minus infinity where a choice is not allowed.
        uniform: noise in (0, 1), of the same shape.
        temperature: the lower, the closer to one-hot.
    """
    noise = -(-uniform.log()).log()
    return ((logits + noise) / temperature).softmax(dim=-1)
