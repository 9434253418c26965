"""A generator of mixed-kernel spaces that reads the table beside the budget.

The published generator (SGNAS, CVPR 2021, section 3.3) knows one cost model, by heart. This one is
the same network with a third branch: a map of what choices cost on the device, which passes two
convolutions and is added where budget and prior are. A table that it was not trained on needs a
profile and no training.

The map has the columns of the other maps, one per sub-block and choice, and two channels. The
column of sub-block s and kernel k holds the cost of a layer with s + 1 active sub-blocks, of which
all have kernel k (first channel), or at least one (second channel, a mean); the column of its skip
holds that of a layer with s of them, a mean over kernels. Costs are `Tables.readings`: without a
unit, and in the budget's language.

The prior pool is that of the first table; where its architectures lie in the range is computed for
each table, so the nearest one to a budget is another one on another device.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from sgnas_deploy.blocks.mb import KERNELS
from sgnas_deploy.generator.base import TableReader
from sgnas_deploy.generator.expected import CHOICES, ExpectedMixedLatency
from sgnas_deploy.generator.many import Tables
from sgnas_deploy.generator.mixed import SKIP, MixedGenerator, conv, scores_of
from sgnas_deploy.generator.recipe import Recipe
from sgnas_deploy.generator.scale import LatencyModel
from sgnas_deploy.spaces.mixed import SUB_BLOCKS, MixedSpace

CHANNELS: Final = 2
"""Of the map of costs."""


@final
class ReadingMixedGenerator(TableReader):
    """Budgets and tables to logits (B, L, 6, 4).

    Args:
        space: the search space.
        recipe: width, channels of the budget, size of the prior pool.
    """

    def __init__(self, space: MixedSpace, recipe: Recipe) -> None:
        super().__init__()
        self.space = space
        self.core = MixedGenerator(space, recipe)
        hidden = recipe.hidden
        self.of_table = nn.Sequential(*conv(CHANNELS, hidden), *conv(hidden, hidden))
        self.averages: Tensor
        self.register_buffer("averages", averages(space), persistent=False)
        self._shown: tuple[Tensor, Tensor] | None = None

    def set_priors(self, networks: Sequence[tuple[int, ...]], shares: Sequence[float]) -> None:
        """Fill the prior pool; shares are those under the first table."""
        self.core.set_priors(networks, shares)

    def show(self, tables: Tables) -> None:
        """The tables of the next budgets: one for all of them, or one for each."""
        maps = torch.einsum("ndo,co->ncd", tables.readings(), self.averages)
        rows, columns = len(self.space.layers), SUB_BLOCKS * CHOICES
        maps = maps.reshape(len(tables), CHANNELS, columns, rows).transpose(2, 3)
        priors = self.core.priors.reshape(-1, rows, SUB_BLOCKS, CHOICES)
        shares = tables.shares(self.core.multisets(priors))
        self._shown = maps.contiguous(), shares

    def forward(self, shares: Tensor) -> Tensor:
        """Logits (B, L, 6, 4) for budgets (B,) as shares of their tables' feasible ranges."""
        return self._logits(shares, *self._branches())

    def _branches(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Those of the published generator, what each table adds, and the priors' shares."""
        if self._shown is None:
            raise AssertionError("no table was shown")
        maps, prior_shares = self._shown
        join, _ = self.core.joined
        budget, priors = self.core.branches()
        return budget, priors, join(self.of_table(maps)), prior_shares

    def _logits(
        self, shares: Tensor, budget: Tensor, priors: Tensor, tables: Tensor, prior_shares: Tensor
    ) -> Tensor:
        nearest = (shares.double()[:, None] - prior_shares).abs().argmin(dim=1)
        share = shares.to(budget.dtype)[:, None, None, None]
        return self.core.finished(torch.addcmul(priors[nearest] + tables, share, budget))

    def option_scores(self, shares: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], ...]:
        """Scores of every option for budgets of one table, shape (n,): one (n, options) each."""
        with torch.inference_mode():
            branches = self._branches()
            return scores_of(self.space, shares, lambda chunk: self._logits(chunk, *branches))

    def scores(self, gates: Tensor) -> tuple[Tensor, ...]:
        """Log-probability of every multiset: L tensors (B, 83)."""
        return self.core.scores(gates)

    def option_features(self) -> tuple[npt.NDArray[np.float64], ...]:
        """Width and share of each kernel: one array (83, 4) for every layer."""
        return self.core.option_features()

    def expected_latency(self, model: LatencyModel) -> ExpectedMixedLatency:
        """The exact expectation under a table's predictor."""
        return self.core.expected_latency(model)

    def mean_s(self, gates: Tensor, tables: Tables) -> Tensor:
        """Exact mean latency of mixtures in seconds, shape (B,): table i times mixture i."""
        probability: Tensor = self.core.multisets(gates)
        return tables.mean_s(probability)


def averages(space: MixedSpace) -> Tensor:
    """What the map of costs is made of: shares of options, shape (channels * 24, options)."""
    rows = [
        _share(space.multisets, sub_block + (choice != SKIP), choice, pure)
        for pure in (True, False)
        for sub_block in range(SUB_BLOCKS)
        for choice in range(CHOICES)
    ]
    return torch.tensor(rows)


def _share(
    multisets: Sequence[tuple[int, int, int]], active: int, choice: int, pure: bool
) -> list[float]:
    """Equal shares of all options with so many active sub-blocks and that kernel.

    Where a space has none with so few, those with the fewest.
    """
    least = min(sum(counts) for counts in multisets)
    found = [
        sum(counts) == max(active, least)
        and (not pure or max(counts) == sum(counts))
        and (choice >= len(KERNELS) or counts[choice] > 0)
        for counts in multisets
    ]
    return [float(one) / sum(found) for one in found]
