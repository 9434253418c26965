"""The loop: propose, measure in turns, correct, propose again; then confirm with fresh launches.

All launches of all budgets take turns (sweeps in random order), so that every network sees the
whole sitting, and a few calibration networks of the table are in every sweep of a round: they tie
the rounds together. What is measured for one budget serves all others.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, final

import numpy as np

from sgnas_deploy.events import Reporter
from sgnas_deploy.fitting.budget import Budget, rounded_up_s
from sgnas_deploy.fitting.candidates import Candidates
from sgnas_deploy.fitting.confirming import Confirmation
from sgnas_deploy.fitting.levels import Options
from sgnas_deploy.fitting.measured import Measured
from sgnas_deploy.fitting.question import LEAST_USED, Answer, Answers, Device, Question

_SURE: Final = 3.0
"""Standard errors below the fastest network at which a budget is a clear no."""


@final
class Loop:
    """One run of the loop; `run` once."""

    def __init__(self, question: Question, device: Device, reporter: Reporter) -> None:
        self._q = question
        self._reporter = reporter
        self._m = Measured(question, device, reporter)
        self._candidates = Candidates(question, self._m)
        self._rounds: list[tuple[Options, ...]] = []

    def run(self) -> Answers:
        """Find a network for every budget.

        Raises:
            TooNoisy: launches differ so much that nothing can be fitted within 5 % of a budget.
        """
        q, m = self._q, self._m
        m.measure_range()
        budgets = [Budget(b) for b in q.budgets_s] or self._spread_budgets()
        for budget in budgets:
            self._check_range(budget)
        for number in range(1, q.rounds + 1):
            new = self._candidates.propose(budgets, number)
            if not new:
                break
            self._rounds.append(new)
            m.turns(f"round {number}: measure candidates", (*new, *m.anchors), m.how_often())
            m.learn()
            m.keep_free([b.budget_s for b in budgets])
            for budget in budgets:
                budget.lift(m.lowest_s())
            m.tell(number, new)
            m.compare(new)
        Confirmation(q, m, self._candidates, self._reporter).run(budgets)
        return self._answers(budgets)

    def _spread_budgets(self) -> list[Budget]:
        """`count` budgets from the fastest network to the largest, the head-room included."""
        m, count = self._m, self._q.count or 1
        low_s, high_s = m.lowest_s(), m.believed_s(m.ends[1])
        high_s /= 1 - m.free(math.log(high_s))
        if count == 1:
            return [Budget((low_s + high_s) / 2)]
        # Rounded up so that the range's ends stay feasible.
        values = [rounded_up_s(value) for value in np.linspace(low_s, high_s, count).tolist()]
        return [Budget(value, lowest=i == 0) for i, value in enumerate(values)]

    def _check_range(self, budget: Budget) -> None:
        m, fastest = self._m, self._m.ends[0]
        sure = m.now.believed[fastest] - _SURE * m.now.error[fastest]
        if budget.level < sure:
            budget.open, budget.verdict = False, "FAIL"
            budget.reason = (
                f"no network of {self._q.space.id} is that fast: the fastest takes "
                f"{1e3 * m.believed_s(fastest):.4g} ms"
            )

    # -- the answer ------------------------------------------------------------------------------

    def _answers(self, budgets: Sequence[Budget]) -> Answers:
        m = self._m
        return Answers(
            answers=tuple(self._answer(budget) for budget in budgets),
            headroom=m.room(),
            levels=m.levels,
            rounds=len(self._rounds),
            launches=tuple(m.launches),
            fastest_s=m.believed_s(m.ends[0]),
            slowest_s=m.believed_s(m.ends[1]),
            errors=tuple(m.off(new) for new in self._rounds),
        )

    def _answer(self, budget: Budget) -> Answer:
        m = self._m
        free = m.free(budget.level)
        options = budget.kept or budget.chosen
        if options is None:
            return Answer(
                budget.budget_s, budget.verdict, budget.reason, free, candidates=len(budget.tried)
            )
        if budget.kept is not None:
            budget.verdict, budget.fresh = "PASS", budget.kept_fresh
            budget.reason = self._why_unused(budget, options)
        return Answer(
            budget_s=budget.budget_s,
            verdict=budget.verdict,
            reason=budget.reason,
            headroom=free,
            options=options,
            score=self._candidates.score_of(budget)(options),
            level_s=m.believed_s(options),
            table_s=m.first.predict_s(options),
            predicted_s=m.predicted_s.get(options, m.first.predict_s(options)),
            fresh=budget.fresh,
            candidates=len(budget.tried),
        )

    def _why_unused(self, budget: Budget, options: Options) -> str:
        fastest, largest = self._m.ends
        used = self._m.believed_s(options) / budget.budget_s
        if used >= LEAST_USED:
            return ""
        if options == largest:
            return f"only {used:.1%} is used: the largest network needs no more"
        if options == fastest:
            return f"only {used:.1%} is used: the next network is too slow"
        return budget.why_unused(self._m.now.believed[options], self._m.free(budget.level))
