"""The hard budget: an exact multiple-choice knapsack.

One option per decision, the sum of their costs at most the budget, the sum of their scores as high
as possible. `relaxation` prices cost for all budgets at once (Lagrangian relaxation), which tells
how far each option can be from an optimal network; `exact` is the dynamic program over what is
left, on true costs: nothing is rounded, so nothing of the budget is wasted and none is exceeded.
Whole-numbered scores, of which many networks have the same sum, have a program of their own,
`lattice`.

Sums run over the decisions in order, so a score or a cost has one value to the last bit.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeAlias, TypeVar, final

import numpy as np
import numpy.typing as npt

from sgnas_deploy.solver import exact, lattice, relaxation

Floats: TypeAlias = npt.NDArray[np.float64]

T = TypeVar("T")

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
    check(costs, [np.broadcast_to(s, (len(budgets), len(s))) for s in scores], budgets)
    levels = lattice.levels_of(scores)
    if levels is not None:
        return _on_lattice(costs, scores, levels, budgets)
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

    def of(part: slice) -> list[Solution | None]:
        return _solved(cost, padded([s[part] for s in scores]), budgets[part])

    return tuple(itertools.chain.from_iterable(by_chunks(of, len(budgets))))


def _solved(cost: Floats, score: Floats, budgets: Floats) -> list[Solution | None]:
    relaxed = relaxation.relax(cost, score, budgets)
    options = relaxed.options
    feasible = relaxation.totals(cost, options) <= budgets
    gap = np.zeros(len(budgets))
    options[feasible], gap[feasible] = exact.best(
        cost, score[feasible], budgets[feasible], relaxed.price[feasible], options[feasible]
    )
    spent, worth = relaxation.totals(cost, options), relaxation.totals(score, options)
    if not (spent[feasible] <= budgets[feasible]).all():
        raise AssertionError("a solution costs more than its budget")
    return [
        Solution(tuple(chosen), float(value), float(paid), float(far)) if fits else None
        for fits, chosen, value, paid, far in zip(
            feasible, options.tolist(), worth, spent, gap, strict=True
        )
    ]


def by_chunks(work: Callable[[slice], T], count: int) -> list[T]:
    """Work on budgets chunk by chunk, side by side where there are cores for it.

    NumPy lets go of the interpreter's lock in its loops. What a budget gets does not depend on the
    others of its chunk, nor on the order.
    """
    parts = [slice(start, min(start + CHUNK, count)) for start in range(0, count, CHUNK)]
    threads = min(len(parts), os.cpu_count() or 1)
    if threads < 2:
        return [work(part) for part in parts]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(work, parts))


def _on_lattice(
    costs: Sequence[Floats],
    scores: Sequence[Floats],
    levels: Sequence[npt.NDArray[np.int64]],
    budgets: Floats,
) -> tuple[Solution | None, ...]:
    found: list[Solution | None] = [None] * len(budgets)
    (feasible,) = np.nonzero(feasible_range(costs)[0] <= budgets)
    cost, score = padded(costs), padded(scores)
    for i, options in zip(feasible, lattice.best(costs, levels, budgets[feasible]), strict=True):
        spent = total(cost, options)
        if not spent <= budgets[i]:
            raise AssertionError(f"a solution costs {spent!r} on a budget of {budgets[i]!r}")
        found[i] = Solution(tuple(options.tolist()), total(score, options), spent, 0.0)
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
