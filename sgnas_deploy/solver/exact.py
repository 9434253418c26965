"""Many budgets, each solved exactly: a dynamic program over undominated partial networks.

A partial network (the first decisions made) is kept while no other one of its budget is both
cheaper and better, and while it can still beat the best network known: the price of the relaxation
bounds what the open decisions can add. Some tens remain of 83 to the power of 19. Costs are the
true ones. The budgets of a call go through the decisions together, their partial networks one
after another in flat arrays; what a budget gets does not depend on its company.

The better the network known, the fewer remain: a first, narrow search that keeps few partial
networks finds a good one. Where scores follow costs almost exactly, too many remain even so (subset
sums): above a limit, the best one of each of that many cost intervals is kept, with its true cost,
and the gap is reported.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias, final

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]
Bools: TypeAlias = npt.NDArray[np.bool_]

STAGES: Final = ((128, 256), (1024, 16), (4096, 1))
"""Searches, one after the other for what is still open: partial networks kept of a budget, and
budgets together, fewer where each has more."""

SLACK = 1e-9
"""Bounds are sums in another order than scores: keep what is this close (relative)."""

CLOSE = 1e-11
"""Scores that are this close (relative to their range) are compared exactly: well above the
rounding of a key."""

SWAPS = 8
"""Rounds of swaps before everything is sorted anew."""


def best(
    cost: Floats, score: Floats, budgets: Floats, price: Floats, start: Ints
) -> tuple[Ints, Floats]:
    """The best network within each budget, and how far from the optimum it can be at most.

    Args:
        cost: shape (decisions, options).
        score: shape (n, decisions, options).
        budgets: largest allowed sums of costs, shape (n,).
        price: score per unit of cost, at least 0, shape (n,); any price is right, a good one is
            fast. 0 says that `start` is the best network of all.
        start: networks within the budgets, shape (n, decisions).

    Returns:
        Options, shape (n, decisions), and gaps, shape (n,).
    """
    found, gap = start.copy(), np.zeros(len(budgets))
    (open_,) = np.nonzero(price)
    for limit, together in STAGES:
        left = [open_[:0]]
        for i in range(0, len(open_), together):
            group = open_[i : i + together]
            search = _Search(cost, score[group], budgets[group], price[group])
            found[group], gap[group] = search.run(found[group], limit)
            left.append(group[gap[group] > 0])
        open_ = np.concatenate(left)
    return found, gap


@final
@dataclass(frozen=True)
class _Usable:
    """The options that a network better than the known one can have, budget by budget.

    Attributes:
        owner: index of the budget, rising, shape (m,).
        decision: shape (m,), rising within a budget.
        option: shape (m,), rising within a decision.
    """

    owner: Ints
    decision: Ints
    option: Ints


@final
@dataclass(frozen=True)
class _Partials:
    """Partial networks after some decision: by budget, then rising in cost and in score.

    Attributes:
        owner: index of the budget, rising, shape (m,).
        cost: sums so far.
        score: sums so far.
    """

    owner: Ints
    cost: Floats
    score: Floats

    def of(self, which: Ints | Bools) -> _Partials:
        """Some of them."""
        return _Partials(self.owner[which], self.cost[which], self.score[which])


class _Search:
    """The dynamic program of some budgets, each at its price."""

    def __init__(self, cost: Floats, score: Floats, budgets: Floats, price: Floats) -> None:
        self._cost = cost
        self._score = score
        self._budgets = budgets
        self._price = price
        reduced = score - price[:, None, None] * cost
        self._top = reduced.max(axis=2)
        self._behind = self._top[:, :, None] - reduced
        self._bound = self._top.sum(axis=1) + price * budgets
        self._scale = np.abs(score).max(axis=2).sum(axis=1) + price * np.abs(budgets)

    def value(self, options: Ints) -> Floats:
        """Scores of networks, summed in the order of the decisions, shape (n,)."""
        chosen = np.take_along_axis(self._score, options[:, :, None], axis=2)[:, :, 0]
        found: Floats = np.cumsum(chosen, axis=1)[:, -1]
        return found

    def margin(self, known: Ints) -> Floats:
        """How far below the bound a network may be that is to beat the known one, shape (n,)."""
        found: Floats = np.maximum(0.0, self._bound - self.value(known)) + SLACK * self._scale
        return found

    def run(self, start: Ints, limit: int) -> tuple[Ints, Floats]:
        """The best networks, and 0, or the best ones found where some had to be left out.

        Args:
            start: networks within the budgets.
            limit: partial networks that are kept of a budget.
        """
        known = self._improved(start, self._usable(self.margin(start)))
        margin = self.margin(known)
        usable = self._usable(margin)
        found, complete, thinned = self._search(usable, margin, limit)
        better = complete & (~thinned | (self.value(found) > self.value(known)))
        known = np.where(better[:, None], found, known)
        return known, np.where(thinned, np.maximum(0.0, self._bound - self.value(known)), 0.0)

    def _usable(self, margin: Floats) -> _Usable:
        return _Usable(*np.nonzero(self._behind <= margin[:, None, None]))

    def _improved(self, start: Ints, usable: _Usable) -> Ints:
        """Change one decision at a time for the most, as long as the budgets allow."""
        found = start.copy()
        owner, decision, option = usable.owner, usable.decision, usable.option
        cost, score = self._cost[decision, option], self._score[owner, decision, option]
        first = np.flatnonzero(np.diff(owner, prepend=-1))
        # A hair less than what is left: sums in another order differ in the last bits.
        hair = SLACK * np.abs(self._budgets)
        decisions = np.arange(found.shape[1])
        while True:
            chosen = self._cost[decisions, found]
            left = self._budgets - np.cumsum(chosen, axis=1)[:, -1] - hair
            now = found[owner, decision]
            gain = score - self._score[owner, decision, now]
            gain[cost - self._cost[decision, now] > left[owner]] = 0.0
            most = np.maximum.reduceat(gain, first)
            if not (most > 0).any():
                return found
            (hits,) = np.nonzero((gain == most[owner]) & (gain > 0))
            # The first of equal ones: the others are written before it.
            hits = hits[::-1]
            at = np.full(len(found), -1)
            at[owner[hits]] = hits
            at = at[at >= 0]
            found[owner[at], decision[at]] = option[at]

    def _search(self, usable: _Usable, margin: Floats, limit: int) -> tuple[Ints, Bools, Bools]:
        """Networks, whether there is one, and whether some were left out to keep the limit.

        Without that, they are the best there are; the known ones can be found.
        """
        n, decisions = self._top.shape
        ahead = _Ahead(self._cost, self._top, usable)
        floor = self._bound - margin
        thinned = np.zeros(n, dtype=np.bool_)
        partials = _Partials(np.arange(n), np.zeros(n), np.zeros(n))
        trail: list[tuple[Ints, Ints]] = []
        # Sorted by decision, budgets remain in order within each.
        by_decision = np.argsort(usable.decision, kind="stable")
        ends = np.searchsorted(usable.decision[by_decision], np.arange(decisions + 1))
        for d in range(decisions):
            own = by_decision[ends[d] : ends[d + 1]]
            owner, option = usable.owner[own], usable.option[own]
            parent, pair = _extensions(partials.owner, owner, n)
            extended = _Partials(
                owner[pair],
                partials.cost[parent] + self._cost[d, option][pair],
                partials.score[parent] + self._score[owner, d, option][pair],
            )
            who = extended.owner
            # The open decisions bring their reduced scores and the price of what they cost: of
            # what is left of the budget, or of all they can cost where that is less.
            most = self._budgets
            if d < decisions - 1:
                most = most + SLACK * np.abs(most) - ahead.cheapest[:, d]
            turn = self._budgets - ahead.dearest[:, d]
            least = floor - self._price * self._budgets - ahead.top[:, d]
            reach = extended.score - self._price[who] * np.maximum(extended.cost, turn[who])
            (kept,) = np.nonzero((extended.cost <= most[who]) & (reach >= least[who]))
            kept = kept[_undominated(extended.of(kept))]
            counts = np.bincount(who[kept], minlength=n)
            if counts.max(initial=0) > limit:
                kept = kept[_thinned(extended.of(kept), counts, limit)]
                thinned |= counts > limit
            trail.append((parent[kept], option[pair[kept]]))
            partials = extended.of(kept)
        return *_followed(trail, partials.owner, n), thinned


class _Ahead:
    """What the decisions after each one can still cost and still gain, shape (n, decisions)."""

    def __init__(self, cost: Floats, top: Floats, usable: _Usable) -> None:
        first = np.flatnonzero(np.diff(usable.owner * top.shape[1] + usable.decision, prepend=-1))
        costs = cost[usable.decision, usable.option]
        self.cheapest = _after(np.minimum.reduceat(costs, first).reshape(top.shape))
        self.dearest = _after(np.maximum.reduceat(costs, first).reshape(top.shape))
        self.top = _after(top)


def _after(values: Floats) -> Floats:
    sums = np.zeros_like(values)
    sums[:, :-1] = np.cumsum(values[:, :0:-1], axis=1)[:, ::-1]
    return sums


def _extensions(partials: Ints, options: Ints, n: int) -> tuple[Ints, Ints]:
    """Every partial network with every option of its budget, budget by budget.

    Args:
        partials: owners of the partial networks, rising.
        options: owners of the options, rising.
        n: number of budgets.

    Returns:
        Indices into `partials` and into `options`.
    """
    count = np.bincount(partials, minlength=n)
    first = np.cumsum(count) - count
    repeats = count[options]
    end = np.cumsum(repeats)
    pair = np.repeat(np.arange(len(options)), repeats)
    parent = np.arange(len(pair)) + (first[options] - (end - repeats))[pair]
    return parent, pair


def _undominated(given: _Partials) -> Ints:
    """Those that no other one of their budget equals or beats, in rising order of both."""
    if not given.owner.size:
        return given.owner
    order = _by_cost(given)
    ordered = given.of(order)
    rises = np.append(True, _above_all_before(ordered) > 0)
    order, ordered = order[rises], ordered.of(rises)
    # Of those that cost the same, the last is the best.
    equal = (ordered.owner[1:] == ordered.owner[:-1]) & (ordered.cost[1:] == ordered.cost[:-1])
    best: Ints = order[np.append(~equal, True)]
    return best


def _by_cost(given: _Partials) -> Ints:
    """The order by owner, then by cost, then by index.

    Keys that hold budget and number in one float are fast to sort; where they do not tell two
    numbers apart, and only there, neighbours may have to change places.
    """
    order: Ints = np.argsort(_keys(given.owner, given.cost), kind="stable")
    for _ in range(SWAPS):
        owner, cost = given.owner[order], given.cost[order]
        (wrong,) = np.nonzero((owner[1:] == owner[:-1]) & (cost[1:] < cost[:-1]))
        if not wrong.size:
            return order
        # Of a run of them, every second one at most.
        wrong = wrong[np.diff(wrong, prepend=-2) > 1]
        order[wrong], order[wrong + 1] = order[wrong + 1], order[wrong]
    return np.lexsort((given.cost, given.owner))


def _above_all_before(given: _Partials) -> Floats:
    """From the second on: positive where the score exceeds all before it of the same budget."""
    keys = _keys(given.owner, given.score)
    above: Floats = keys[1:] - np.maximum.accumulate(keys)[:-1]
    if (np.abs(above) < CLOSE).any():
        # Too close for keys: whole numbers in the same order as the scores.
        by_score = np.argsort(given.score)
        ordered = given.score[by_score]
        rank = np.empty(len(keys), dtype=np.int64)
        rank[by_score] = np.cumsum(np.diff(ordered, prepend=ordered[0]) > 0)
        rank += given.owner * len(keys)
        above = (rank[1:] - np.maximum.accumulate(rank)[:-1]).astype(np.float64)
    return above


def _keys(owner: Ints, values: Floats) -> Floats:
    """Floats that sort by owner, then by value, but for values that are almost the same."""
    low, high = values.min(), values.max()
    width = high - low
    return owner * 2.0 + ((values - low) / width if width > 0 else 0.0)


def _thinned(given: _Partials, counts: Ints, limit: int) -> Ints:
    """The dearest, which is the best, of each of `limit` cost intervals of a budget with more."""
    end = np.cumsum(counts)
    full = counts > limit
    low, high = np.zeros(len(counts)), np.ones(len(counts))
    low[full], high[full] = given.cost[(end - counts)[full]], given.cost[end[full] - 1]
    who = given.owner
    interval = np.floor((given.cost - low[who]) / (high - low)[who] * (limit - 1))
    last = (who[1:] != who[:-1]) | (interval[1:] != interval[:-1]) | ~full[who[1:]]
    return np.flatnonzero(np.append(last, True))


def _followed(trail: list[tuple[Ints, Ints]], owner: Ints, n: int) -> tuple[Ints, Bools]:
    """The options of each budget's last, and so best, partial network, and whether it has one."""
    at = np.searchsorted(owner, np.arange(n), side="right") - 1
    complete = np.zeros(n, dtype=np.bool_)
    complete[owner] = True
    at = at[complete]
    found = np.zeros((n, len(trail)), dtype=np.int64)
    for d in range(len(trail) - 1, -1, -1):
        parents, options = trail[d]
        found[complete, d] = options[at]
        at = parents[at]
    return found, complete
