"""The hard budget: an exact multiple-choice knapsack.

One option per decision, the sum of their costs at most the budget, the sum of their scores as high
as possible. `relaxation` prices cost for all budgets at once (Lagrangian relaxation), which tells
how far each option can be from an optimal network; `exact` is the dynamic program over what is
left, on true costs: nothing is rounded, so nothing of the budget is wasted and none is exceeded.

Sums run over the decisions in order, so a score or a cost has one value to the last bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias, final

import numpy as np
import numpy.typing as npt

from sgnas_deploy.solver import exact, relaxation

Floats: TypeAlias = npt.NDArray[np.float64]

CHUNK = 128
"""Budgets relaxed together: larger arrays leave the cache."""


@final
@dataclass(frozen=True)
class Solution:
    """The best network within a budget.

    Attributes:
        options: index of the chosen option of each decision.
        score: sum of the chosen options' scores.
        cost: sum of their costs; at most the budget.
        gap: no network within the budget scores more than `score + gap`. It is 0 for an exact
            solution, which all are but those of instances made to be hard (see `exact`).
    """

    options: tuple[int, ...]
    score: float
    cost: float
    gap: float


def solve(
    costs: Sequence[Floats], scores: Sequence[Floats], budgets: Floats
) -> tuple[Solution | None, ...]:
    """The best network within each budget, under one score function.

    A larger budget never gets a lower score.

    Args:
        costs: one array of option costs per decision, in any unit.
        scores: one array of option scores per decision.
        budgets: largest allowed sum of costs, shape (n,).

    Returns:
        One solution per budget, None where the cheapest network exceeds it.

    Raises:
        ValueError: shapes that do not fit, or numbers that are not finite.
    """
    each = solve_each(costs, [np.broadcast_to(s, (len(budgets), len(s))) for s in scores], budgets)
    # Exact solutions are monotone by themselves; one with a gap may lose to a smaller budget's.
    found: list[Solution | None] = list(each)
    best: Solution | None = None
    for index in np.argsort(budgets, kind="stable"):
        here = found[index]
        if best is not None and here is not None and here.score < best.score:
            here = Solution(best.options, best.score, best.cost, here.gap + here.score - best.score)
        found[index] = best = here if here is not None else best
    return tuple(found)


def solve_each(
    costs: Sequence[Floats], scores: Sequence[Floats], budgets: Floats
) -> tuple[Solution | None, ...]:
    """The best network within each budget, each budget under its own scores.

    Every solution is the best under its own scores; scores of different budgets do not compare.

    Args:
        costs: one array of option costs per decision, shape (options,).
        scores: one array per decision, shape (n, options).
        budgets: largest allowed sum of costs, shape (n,).

    Returns:
        One solution per budget, None where the cheapest network exceeds it.

    Raises:
        ValueError: shapes that do not fit, or numbers that are not finite.
    """
    check(costs, scores, budgets)
    cost = padded(costs)
    found: list[Solution | None] = []
    for start in range(0, len(budgets), CHUNK):
        part = budgets[start : start + CHUNK]
        score = padded([s[start : start + CHUNK] for s in scores])
        relaxed = relaxation.relax(cost, score, part)
        feasible = relaxation.totals(np.broadcast_to(cost, score.shape), relaxed.options) <= part
        options = relaxed.options
        gap = np.zeros(len(part))
        options[feasible], gap[feasible] = exact.best(
            cost, score[feasible], part[feasible], relaxed.price[feasible], options[feasible]
        )
        spent = relaxation.totals(np.broadcast_to(cost, score.shape), options)
        worth = relaxation.totals(score, options)
        for i, fits in enumerate(feasible):
            if not fits:
                found.append(None)
                continue
            if not spent[i] <= part[i]:
                raise AssertionError(f"a solution costs {spent[i]!r} on a budget of {part[i]!r}")
            chosen = tuple(options[i].tolist())
            found.append(Solution(chosen, float(worth[i]), float(spent[i]), float(gap[i])))
    return tuple(found)


def total(values: Floats, options: npt.NDArray[np.int64]) -> float:
    """Sum of the chosen options' values, in the order of the decisions.

    Args:
        values: shape (decisions, options).
        options: shape (decisions,).
    """
    return float(np.cumsum(values[np.arange(len(options)), options])[-1])


def feasible_range(costs: Sequence[Floats]) -> tuple[float, float]:
    """Cost of the cheapest and of the dearest network."""
    return (
        float(np.cumsum([c.min() for c in costs])[-1]),
        float(np.cumsum([c.max() for c in costs])[-1]),
    )


def padded(values: Sequence[Floats]) -> Floats:
    """Stack decisions along the axis before the last; short ones repeat their first option.

    A repeated option has a higher index than the option it repeats and so never wins a tie.
    """
    width = max(v.shape[-1] for v in values)
    return np.stack(
        [
            np.concatenate([v, np.repeat(v[..., :1], width - v.shape[-1], axis=-1)], axis=-1)
            for v in values
        ],
        axis=-2,
    )


def check(costs: Sequence[Floats], scores: Sequence[Floats], budgets: Floats) -> None:
    """Raise ValueError unless all shapes fit and all numbers are finite."""
    if not costs or len(costs) != len(scores):
        raise ValueError(f"{len(costs)} decisions have costs, {len(scores)} have scores")
    for cost, score in zip(costs, scores, strict=True):
        if cost.ndim != 1 or not cost.size or score.shape != (len(budgets), cost.size):
            raise ValueError(f"costs {cost.shape} and scores {score.shape} do not fit")
        if not (np.isfinite(cost).all() and np.isfinite(score).all()):
            raise ValueError("a cost or a score is not finite")
    if not np.isfinite(budgets).all():
        raise ValueError("a budget is not finite")
