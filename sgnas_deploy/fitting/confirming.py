"""Verdicts on chosen networks, by launches that were made after they were chosen.

Candidates are chosen because they looked right, so the launches that they were chosen by would
flatter them. Where a chosen network fails, leaves too little of its budget free or too much, and
another takes its place, each further attempt may err with half the probability of the one before,
so that all together keep the confidence that was asked for.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, final

import numpy as np

from sgnas_deploy.events import Reporter, stage
from sgnas_deploy.fitting.budget import Budget
from sgnas_deploy.fitting.candidates import SETTLED, Candidates
from sgnas_deploy.fitting.levels import Launch
from sgnas_deploy.fitting.measured import CONFIRMING, Measured
from sgnas_deploy.fitting.question import Question
from sgnas_deploy.verdict import PercentileTest, Verdict

ATTEMPTS: Final = 3

MOST_LAUNCHES: Final = 30
"""Fresh launches at most, unless the percentile asks for more, of a network that would be
exchanged even if it passed (see `LOST`). Of one that would stay, or that is the last to be tried,
only noise is in the way, and it gets all the time that a verdict may take."""

CLEARLY: Final = 2.0
"""Standard errors of its fresh launches by which a network must lie too high to be exchanged before
it has a verdict. Else chance exchanges the right ones, for others that are far below."""

LOST: Final = 0.012
"""A confirmed network that turns out that much above its target, or less, stays,"""
LEFT: Final = 0.010
"""if at least that much of the budget is left."""


@final
@dataclass(frozen=True)
class Judged:
    """The fresh launches of a network, their verdict, and the logarithm of its latency."""

    verdict: Verdict
    launches: tuple[Launch, ...]
    level: float


@final
class Confirmation:
    """Brings budgets to their verdicts; `run` once.

    Args:
        question: what is asked.
        measured: all that is known.
        candidates: proposes and chooses.
        reporter: who listens.
    """

    def __init__(
        self, question: Question, measured: Measured, candidates: Candidates, reporter: Reporter
    ) -> None:
        self._q = question
        self._m = measured
        self._candidates = candidates
        self._reporter = reporter

    def run(self, budgets: Sequence[Budget]) -> None:
        """Confirm a network for every open budget, another if need be, and close them all."""
        for attempt in range(1, ATTEMPTS + 1):
            for budget in [b for b in budgets if b.open]:
                self._choose(budget, attempt)
            waiting = [b for b in budgets if b.open]
            if not waiting:
                return
            begin = len(self._m.launches)
            before = {id(b): self._m.free(b.level) for b in waiting}
            chosen = {b.chosen for b in waiting if b.chosen is not None}
            new = sorted(chosen - self._m.levels.of.keys())
            self._measure(waiting, attempt, begin)
            self._m.learn()
            self._m.keep_free([b.budget_s for b in budgets])
            self._m.compare(new, fresh=False)
            for budget in waiting:
                self._conclude(budget, attempt, before[id(budget)])

    def _choose(self, budget: Budget, attempt: int) -> None:
        found = self._candidates
        budget.chosen = found.choice(budget)
        # The best of many that are known by a few launches is mostly a lucky one. Once a network
        # was confirmed or refused, a small change of it is the surer choice.
        unsure = attempt > 1 and budget.chosen is not None and not found.sure(budget)
        if budget.chosen is None or found.far(budget) or unsure:
            found.another(budget)
        # What was confirmed is better than a network that leaves much of the budget.
        if budget.chosen is None or (budget.kept is not None and not self._better(budget)):
            budget.give_up()

    def _better(self, budget: Budget) -> bool:
        """Whether the chosen network is worth an attempt beside the one that was kept."""
        assert budget.chosen is not None
        assert budget.kept is not None
        believed = self._m.now.believed
        if budget.chosen not in believed:
            return True
        if self._candidates.far(budget):
            return False
        return not budget.kept_fits or believed[budget.chosen] > believed[budget.kept]

    def _measure(self, budgets: Sequence[Budget], attempt: int, begin: int) -> None:
        open_ = list(budgets)
        title = "confirm networks" if attempt == 1 else f"confirm others, attempt {attempt}"
        with stage(self._reporter, title, len(open_), "networks") as progress:
            while open_:
                networks = tuple(dict.fromkeys(b.chosen for b in open_ if b.chosen is not None))
                tied = self._m.anchors if self._m.sweeps % 2 else ()
                together = tuple(dict.fromkeys((*networks, *tied)))
                self._m.sweep(together, lambda: progress.advance(0))
                for budget in list(open_):
                    found = self._judge(budget, attempt, begin)
                    budget.verdict, budget.fresh = found.verdict, found.launches
                    if self.is_over(budget, attempt, found):
                        open_.remove(budget)
                        news = (
                            f"{1e3 * budget.budget_s:.4g} ms: {found.verdict} in "
                            f"{len(found.launches)} launches"
                        )
                        progress.advance(1, news)

    def _test(self, budget: Budget, attempt: int) -> PercentileTest:
        error = (1 - self._q.confidence) / 2**attempt
        return PercentileTest(budget.budget_s, self._q.percentile, 1 - error)

    def _judge(self, budget: Budget, attempt: int, begin: int) -> Judged:
        test = self._test(budget, attempt)
        mine = tuple(one for one in self._m.launches[begin:] if one.options == budget.chosen)
        shares = np.array([test.share(one.samples_s) for one in mine])
        levels = np.array([test.level(one.samples_s) for one in mine])
        return Judged(
            verdict=test.judge(shares, levels).verdict,
            launches=mine,
            level=float(np.median(levels)),
        )

    def is_over(self, budget: Budget, attempt: int, found: Judged) -> bool:
        """Whether enough was launched of a network."""
        fewest, count = self._m.confirming(found.level), len(found.launches)
        if count < CONFIRMING[0]:
            return False
        if _spent_s(found.launches) >= self._q.max_seconds:
            return True
        # A FAIL needs no well-known level: the network will not be taken.
        if count < (fewest / 2 if found.verdict == "FAIL" else fewest):
            return False
        if found.verdict != "UNDECIDED":
            return True
        error = self._m.levels.spread_at(found.level) / math.sqrt(count)
        may_stay = found.level - CLEARLY * error <= self._limit(budget, self._m.free(budget.level))
        last = attempt == ATTEMPTS and found.level < budget.level
        if may_stay or last:
            return False
        most = max(fewest, MOST_LAUNCHES, 2 * self._test(budget, attempt).fewest_launches)
        return count >= most

    def _limit(self, budget: Budget, share: float) -> float:
        """Logarithm of the latency up to which a confirmed network stays."""
        return budget.level + math.log1p(-max(LEFT, share - LOST))

    def _conclude(self, budget: Budget, attempt: int, before: float) -> None:
        """Keep what was confirmed, or say what to look for next.

        Args:
            budget: whose network was confirmed, or not.
            attempt: which one this was.
            before: the head-room that it was chosen with. What has become necessary since does not
                count: else a little more noise would exchange all networks.
        """
        assert budget.chosen is not None
        believed, ends = self._m.now.believed, self._m.ends
        level = believed[budget.chosen]
        fastest = budget.chosen == ends[0]
        lifted = fastest and attempt < ATTEMPTS and budget.lift(self._m.lowest_s())
        if lifted and budget.verdict != "PASS":
            return  # fresh launches will say whether it keeps the new one
        if budget.verdict == "PASS":
            fits = level <= self._limit(budget, before)
            more = budget.kept is None or level > believed[budget.kept]
            if budget.kept is None or (fits and (more or not budget.kept_fits)):
                budget.kept, budget.kept_fresh = budget.chosen, budget.fresh
                budget.kept_fits = fits
            wanted = budget.level + math.log1p(-before) - SETTLED
            enough = fits and (level >= wanted or budget.chosen == ends[1])
            if enough and budget.kept == budget.chosen:
                budget.settled = level
            if enough or fastest or attempt == ATTEMPTS:
                budget.open = False
                return
            if not fits:
                budget.ceiling = min(budget.ceiling, level - LOST / 2)
        else:
            self._explain(budget, level)
            if not budget.open:
                return
            budget.ceiling = min(budget.ceiling, level - LOST / 2)
        budget.refused.add(budget.chosen)
        if attempt == ATTEMPTS:
            budget.give_up()

    def _explain(self, budget: Budget, level: float) -> None:
        """Why a network has no PASS; closes the budget where no other network would do better."""
        if budget.verdict == "FAIL":
            budget.reason = (
                f"the network measured {1e3 * math.exp(level):.4g} ms, and no other was found"
            )
            return
        gap = 1 - math.exp(level) / budget.budget_s
        if gap <= 0:
            budget.reason = f"the network came out {-100 * gap:.1f} % above the budget"
            return
        spread = self._m.levels.spread_at(level)
        budget.reason = (
            f"too noisy: {len(budget.fresh)} launches came to no verdict, though the network lies "
            f"{100 * gap:.1f} % below the budget (its launches differ by {spread:.1%})"
        )
        long_enough = _spent_s(budget.fresh) >= self._q.max_seconds
        if long_enough and level <= self._candidates.target(budget):
            budget.open = False  # a smaller network would be as noisy


def _spent_s(launches: Sequence[Launch]) -> float:
    """Seconds that launches took."""
    return sum(one.took_s for one in launches)
