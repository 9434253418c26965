"""What a generator proposes where all networks of a space are listed. No torch here."""

from __future__ import annotations

from typing import Final, Protocol, final

import numpy as np
import numpy.typing as npt

from sgnas_deploy.solver import enumeration

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

SWEEP: Final = 65
"""Budgets, evenly over the range, that are asked for where no budget is given."""


class Scorer(Protocol):
    """What is needed of a generator."""

    def option_scores(self, shares: Floats) -> tuple[Floats, ...]:
        """Scores of every option for budgets, shape (n,): one (n, options) each decision."""


@final
class Proposals:
    """Networks in the order in which a generator likes them, for any budget.

    Args:
        generator: trained.
        networks: all networks of its space, shape (networks, decisions).
        operations: of each, what spare budget is spent on, shape (networks,).
    """

    def __init__(self, generator: Scorer, networks: Ints, operations: Floats) -> None:
        self._generator = generator
        self._operations = operations
        self.networks = networks

    def scores(self, shares: Floats) -> Floats:
        """Sum of the options' scores of each network, shape (budgets, networks)."""
        scores = [s.astype(np.float64) for s in self._generator.option_scores(shares)]
        return enumeration.totals(scores, self.networks)

    def top(self, share: float, latency: Floats, target: float, count: int) -> Ints:
        """The most liked networks within a target.

        Spare budget is spent on operations, as everywhere (see `solver.spending`).

        Args:
            share: the target as a share of the range of latencies, 0 fastest.
            latency: of each network, predicted, shape (networks,).
            target: not to be exceeded, at least the least latency.
            count: how many, fewer where fewer keep the target.

        Returns:
            Their indices, the most liked first.
        """
        scores = self.scores(np.array([share]))[0]
        scores = enumeration.spend(latency, scores, self._operations, target)
        indices = np.flatnonzero(latency <= target)
        # Of equals the faster one, as a solver takes it.
        order = np.lexsort((latency[indices], -scores[indices]))[:count]
        found: Ints = indices[order]
        return found

    def sweep(self, shares_of: Floats, target: float) -> Ints:
        """What is proposed for budgets all over the range up to a target, without repeats.

        Args:
            shares_of: latency of each network as a share of the range, shape (networks,).
            target: a share too, 0 or more.
        """
        found = []
        for share in np.linspace(0.0, min(target, 1.0), SWEEP).tolist():
            found += self.top(share, shares_of, share, 1).tolist()
        return np.array(list(dict.fromkeys(found)), np.int64)
