"""Whole-numbered scores: one dynamic program over all score sums, for all budgets at once.

Operations are whole numbers with a common divisor, so that networks have some hundred thousands of
different sums only, and most sums many networks. A search for each budget meets crowds of near ties
there. This one holds the least cost of each sum instead, and answers any number of budgets from one
pass. Costs are the true ones, added up in the order of the decisions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]

LEVELS: Final = 1 << 20
"""Different sums of scores that are still a small program."""

LARGEST: Final = float(1 << 52)
"""Sums of whole numbers up to here are exact."""


def levels_of(scores: Sequence[Floats]) -> tuple[Ints, ...] | None:
    """Scores above each decision's least, in units of their common divisor.

    Args:
        scores: one array per decision.

    Returns:
        One array per decision, or None where scores are not whole, or have too many sums.
    """
    if not all((s == np.rint(s)).all() for s in scores):
        return None
    if sum(float(np.abs(s).max()) for s in scores) > LARGEST:
        return None
    above = [(s - s.min()).astype(np.int64) for s in scores]
    unit = int(np.gcd.reduce(np.concatenate(above)))
    levels = tuple(a // max(unit, 1) for a in above)
    return levels if sum(int(a.max()) for a in levels) < LEVELS else None


def best(costs: Sequence[Floats], levels: Sequence[Ints], budgets: Floats) -> Ints:
    """The network of the highest score within each budget, of several the cheapest.

    Args:
        costs: one array per decision.
        levels: what `levels_of` gives.
        budgets: at least the cost of the cheapest network each, shape (n,).

    Returns:
        Options, shape (n, decisions).
    """
    # Sums that nothing cheaper and higher makes pointless, rising, and the least cost of each.
    sums, paid = np.zeros(1, dtype=np.int64), np.zeros(1)
    trail: list[npt.NDArray[np.int16]] = []
    for cost, level in zip(costs, levels, strict=True):
        least = np.full(int(sums[-1]) + int(level.max()) + 1, np.inf)
        chosen = np.zeros(len(least), dtype=np.int16)
        for option in _undominated(cost, level):
            at, candidate = sums + level[option], paid + cost[option]
            better = candidate < least[at]
            at = at[better]
            least[at] = candidate[better]
            chosen[at] = option
        trail.append(chosen)
        beyond = np.append(np.minimum.accumulate(least[::-1])[-2::-1], np.inf)
        (sums,) = np.nonzero(least < beyond)
        paid = least[sums]
    at = sums[np.searchsorted(paid, budgets, side="right") - 1]
    found = np.empty((len(budgets), len(trail)), dtype=np.int64)
    for d in range(len(trail) - 1, -1, -1):
        found[:, d] = trail[d][at]
        at = at - levels[d][found[:, d]]
    return found


def _undominated(cost: Floats, level: Ints) -> list[int]:
    """Options that no other one equals or beats in both; of equal ones the first."""
    order = np.lexsort((np.arange(len(cost)), cost, -level))
    cheapest = np.minimum.accumulate(cost[order])
    better = np.append(True, cost[order][1:] < cheapest[:-1])
    return sorted(int(option) for option in order[better])
