"""The generator of mixed-kernel MBConv spaces (SGNAS, CVPR 2021, section 3.3).

A small convolutional network over a map with one row per layer and one column per sub-block and
choice: 19 x 24 for `imagenet`. The budget, a share of the feasible range, is spread over ten
channels of that map and passes three convolutions; the prior, an architecture of about that budget
as a one-hot map, passes two; their sum passes one convolution, a body of three with a skip
connection, and a last one that gives the logits. 67,969 parameters at a width of 32.

Budgets are the batch axis, in training and in generation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, cast, final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from sgnas_deploy.blocks.mb import KERNELS
from sgnas_deploy.generator.base import Generator
from sgnas_deploy.generator.expected import (
    CHOICES,
    ExpectedMixedLatency,
    Multisets,
    log_probabilities,
)
from sgnas_deploy.generator.recipe import Recipe
from sgnas_deploy.generator.scale import LatencyModel
from sgnas_deploy.spaces import Space
from sgnas_deploy.spaces.mixed import SUB_BLOCKS, MixedSpace

SKIP = len(KERNELS)

TOGETHER: Final = 32
"""Budgets in one pass: more of them leave the cache."""


@final
class MixedGenerator(Generator):
    """Budgets to logits (B, L, 6, 4); the skip of each first sub-block is minus infinity.

    Args:
        space: the search space.
        recipe: width, channels of the budget, size of the prior pool.
    """

    def __init__(self, space: MixedSpace, recipe: Recipe) -> None:
        super().__init__()
        self.space = space
        self.budget_channels = recipe.budget_channels
        rows, columns, hidden = len(space.layers), SUB_BLOCKS * CHOICES, recipe.hidden
        self.of_budget = nn.Sequential(
            *conv(recipe.budget_channels, hidden), *conv(hidden, hidden), *conv(hidden, hidden)
        )
        self.of_prior = nn.Sequential(*conv(1, hidden), *conv(hidden, hidden))
        self.joined = nn.Sequential(*conv(hidden, hidden))
        self.body = nn.Sequential(
            *conv(hidden, hidden), *conv(hidden, hidden), *conv(hidden, hidden)
        )
        self.last = nn.Conv2d(hidden, 1, 3, padding=1)
        self.priors: Tensor
        self.prior_shares: Tensor
        self.register_buffer("priors", torch.zeros(recipe.priors, rows, columns))
        self.register_buffer("prior_shares", torch.zeros(recipe.priors, dtype=torch.float64))
        self.multisets = Multisets(space.multisets)

    def set_priors(self, networks: Sequence[tuple[int, ...]], shares: Sequence[float]) -> None:
        """Fill the prior pool."""
        maps = torch.stack([one_hot(self.space, options) for options in networks])
        self.priors.copy_(maps.flatten(2))
        self.prior_shares.copy_(torch.tensor(shares, dtype=torch.float64))

    def forward(self, shares: Tensor) -> Tensor:
        """Logits (B, L, 6, 4) for budgets (B,) as shares of the feasible range, at least 0."""
        return self._logits(shares, *self.branches())

    def branches(self) -> tuple[Tensor, Tensor]:
        """What the budget is multiplied with, (1, hidden, L, 24), and what each prior adds."""
        # Without biases, three ReLU convolutions of a constant map scale with the constant, and
        # there are only as many prior maps as priors: both branches are computed once. So is the
        # convolution that joins them, for it is linear.
        join, _ = self.joined
        one = self.priors.new_ones((1, self.budget_channels, *self.priors.shape[1:]))
        return join(self.of_budget(one)), join(self.of_prior(self.priors.unsqueeze(1)))

    def _logits(self, shares: Tensor, budget: Tensor, priors: Tensor) -> Tensor:
        nearest = (shares.double()[:, None] - self.prior_shares).abs().argmin(dim=1)
        share = shares.to(budget.dtype)[:, None, None, None]
        return self.finished(torch.addcmul(priors[nearest], share, budget))

    def finished(self, x: Tensor) -> Tensor:
        """Logits (B, L, 6, 4) from the sum of the joined branches, (B, hidden, L, 24)."""
        _, relu = self.joined
        x = relu(x).contiguous(memory_format=torch.channels_last)
        logits = self.last(x + self.body(x)).reshape(len(x), -1, SUB_BLOCKS, CHOICES)
        return cast(Tensor, logits.masked_fill(_first_skip(logits.device), -torch.inf))

    def option_scores(self, shares: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], ...]:
        """Scores of every option for budgets, shape (n,), in one pass: one (n, options) each."""
        with torch.inference_mode():
            branches = self.branches()
            return scores_of(self.space, shares, lambda chunk: self._logits(chunk, *branches))

    def scores(self, gates: Tensor) -> tuple[Tensor, ...]:
        """Log-probability of every multiset: L tensors (B, 83)."""
        return self.multisets.log_probabilities(gates).unbind(dim=1)

    def option_features(self) -> tuple[npt.NDArray[np.float64], ...]:
        """Width and share of each kernel: one array (83, 4) for every layer."""
        return (multiset_features(self.space),) * len(self.space.layers)

    def expected_latency(self, model: LatencyModel) -> ExpectedMixedLatency:
        """The exact expectation under a table's predictor."""
        return ExpectedMixedLatency(self.space.multisets, model)


