"""A price on cost instead of a budget: the Lagrangian relaxation, for many budgets at once.

At the price p every decision takes the option with the highest `score - p * cost`. The price that
makes the networks just below and just above the budget equally good gives the linear relaxation's
optimum, and with it an upper bound on every network's score.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias, final

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]

ROUNDING = 1e-12
ROUNDS = 100
"""Rounds of the search for a price; about ten are needed, and any price is a right one."""


@final
@dataclass(frozen=True)
class Relaxed:
    """Prices, and a network for each budget.

    Attributes:
        price: score per unit of cost, shape (n,); 0 where the best network keeps the budget.
        options: shape (n, decisions): a network optimal at its price and within its budget, or
            the cheapest one where nothing is.
    """

    price: Floats
    options: Ints


def relax(cost: Floats, score: Floats, budgets: Floats) -> Relaxed:
    """The price of each budget.

    Args:
        cost: shape (decisions, options).
        score: shape (n, decisions, options).
        budgets: shape (n,).
    """
    lower, upper = first_best(-cost, score), first_best(score, -cost)
    price, below = _meet(score, -cost, cost, lower, upper, budgets)
    return Relaxed(price, below)


def weight_to_reach(cost: Floats, score: Floats, bonus: Floats, budgets: Floats) -> Floats:
    """How much a bonus must weigh for the best network by `score + weight * bonus` to cost more.

    Args:
        cost: shape (decisions, options).
        score: shape (n, decisions, options).
        bonus: shape (decisions, options).
        budgets: shape (n,).

    Returns:
        Shape (n,): 0 where the best network by `score` alone exceeds the budget, infinite where
        the network of the highest bonus does not, else the weight at which the cost passes it.
    """
    lower, upper = first_best(score, bonus), first_best(bonus, score)
    # `_meet` prices the second value against the first; here the network below the budget has the
    # higher score, and the network above it the higher bonus.
    weight, _ = _meet(bonus, score, cost, lower, upper, budgets)
    with np.errstate(divide="ignore"):
        weight = 1.0 / weight
    weight[totals(cost, lower) > budgets] = 0.0
    return weight


def _meet(
    wanted: Floats, given_up: Floats, cost: Floats, lower: Ints, upper: Ints, budgets: Floats
) -> tuple[Floats, Ints]:
    """Find the price p at which `wanted + p * given_up` is optimal on both sides of the budget.

    `lower` is the network at an infinite price, `upper` the one at none. Each round takes the
    price at which the two networks are worth the same; the network that is best at that price
    replaces the one on its side of the budget, until none is better than the two. Which network is
    best is looked up in single precision, what it is worth is not: any price is a right one.

    Args:
        wanted: shape (n, decisions, options), or (decisions, options) for all budgets.
        given_up: likewise.
        cost: shape (decisions, options).
        lower: shape (n, decisions).
        upper: shape (n, decisions).
        budgets: shape (n,).
    """
    price = np.zeros(len(budgets))
    fits = totals(cost, upper) <= budgets
    below = np.where(fits[:, None], upper, lower)
    active = np.flatnonzero(~fits & (totals(cost, lower) <= budgets))
    want_lo, give_lo = totals(wanted, lower), totals(given_up, lower)
    want_hi, give_hi = totals(wanted, upper), totals(given_up, upper)
    with np.errstate(over="ignore"):
        single = (wanted.astype(np.float32), given_up.astype(np.float32))
    for _ in range(ROUNDS):
        active = active[give_lo[active] > give_hi[active]]
        if not active.size:
            break
        price[active] = (want_hi[active] - want_lo[active]) / (give_lo[active] - give_hi[active])
        p = price[active]
        with np.errstate(over="ignore", invalid="ignore"):
            worth = _of(single[1], active) * p.astype(np.float32)[:, None, None]
            worth += _of(single[0], active)
        best = worth.argmax(axis=-1)
        want, give = totals(wanted, best, active), totals(given_up, best, active)
        value = want_lo[active] + p * give_lo[active]
        better = want + p * give > value + ROUNDING * (1 + np.abs(value))
        here = totals(cost, best) <= budgets[active]
        go_down, go_up = active[better & here], active[better & ~here]
        below[go_down] = best[better & here]
        want_lo[go_down], give_lo[go_down] = want[better & here], give[better & here]
        want_hi[go_up], give_hi[go_up] = want[better & ~here], give[better & ~here]
        active = active[better]
    return price, below


def _of(values: npt.NDArray[np.float32], which: Ints) -> npt.NDArray[np.float32]:
    """Some budgets' values; the same for all where there is no axis of budgets."""
    return values[which] if values.ndim == 3 and len(which) < len(values) else values


def totals(values: Floats, options: Ints, which: Ints | None = None) -> Floats:
    """Sums of the chosen options' values in the order of the decisions, shape (n,).

    Args:
        values: shape (n, decisions, options), or (decisions, options) for all budgets.
        options: shape (n, decisions).
        which: whose values are meant, shape (n,); None for all of them in order.
    """
    decisions = np.arange(options.shape[1])
    if values.ndim == 2:
        chosen = values[decisions, options]
    else:
        rows = np.arange(len(options)) if which is None else which
        chosen = values[rows[:, None], decisions, options]
    found: Floats = np.cumsum(chosen, axis=-1)[:, -1]
    return found


def first_best(values: Floats, ties: Floats) -> Ints:
    """Option of the highest value, ties by the second value, then by the lower index.

    Args:
        values: shape (n, decisions, options), or (decisions, options) for all budgets.
        ties: likewise.

    Returns:
        Shape (n, decisions), or (decisions,) where both are for all budgets.
    """
    top = values == values.max(axis=-1, keepdims=True)
    if (np.count_nonzero(top, axis=-1) == 1).all():
        shape = np.broadcast_shapes(values.shape, ties.shape)[:-1]
        found: Ints = np.broadcast_to(top.argmax(axis=-1), shape)
    else:
        found = np.where(top, ties, -np.inf).argmax(axis=-1)
    return found
