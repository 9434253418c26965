"""The hard budget, and a use for all of it.

Scores such as log-probabilities have a best network that can cost far less than the budget. What
is left is spent on a *bonus* (the options' operations, say): it is added to the scores with a
weight just large enough for the best network to reach the budget, and larger where options are so
coarse that a noticeable rest remains. The bonus is not the cost itself: being slow is no merit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from sgnas_deploy.solver import (
    Floats,
    Solution,
    by_chunks,
    check,
    padded,
    relaxation,
    solve_each,
)

EAGERNESS: Final = 1.5
"""First weight over the least one at which the best network reaches the budget."""

UNUSED: Final = 0.005
"""Share of the budget that may be left before the weight is doubled."""

ROUNDS: Final = 10
"""Weights tried at most; the network that leaves least is kept."""


def solve(
    costs: Sequence[Floats], scores: Sequence[Floats], bonus: Sequence[Floats], budgets: Floats
) -> tuple[Solution | None, ...]:
    """The best network within each budget, under its own scores and the bonus it needs.

    Scores stay as they are where they alone fill the budget. Where both their best network and the
    network of the highest bonus keep the budget, the latter is the answer.

    Args:
        costs: one array of option costs per decision, shape (options,).
        scores: one array per decision, shape (n, options).
        bonus: one array per decision, shape (options,).
        budgets: shape (n,).

    Returns:
        One solution per budget, None where the cheapest network exceeds it. Score and gap are in
        the scores with the bonus added.

    Raises:
        ValueError: shapes that do not fit, or numbers that are not finite.
    """
    check(costs, scores, budgets)
    weight, step = _weights(costs, scores, bonus, budgets)
    found: list[Solution | None] = [None] * len(budgets)
    open_ = np.arange(len(budgets))
    for _ in range(ROUNDS):
        own = [s[open_] for s in scores]
        solutions = solve_each(costs, weighted(own, bonus, weight[open_]), budgets[open_])
        left = []
        for index, solution in zip(open_.tolist(), solutions, strict=True):
            best = found[index]
            if solution is not None and (best is None or solution.cost > best.cost):
                found[index] = best = solution
            rest = 0.0 if best is None else budgets[index] - best.cost
            more = np.isfinite(weight[index]) and max(weight[index], step[index]) > 0
            if rest > UNUSED * abs(budgets[index]) and more:
                left.append(index)
        open_ = np.array(left, dtype=np.int64)
        if not left:
            break
        weight[open_] = np.where(weight[open_] > 0, 2 * weight[open_], step[open_])
    return tuple(found)


def weighted(
    scores: Sequence[Floats], bonus: Sequence[Floats], weight: Floats
) -> tuple[Floats, ...]:
    """Scores with the weighted bonus added, the bonus alone where the weight is infinite."""
    bounded = np.isfinite(weight)
    own = np.where(bounded, 1.0, 0.0)[:, None]
    extra = np.where(bounded, weight, 1.0)[:, None]
    return tuple(own * s + extra * b for s, b in zip(scores, bonus, strict=True))


def _weights(
    costs: Sequence[Floats], scores: Sequence[Floats], bonus: Sequence[Floats], budgets: Floats
) -> tuple[Floats, Floats]:
    """First weights, and what to begin with where the first is zero, both of shape (n,).

    Where the scores alone go beyond the budget, cost has a price. The weight to begin with makes
    the bonus over the whole range worth what the cost of the whole range is worth at that price.
    """
    cost, extra = padded(costs), padded(bonus)
    ranges = [float((values.max(axis=1) - values.min(axis=1)).sum()) for values in (cost, extra)]
    per_bonus = ranges[0] / ranges[1] if ranges[1] > 0 else 0.0

    def to_reach(part: slice) -> Floats:
        own = padded([s[part] for s in scores])
        return relaxation.weight_to_reach(cost, own, extra, budgets[part])

    if not len(budgets):
        return np.empty(0), np.empty(0)
    first = EAGERNESS * np.concatenate(by_chunks(to_reach, len(budgets)))
    step = np.zeros(len(budgets))
    (without,) = np.nonzero(first == 0)

    def price(part: slice) -> Floats:
        which = without[part]
        own = padded([s[which] for s in scores])
        return relaxation.relax(cost, own, budgets[which]).price

    if without.size:
        step[without] = per_bonus * np.concatenate(by_chunks(price, len(without)))
    return first, step
