"""The hard budget where every network is listed: look at all of them, for all budgets at once.

For spaces in which not every combination of options is a network (`Space.networks`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from sgnas_deploy.solver import Floats, Solution, check, padded
from sgnas_deploy.solver.spending import UNUSED

Ints = npt.NDArray[np.int64]

CHUNK: Final = 128
"""Budgets that are looked at together."""

FIRST: Final = 256
"""By the first weight the whole range of the bonus is worth this part of the range of scores."""

ROUNDS: Final = 16
"""Weights that are tried; the network that leaves least is kept."""


def solve(
    networks: Ints,
    costs: Sequence[Floats],
    scores: Sequence[Floats],
    budgets: Floats,
    bonus: Sequence[Floats] | None = None,
) -> tuple[Solution | None, ...]:
    """The best network within each budget, each budget under its own scores; exact.

    With a bonus, spare budget is spent as in `spending`: the bonus is added with a weight that is
    doubled until no noticeable rest remains, and where both the best network by scores and the one
    of the highest bonus keep the budget, the latter is the answer. Of equal scores the cheaper
    network is taken, then the one listed first.

    Args:
        networks: options of every network, shape (networks, decisions).
        costs: one array of option costs per decision, shape (options,).
        scores: one array per decision, shape (n, options).
        budgets: largest allowed sum of costs, shape (n,).
        bonus: one array per decision, shape (options,); None where the scores alone decide.

    Returns:
        One solution per budget, None where the cheapest network exceeds it. Gaps are 0.

    Raises:
        ValueError: shapes that do not fit, or numbers that are not finite.
    """
    check(costs, scores, budgets)
    cost = totals(costs, networks)
    order = np.argsort(cost, kind="stable")
    networks, cost = networks[order], cost[order]
    extra = None if bonus is None else totals(bonus, networks)
    found: list[Solution | None] = []
    for start in range(0, len(budgets), CHUNK):
        own = totals([s[start : start + CHUNK] for s in scores], networks)
        for values, budget in zip(own, budgets[start : start + CHUNK], strict=True):
            within = int(np.searchsorted(cost, budget, side="right"))
            found.append(_best(networks, cost, values, extra, within, float(budget)))
    return tuple(found)


def _best(
    networks: Ints, cost: Floats, values: Floats, extra: Floats | None, within: int, budget: float
) -> Solution | None:
    """The best of the first `within` networks, which are in rising order of cost."""
    if within == 0:
        return None
    if extra is not None:
        values = spend(cost, values, extra, budget)
    # argmax takes the first of equals, which is the cheapest.
    chosen = int(values[:within].argmax())
    options = tuple(int(option) for option in networks[chosen])
    return Solution(options, float(values[chosen]), float(cost[chosen]), 0.0)


def spend(cost: Floats, values: Floats, bonus: Floats, budget: float) -> Floats:
    """Scores with the bonus that it takes to use a budget up; see `solve`.

    Args:
        cost: of each network, shape (networks,).
        values: their scores.
        bonus: their bonuses.
        budget: at least the least cost.
    """
    within = np.flatnonzero(cost <= budget)
    if cost[bonus.argmax()] <= budget and cost[values.argmax()] <= budget:
        return bonus
    best, used = values, float(cost[within[values[within].argmax()]])
    spread = float(np.ptp(bonus))
    step = (float(np.ptp(values)) or 1.0) / spread / FIRST if spread > 0 else 0.0
    for doubling in range(ROUNDS):
        if budget - used <= UNUSED * abs(budget):
            break
        weighted = values + step * 2**doubling * bonus
        uses = float(cost[within[weighted[within].argmax()]])
        if uses > used:
            best, used = weighted, uses
    return best


def totals(values: Sequence[Floats], networks: Ints) -> Floats:
    """Sums over the decisions in order, shape (..., networks) for values (..., options)."""
    chosen = padded(values)[..., np.arange(networks.shape[1]), networks]
    found: Floats = np.cumsum(chosen, axis=-1)[..., -1]
    return found