def scores_of(
    space: MixedSpace, shares: npt.NDArray[np.float64], logits: Callable[[Tensor], Tensor]
) -> tuple[npt.NDArray[np.float64], ...]:
    """Scores of every option for budgets, shape (n,): one (n, options) each.

    Args:
        space: of the options.
        shares: the budgets.
        logits: (B, L, 6, 4) for some of them.
    """
    starts = range(0, len(shares), TOGETHER)
    chunks = [torch.from_numpy(shares[i : i + TOGETHER]) for i in starts]
    parts = [logits(chunk).softmax(dim=-1) for chunk in chunks]
    gates = torch.cat(parts).double().unbind(dim=1)
    return tuple(log_probabilities(row.numpy(), space.multisets) for row in gates)


def multiset_features(space: MixedSpace) -> npt.NDArray[np.float64]:
    """Logarithm of the number of sub-blocks, and the shares of the kernels, shape (options, 4)."""
    counts = np.array(space.multisets, np.float64)
    active = counts.sum(1, keepdims=True)
    return np.concatenate([np.log2(active), 2 * counts / active], axis=1)


def one_hot(space: MixedSpace, options: tuple[int, ...]) -> Tensor:
    """An architecture as gates (L, 6, 4): kernels in rising order, then skips."""
    rows = []
    for option in options:
        counts = space.multisets[option]
        choices = [j for j, n in enumerate(counts) for _ in range(n)]
        rows.append(choices + [SKIP] * (SUB_BLOCKS - len(choices)))
    return nn.functional.one_hot(torch.tensor(rows), CHOICES).float()


def build(space: Space, recipe: Recipe) -> Generator:
    """A fresh generator, of one table or one that reads tables."""
    if recipe.reads_tables:
        from sgnas_deploy.generator.mixed_reading import ReadingMixedGenerator

        return ReadingMixedGenerator(cast(MixedSpace, space), recipe)
    return MixedGenerator(cast(MixedSpace, space), recipe)


def conv(c_in: int, c_out: int) -> tuple[nn.Module, nn.Module]:
    """A 3x3 convolution without bias, and its ReLU."""
    return nn.Conv2d(c_in, c_out, 3, padding=1, bias=False), nn.ReLU(inplace=True)


def _first_skip(device: torch.device) -> Tensor:
    mask = torch.zeros(SUB_BLOCKS, CHOICES, dtype=torch.bool, device=device)
    mask[0, SKIP] = True
    return mask
