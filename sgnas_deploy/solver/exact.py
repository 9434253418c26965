"""One budget, solved exactly: a dynamic program over undominated partial networks.

A partial network (the first decisions made) is kept while no other one is both cheaper and better,
and while it can still beat the best network known: the price of the relaxation bounds what the
open decisions can add. Few hundred remain of 83 to the power of 19. Costs are the true ones.

The better the network known, the fewer remain: a first, narrow search that keeps few partial
networks finds a good one. Where scores follow costs almost exactly, too many remain even so (subset
sums): above a limit, the best one of each of that many cost intervals is kept, with its true cost,
and the gap is reported.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]

NARROW = 64
LIMIT = 4096
"""Partial networks kept in the first search, and in the second."""

SLACK = 1e-9
"""Bounds are sums in another order than scores: keep what is this close (relative)."""


def best(
    cost: Floats, score: Floats, budget: float, price: float, start: Ints
) -> tuple[Ints, float]:
    """The best network within the budget, and how far from the optimum it can be at most.

    Args:
        cost: shape (decisions, options).
        score: shape (decisions, options).
        budget: largest allowed sum of costs.
        price: score per unit of cost, at least 0; any price is right, a good one is fast.
        start: a network within the budget, shape (decisions,).
    """
    if price == 0:
        return start, 0.0
    search = _Search(cost, score, budget, price)
    known = _improved(cost, score, budget, start)
    for limit in (NARROW, LIMIT):
        found, thinned = search.run(known, limit)
        if found is not None and (not thinned or search.value(found) > search.value(known)):
            known = found
        if not thinned:
            return known, 0.0
    return known, max(0.0, search.bound - search.value(known))


class _Search:
    """The dynamic program of one budget at one price."""

    def __init__(self, cost: Floats, score: Floats, budget: float, price: float) -> None:
        self._cost = cost
        self._score = score
        self._budget = budget
        self._price = price
        reduced = score - price * cost
        self._top = reduced.max(axis=1)
        self._behind = self._top[:, None] - reduced
        self.bound = float(self._top.sum()) + price * budget
        self._scale = float(np.abs(score).max(axis=1).sum()) + price * abs(budget)

    def value(self, options: Ints) -> float:
        """Score of a network."""
        return float(np.cumsum(self._score[np.arange(len(options)), options])[-1])

    def run(self, known: Ints, limit: int) -> tuple[Ints | None, bool]:
        """The best network that can beat `known`, and whether some were left out to keep `limit`.

        Without that, it is the best there is; `known` itself can be found. None where nothing
        remained, which takes something left out.
        """
        cost, score, budget, price = self._cost, self._score, self._budget, self._price
        slack = SLACK * self._scale
        margin = max(0.0, self.bound - self.value(known)) + slack
        options = [np.flatnonzero(row <= margin) for row in self._behind]
        ahead = _Ahead(cost, self._top, options)
        costs, scores = np.zeros(1), np.zeros(1)
        trail: list[tuple[Ints, Ints]] = []
        thinned = False
        last = len(cost) - 1
        for d, usable in enumerate(options):
            costs = np.add.outer(costs, cost[d, usable]).ravel()
            scores = np.add.outer(scores, score[d, usable]).ravel()
            unspent = np.maximum(0.0, budget - costs - ahead.dearest[d])
            reach = scores - price * (costs + unspent - budget) + ahead.top[d]
            most = budget if d == last else budget + SLACK * abs(budget) - ahead.cheapest[d]
            kept = np.flatnonzero((costs <= most) & (reach >= self.bound - margin))
            kept = _undominated(kept, costs, scores)
            if not kept.size:
                return None, thinned
            if kept.size > limit:
                kept, thinned = _thinned(kept, costs, limit), True
            trail.append((kept // usable.size, usable[kept % usable.size]))
            costs, scores = costs[kept], scores[kept]
        return _followed(trail), thinned


class _Ahead:
    """What the decisions after each one can still cost and still gain, shape (decisions,)."""

    def __init__(self, cost: Floats, top: Floats, options: list[Ints]) -> None:
        rows = [cost[d, usable] for d, usable in enumerate(options)]
        self.cheapest = _after(np.array([row.min() for row in rows]))
        self.dearest = _after(np.array([row.max() for row in rows]))
        self.top = _after(top)


def _after(values: Floats) -> Floats:
    sums: Floats = np.append(np.cumsum(values[:0:-1])[::-1], 0.0)
    return sums


def _improved(cost: Floats, score: Floats, budget: float, start: Ints) -> Ints:
    """Change one decision at a time for the most, as long as the budget allows."""
    decisions = np.arange(len(cost))
    found = start.copy()
    while True:
        chosen = cost[decisions, found]
        left = budget - float(np.cumsum(chosen)[-1])
        gain = score - score[decisions, found][:, None]
        # A hair less than what is left: sums in another order differ in the last bits.
        fits = cost - chosen[:, None] <= left - SLACK * abs(budget)
        decision, option = divmod(int(np.where(fits, gain, 0.0).argmax()), cost.shape[1])
        if not (fits[decision, option] and gain[decision, option] > 0):
            return found
        found[decision] = option


def _undominated(kept: Ints, costs: Floats, scores: Floats) -> Ints:
    """Those that no other one equals or beats in both cost and score, in rising order of both."""
    kept = kept[np.lexsort((-scores[kept], costs[kept]))]
    if kept.size:
        highest = np.maximum.accumulate(scores[kept])
        rises = np.append(True, scores[kept][1:] > highest[:-1])
        kept = kept[rises]
    return kept


def _thinned(kept: Ints, costs: Floats, limit: int) -> Ints:
    """The dearest, which is the best, of each of `limit` cost intervals; `kept` is in order."""
    low, high = costs[kept[0]], costs[kept[-1]]
    interval = np.floor((costs[kept] - low) / (high - low) * (limit - 1))
    thinned: Ints = kept[np.append(interval[1:] != interval[:-1], True)]
    return thinned


def _followed(trail: list[tuple[Ints, Ints]]) -> Ints:
    """The options of the last, and so best, partial network."""
    at, found = -1, []
    for parents, options in reversed(trail):
        found.append(int(options[at]))
        at = int(parents[at])
    return np.array(found[::-1], dtype=np.int64)
