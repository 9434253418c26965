"""Which networks are worth measuring for a budget, and which of the measured ones is best."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final, final

import numpy as np

from sgnas_deploy.fitting.budget import NEAR, SLACK, Budget
from sgnas_deploy.fitting.levels import Floats, Options
from sgnas_deploy.fitting.measured import Measured
from sgnas_deploy.fitting.neighbours import best_neighbour
from sgnas_deploy.fitting.question import LEAST_USED, Question
from sgnas_deploy.generator.within import best_within

PER_ROUND: Final = 2
"""New candidates of the solver for a budget in a round after the first."""

SETTLED: Final = 0.005
"""As `NEAR`, where its level is known to about as much: good enough not to search on."""

ABOVE: Final = 0.006
"""Where nothing is near below the target, a network that little above it is taken."""

SURE: Final = 0.010
"""Standard error up to which a measured network counts as well known."""

REACH: Final = 0.08
"""A measured network nearer than this to a target may be changed in one layer to meet it."""

_FACTORS: Final = (1.0, 0.993, 1.004, 0.985)


@final
class Candidates:
    """Proposes and chooses; keeps nothing but what each budget has tried.

    Args:
        question: what is asked.
        measured: all that is known.
    """

    def __init__(self, question: Question, measured: Measured) -> None:
        self._q = question
        self._m = measured

    def target(self, budget: Budget) -> float:
        """Logarithm of the latency that a network for a budget should have."""
        return min(budget.level + math.log1p(-self._m.free(budget.level)), budget.ceiling)

    def far(self, budget: Budget) -> bool:
        """Whether the chosen network leaves much of the budget."""
        assert budget.chosen is not None
        level = self._m.now.believed.get(budget.chosen)
        return level is not None and level < self.target(budget) - 2 * NEAR

    def sure(self, budget: Budget) -> bool:
        """Whether the latency of the chosen network is well known."""
        assert budget.chosen is not None
        return self._m.now.error.get(budget.chosen, 1.0) <= SURE or budget.chosen in self._m.ends

    # -- proposing -------------------------------------------------------------------------------

    def propose(self, budgets: Sequence[Budget], number: int) -> tuple[Options, ...]:
        """New networks to measure in a round, for the budgets that have none that fits well.

        Args:
            budgets: all.
            number: of the round, from 1 on.
        """
        wanted = [b for b in budgets if b.open and (number == 1 or not self._settled(b))]
        if not wanted:
            return ()
        new: dict[Options, None] = {}
        added = [0] * len(wanted)
        most = 1 if number == 1 else PER_ROUND
        for factor in _FACTORS[:1] if number == 1 else _FACTORS:
            targets = np.exp([self._aim(b) for b in wanted]) * factor
            for i, options in enumerate(self._solve(targets)):
                wanted[i].tried[options] = None
                if options in self._m.levels.of or options in new or added[i] >= most:
                    continue
                new[options] = None
                added[i] += 1
                self._m.expect(options)
        for budget in wanted if number > 1 else ():
            changed = self._changed(budget, self.target(budget))
            if changed is not None:
                budget.tried[changed] = None
                new[changed] = None
        return tuple(new)

    def another(self, budget: Budget) -> bool:
        """Choose a network that was not measured yet, from the corrected prediction.

        Returns:
            Whether there is one.
        """
        target = self.target(budget) - SETTLED / 2
        options = self._changed(budget, target)
        if options is None:
            (options,) = self._solve(np.exp([target - self._m.bias(target)]))
            if options in budget.refused or options in self._m.levels.of:
                return False
            self._m.expect(options)
        budget.chosen = options
        budget.tried[options] = None
        return True

    def _settled(self, budget: Budget) -> bool:
        target, now = self.target(budget), self._m.now
        return any(
            target - SETTLED <= level <= target + SLACK and now.error[options] < 2 * SETTLED
            for options, level in now.believed.items()
        ) and bool(self.choice(budget))

    def _aim(self, budget: Budget) -> float:
        target = self.target(budget)
        return target - self._m.bias(target)

    def _solve(self, targets_s: Floats) -> tuple[Options, ...]:
        m = self._m
        targets = np.maximum(targets_s, m.scale.fastest_s)
        scores = self._q.scores(m.now.model, m.scale, targets)
        found = best_within(m.now.model, m.scale, scores, targets, self._q.operations)
        return tuple(one.options for one in found)

    def _changed(self, budget: Budget, target: float) -> Options | None:
        """A network not measured yet that differs in one layer from one near the target."""
        m = self._m
        near = {o: v for o, v in m.now.believed.items() if abs(v - target) <= REACH}
        # Where not every combination of options is a network, a neighbour may be none.
        if not near or m.scale.networks is not None:
            return None
        # What the change itself may be off by is small beside what the network is known to.
        base = min(near, key=lambda o: (m.now.error[o] + 0.1 * abs(near[o] - target), o))
        model = m.now.model
        at_s = np.array([max(math.exp(target), m.scale.fastest_s)])
        found = best_neighbour(
            model,
            [s[0] for s in self._q.scores(model, m.scale, at_s)],
            base,
            near[base],
            (target - SETTLED, target),
            m.levels.of.keys() | budget.refused,
        )
        if found is not None:
            m.expect(found, near[base] + math.log(model.predict_s(found) / model.predict_s(base)))
        return found

    # -- choosing --------------------------------------------------------------------------------

    def score_of(self, budget: Budget) -> Callable[[Options], float]:
        """What the solver maximises for a budget."""
        m = self._m
        target = np.array([max(math.exp(self.target(budget)), m.scale.fastest_s)])
        scores = self._q.scores(m.now.model, m.scale, target)

        def score(options: Options) -> float:
            return float(sum(s[0, o] for s, o in zip(scores, options, strict=True)))

        return score

    def _best(self, budget: Budget, among: Sequence[Options]) -> Options:
        """The measured network of the highest score; of equal ones the fastest."""
        score = self.score_of(budget)
        return max(among, key=lambda o: (score(o), -self._m.now.believed[o]))

    def choice(self, budget: Budget) -> Options | None:
        """The best measured network that keeps the target, else the fastest below the budget."""
        target = self.target(budget)
        known = {o: v for o, v in self._m.now.believed.items() if o not in budget.refused}
        largest = self._m.ends[1]
        if known.get(largest, math.inf) <= target + SLACK:
            return largest
        keeps = {o: v for o, v in known.items() if v <= target + SLACK}
        if near := [o for o, v in keeps.items() if v >= target - NEAR]:
            return self._best(budget, near)
        above = [o for o, v in known.items() if target < v <= target + ABOVE]
        if above and budget.ceiling == math.inf:
            return min(above, key=lambda o: known[o])
        used = budget.level + math.log(LEAST_USED)
        if near := [o for o, v in keeps.items() if v >= used]:
            return self._best(budget, near)
        if keeps:
            return max(keeps, key=lambda o: keeps[o])
        limit = min(budget.level, budget.ceiling)
        below = [o for o, v in known.items() if v <= limit]
        return min(below, key=lambda o: known[o]) if below else None
