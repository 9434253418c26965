"""The loop: propose, measure in turns, correct, propose again; then confirm with fresh launches.

All launches of all budgets take turns (sweeps in random order), so that every network sees the
whole sitting, and a few calibration networks of the table are in every sweep of a round: they tie
the rounds together. What is measured for one budget serves all others.

A verdict rests only on launches made *after* its network was chosen: candidates are chosen because
they looked right, so the launches that they were chosen by would flatter them. Where a chosen
network fails and another takes its place, each further attempt may err with half the probability
of the one before, so that all together keep the confidence that was asked for.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias, final

import numpy as np

from sgnas_deploy.errors import TooNoisy
from sgnas_deploy.events import Note, Reporter, stage
from sgnas_deploy.fitting.correction import Corrected, corrected
from sgnas_deploy.fitting.headroom import FIRST, NOISY, Headroom, headroom
from sgnas_deploy.fitting.levels import Floats, Launch, Levels, Options, levels
from sgnas_deploy.generator.scale import Scale, scale_of
from sgnas_deploy.generator.within import best_within
from sgnas_deploy.spaces import Space
from sgnas_deploy.tables import LatencyTable, Predictor, predictor
from sgnas_deploy.verdict import PercentileTest, Verdict

Scores: TypeAlias = Callable[[Predictor, Scale, Floats], Sequence[Floats]]
"""Scores of the options for target latencies: one array per decision, shape (n, options)."""

LEAST_USED: Final = 0.95
"""Share of a budget that a network should use."""

ANCHOR_SWEEPS: Final = 4
CONFIRMING: Final = (8, 20)
"""Fresh launches that a verdict rests on at least: so many where launches agree within 1 %, and
more, up to the second number, where they do not."""
MOST_LAUNCHES: Final = 30
"""And at most, unless the percentile asks for more,"""
MOST_BELOW: Final = 90
"""or the network would stay (see `LOST`) if it passed: then only noise is in the way."""

ATTEMPTS: Final = 3
PER_ROUND: Final = 2
"""New candidates for a budget in a round after the first."""

NEAR: Final = 0.010
"""A candidate that far below its target is not worth another round's search; of those that are
nearer the one with the highest score is taken."""
SETTLED: Final = 0.007
"""The same, where its level is known to about as much: good enough not to search on."""

SLACK: Final = 0.002
ABOVE: Final = 0.006
"""Where nothing is near below the target, a network that little above it is taken."""

LOST: Final = 0.012
"""A confirmed network that turns out that much above its target, or less, stays,"""
LEFT: Final = 0.010
"""if at least that much of the budget is left."""
_FACTORS: Final = (1.0, 0.993, 1.004, 0.985)
_SEED: Final = 1


class Device(Protocol):
    """Where networks are launched."""

    def launch(self, options: Options, sweep: int) -> Launch:
        """One fresh process that times one network."""


@final
@dataclass(frozen=True)
class Question:
    """What is asked.

    Attributes:
        table: the latency table.
        space: its space.
        scores: what the solver maximises.
        operations: what spare budget is spent on; None where the scores alone decide.
        budgets_s: the budgets; empty for `count` of them over the feasible range.
        count: see `budgets_s`.
        percentile: of a hot run that must keep the budget.
        confidence: of every verdict.
        rounds: how often candidates are generated at most.
        margin: share of every budget to keep free; None to find it out.
        max_seconds: longest time for the launches of one verdict, here and in a later `validate`.
        shifts: by how much the machine's speed differed between earlier sittings.
    """

    table: LatencyTable
    space: Space
    scores: Scores
    operations: Sequence[Floats] | None
    budgets_s: tuple[float, ...]
    count: int | None
    percentile: float
    confidence: float
    rounds: int
    margin: float | None
    max_seconds: float
    shifts: tuple[float, ...]


@final
@dataclass(frozen=True)
class Answer:
    """What was found for one budget.

    Attributes:
        budget_s: the budget.
        verdict: PASS, FAIL, or UNDECIDED.
        reason: why it is no PASS, or why less than 95 % of the budget is used; else empty.
        options: the network, None where none was found.
        score: sum of its options' scores.
        level_s: its latency at the percentile, from all its launches, at the sitting's mean speed.
        table_s: what the table alone predicted for it.
        predicted_s: what the corrected prediction said before it was first launched.
        fresh: the launches that the verdict rests on.
        launches: all its launches.
        candidates: networks that were measured for this budget.
    """

    budget_s: float
    verdict: Verdict
    reason: str
    options: Options | None = None
    score: float = 0.0
    level_s: float = math.nan
    table_s: float = math.nan
    predicted_s: float = math.nan
    fresh: int = 0
    launches: int = 0
    candidates: int = 0


@final
@dataclass(frozen=True)
class Answers:
    """All that was found.

    Attributes:
        answers: one per budget, in the order asked for.
        headroom: what was kept free in the end.
        levels: all levels.
        rounds: how often candidates were generated.
        sweeps: how often all networks in question took their turn.
        launches: all, in the order of time.
        fastest_s: latency of the fastest network.
        slowest_s: of the largest one.
        errors: mean absolute relative error of each round's predictions, against the levels known
            in the end.
    """

    answers: tuple[Answer, ...]
    headroom: Headroom
    levels: Levels
    rounds: int
    sweeps: int
    launches: tuple[Launch, ...]
    fastest_s: float
    slowest_s: float
    errors: tuple[float, ...]


_Judged: TypeAlias = tuple[Verdict, int, float, float]
"""A verdict, its launches, the seconds that they took, and the logarithm of their latency."""


@dataclass
class _Budget:
    budget_s: float
    tried: dict[Options, None] = dataclasses.field(default_factory=dict)
    refused: set[Options] = dataclasses.field(default_factory=set)
    ceiling: float = math.inf
    chosen: Options | None = None
    kept: Options | None = None
    kept_fresh: int = 0
    verdict: Verdict = "UNDECIDED"
    reason: str = ""
    open: bool = True
    fresh: int = 0


@final
class Loop:
    """One run of the loop; `run` once."""

    def __init__(self, question: Question, device: Device, reporter: Reporter) -> None:
        self._q = question
        self._device = device
        self._reporter = reporter
        self._launches: list[Launch] = []
        self._sweeps = 0
        self._predicted: dict[Options, float] = {}
        self._bias = 0.0
        self._rounds: list[tuple[Options, ...]] = []
        by_time = sorted(
            question.table.networks, key=lambda n: float(np.median(np.concatenate(n.samples_s)))
        )
        self._anchors = tuple(
            by_time[i].options for i in sorted({0, len(by_time) // 2, len(by_time) - 1})
        )
        self._first = predictor(question.table, question.percentile)
        scale = scale_of(self._first, question.space)
        self._ends = (scale.fastest, scale.largest)
        self._room = Headroom(
            FIRST if question.margin is None else question.margin, FIRST, 0.0, 0.0, 0.0
        )

    def run(self) -> Answers:
        """Find a network for every budget.

        Raises:
            TooNoisy: launches differ so much that nothing can be fitted within 5 % of a budget.
        """
        q = self._q
        base = tuple(dict.fromkeys((*self._anchors, *self._ends)))
        self._turns("measure the range", base, ANCHOR_SWEEPS)
        self._learn()
        if self._how_often() > 3:  # noisy: budgets are placed by these
            self._turns("measure the range once more", base, ANCHOR_SWEEPS)
            self._learn()
        budgets = [_Budget(b) for b in (q.budgets_s or self._spread_budgets())]
        for budget in budgets:
            self._check_range(budget)
        done = 0
        for number in range(1, q.rounds + 1):
            new = self._propose(budgets, number)
            if not new:
                break
            done = number
            self._rounds.append(new)
            turns = self._how_often()
            self._turns(f"round {number}: measure candidates", (*new, *self._anchors), turns)
            self._learn()
            self._keep_free()
            self._tell(number, new)
            self._bias = self._flattery(new)
        self._confirm(budgets)
        return self._answers(budgets, done)

    # -- measuring -------------------------------------------------------------------------------

    def _turns(self, title: str, networks: Sequence[Options], times: int) -> None:
        networks = tuple(dict.fromkeys(networks))
        with stage(self._reporter, title, times * len(networks), "launches") as progress:
            for _ in range(times):
                self._sweep(networks, progress.advance)

    def _sweep(self, networks: Sequence[Options], advance: Callable[[], None]) -> None:
        order = np.random.default_rng([_SEED, self._sweeps]).permutation(len(networks))
        for i in order:
            self._launches.append(self._device.launch(networks[int(i)], self._sweeps))
            advance()
        self._sweeps += 1

    def _how_often(self) -> int:
        spread = self._levels.spread
        return 3 if spread < 0.01 else 4 if spread < 0.02 else 5

    def _confirming(self) -> int:
        least, most = CONFIRMING
        return min(most, max(least, round(least * self._levels.spread / 0.014)))

    def _learn(self) -> None:
        q = self._q
        self._levels = levels(self._launches, q.percentile)
        self._now: Corrected = corrected(q.table, q.percentile, self._levels, self._anchors)
        self._scale = scale_of(self._now.model, q.space)

    def _keep_free(self) -> None:
        q = self._q
        if q.margin is not None:
            return
        self._room = headroom(
            self._launches,
            self._levels,
            q.percentile,
            q.confidence,
            q.shifts,
            q.max_seconds,
            self._how_often() + self._confirming(),
            _SEED,
        )
        if self._room.needed > NOISY:
            raise TooNoisy(
                f"launches of the same network differ by {self._levels.spread:.1%} and the "
                f"machine's speed wanders: {self._room.needed:.0%} of a budget would have to stay "
                "free",
                "stop other programs and run the same command again (what was measured is kept; "
                "--fresh forgets it), or say how much to keep free: --margin 0.05",
            )

    def _tell(self, number: int, new: Sequence[Options]) -> None:
        off = [abs(self._predicted[o] / math.exp(self._levels.of[o]) - 1) for o in new]
        self._reporter.event(
            Note(
                f"round {number}: {len(new)} networks, predictions off by {np.mean(off):.1%} on "
                f"average, launches differ by {self._levels.spread:.1%}, "
                f"{self._room.share:.1%} of a budget is kept free"
            )
        )

    def _flattery(self, new: Sequence[Options]) -> float:
        """By how much new networks came out slower than predicted: the selection bias that is left.

        The solver always finds blocks that look cheap, and some only look so, the more the less is
        known of them; correcting those that were measured does not help against the next ones.
        """
        slower = [self._levels.of[o] - math.log(self._predicted[o]) for o in new]
        few = len(slower) / (len(slower) + 3)
        return float(np.clip(few * np.median(slower), -0.03, 0.05))

    # -- budgets and candidates ------------------------------------------------------------------

    def _believed_s(self, options: Options) -> float:
        return math.exp(self._now.believed[options])

    def _spread_budgets(self) -> tuple[float, ...]:
        """`count` budgets from the fastest network to the largest, the head-room included."""
        count = self._q.count or 1
        free = 1 - self._room.share
        # So that the fastest network keeps the lowest budget when more is known of it.
        sure = 1 + 2 * SLACK + 2 * self._now.error[self._ends[0]]
        low = self._believed_s(self._ends[0]) * sure / free
        high = self._believed_s(self._ends[1]) / free
        if count == 1:
            return ((low + high) / 2,)
        # Four digits, as a person would ask, rounded up so that the range's ends stay feasible.
        return tuple(_rounded_up(value) for value in np.linspace(low, high, count).tolist())

    def _check_range(self, budget: _Budget) -> None:
        fastest = self._ends[0]
        sure = self._now.believed[fastest] - 3 * self._now.error[fastest]
        if math.log(budget.budget_s) < sure:
            budget.open, budget.verdict = False, "FAIL"
            budget.reason = (
                f"no network of {self._q.space.id} is that fast: the fastest takes "
                f"{1e3 * self._believed_s(fastest):.4g} ms"
            )

    def _target(self, budget: _Budget) -> float:
        """Logarithm of the latency that a network for a budget should have."""
        return min(math.log(budget.budget_s) + math.log1p(-self._room.share), budget.ceiling)

    def _settled(self, budget: _Budget) -> bool:
        target = self._target(budget)
        return any(
            target - SETTLED <= level <= target + SLACK and self._now.error[options] < 2 * SETTLED
            for options, level in self._now.believed.items()
        ) and bool(self._choice(budget))

    def _propose(self, budgets: Sequence[_Budget], number: int) -> tuple[Options, ...]:
        """New networks to measure for the budgets that have none that fits well."""
        wanted = [b for b in budgets if b.open and (number == 1 or not self._settled(b))]
        if not wanted:
            return ()
        new: dict[Options, None] = {}
        factors = _FACTORS[:1] if number == 1 else _FACTORS
        added = [0] * len(wanted)
        for factor in factors:
            targets = np.exp([self._target(b) - self._bias for b in wanted]) * factor
            for i, options in enumerate(self._solve(targets)):
                wanted[i].tried[options] = None
                most = 1 if number == 1 else PER_ROUND
                if options in self._levels.of or options in new or added[i] >= most:
                    continue
                new[options] = None
                added[i] += 1
                self._predicted.setdefault(options, self._now.model.predict_s(options))
        return tuple(new)

    def _solve(self, targets_s: Floats) -> tuple[Options, ...]:
        targets = np.maximum(targets_s, self._scale.fastest_s)
        scores = self._q.scores(self._now.model, self._scale, targets)
        found = best_within(self._now.model, self._scale, scores, targets, self._q.operations)
        return tuple(one.options for one in found)

    def _score_of(self, budget: _Budget) -> Callable[[Options], float]:
        """What the solver maximises for a budget."""
        target = np.array([max(math.exp(self._target(budget)), self._scale.fastest_s)])
        scores = self._q.scores(self._now.model, self._scale, target)

        def score(options: Options) -> float:
            return float(sum(s[0, o] for s, o in zip(scores, options, strict=True)))

        return score

    def _choice(self, budget: _Budget) -> Options | None:
        """The best measured network that keeps the target, else the fastest below the budget."""
        target = self._target(budget)
        known = {o: v for o, v in self._now.believed.items() if o not in budget.refused}
        largest = self._ends[1]
        if known.get(largest, math.inf) <= target + SLACK:
            return largest
        keeps = {o: v for o, v in known.items() if v <= target + SLACK}
        near = [o for o, v in keeps.items() if v >= target - NEAR]
        if near:
            score = self._score_of(budget)
            return max(near, key=lambda o: (score(o), -known[o]))
        above = [o for o, v in known.items() if target < v <= target + ABOVE]
        if above and budget.ceiling == math.inf:
            return min(above, key=lambda o: known[o])
        used = math.log(budget.budget_s * LEAST_USED)
        near = [o for o, v in keeps.items() if v >= used]
        if near:
            score = self._score_of(budget)
            return max(near, key=lambda o: (score(o), -known[o]))
        if keeps:
            return max(keeps, key=lambda o: keeps[o])
        limit = min(math.log(budget.budget_s), budget.ceiling)
        below = [o for o, v in known.items() if v <= limit]
        return min(below, key=lambda o: known[o]) if below else None

    # -- confirming ------------------------------------------------------------------------------

    def _confirm(self, budgets: Sequence[_Budget]) -> None:
        for attempt in range(1, ATTEMPTS + 1):
            for budget in [b for b in budgets if b.open]:
                budget.chosen = self._choice(budget)
                if budget.chosen is None or self._far(budget):
                    self._another(budget)
                # What was confirmed is better than a network that leaves much of the budget.
                if budget.chosen is None or (budget.kept is not None and self._far(budget)):
                    self._give_up(budget)
            waiting = [b for b in budgets if b.open]
            if not waiting:
                return
            begin, before = len(self._launches), self._room.share
            new = {b.chosen for b in waiting if b.chosen is not None} - self._levels.of.keys()
            self._measure_verdicts(waiting, attempt, begin)
            self._learn()
            self._keep_free()
            if new:
                self._bias = max(self._bias, self._flattery(sorted(new)))
            for budget in waiting:
                self._conclude(budget, attempt, before)

    def _far(self, budget: _Budget) -> bool:
        assert budget.chosen is not None
        level = self._now.believed.get(budget.chosen)
        return level is not None and level < self._target(budget) - 2 * NEAR

    def _another(self, budget: _Budget) -> None:
        """A network that was not measured yet, from the corrected prediction."""
        (options,) = self._solve(np.exp([self._target(budget) - self._bias - SETTLED / 2]))
        if options in budget.refused or options in self._levels.of:
            return
        budget.chosen = options
        budget.tried[options] = None
        self._predicted.setdefault(options, self._now.model.predict_s(options))

    def _give_up(self, budget: _Budget) -> None:
        budget.open = False
        if budget.kept is None and not budget.reason:
            budget.verdict = "FAIL"
            budget.reason = "every network that was measured takes longer"

    def _test(self, budget: _Budget, attempt: int) -> PercentileTest:
        error = (1 - self._q.confidence) / 2**attempt
        return PercentileTest(budget.budget_s, self._q.percentile, 1 - error)

    def _judge(self, budget: _Budget, attempt: int, begin: int) -> _Judged:
        test = self._test(budget, attempt)
        mine = [one for one in self._launches[begin:] if one.options == budget.chosen]
        shares = np.array([test.share(one.samples_s) for one in mine])
        levels_ = np.array([test.level(one.samples_s) for one in mine])
        spent_s = sum(0.25 + 1.3 * sum(one.samples_s) for one in mine)
        verdict = test.judge(shares, levels_).verdict
        return verdict, len(mine), spent_s, float(np.median(levels_))

    def _measure_verdicts(self, budgets: Sequence[_Budget], attempt: int, begin: int) -> None:
        open_ = list(budgets)
        fewest = self._confirming()
        title = "confirm networks" if attempt == 1 else f"confirm others, attempt {attempt}"
        with stage(self._reporter, title, len(open_), "networks") as progress:
            while open_:
                networks = tuple(dict.fromkeys(b.chosen for b in open_ if b.chosen is not None))
                tied = self._anchors if self._sweeps % 2 else ()
                self._sweep(tuple(dict.fromkeys((*networks, *tied))), lambda: progress.advance(0))
                for budget in list(open_):
                    verdict, count, spent_s, level = self._judge(budget, attempt, begin)
                    budget.verdict, budget.fresh = verdict, count
                    stays = level <= self._limit(budget, self._room.share)
                    most = MOST_BELOW if stays else MOST_LAUNCHES
                    most = max(most, 2 * self._test(budget, attempt).fewest_launches)
                    over = spent_s >= self._q.max_seconds or count >= most
                    if count >= fewest and (verdict != "UNDECIDED" or over):
                        open_.remove(budget)
                        news = f"{1e3 * budget.budget_s:.4g} ms: {verdict} in {count} launches"
                        progress.advance(1, news)

    def _limit(self, budget: _Budget, share: float) -> float:
        """Logarithm of the latency up to which a confirmed network stays."""
        return math.log(budget.budget_s) + math.log1p(-max(LEFT, share - LOST))

    def _conclude(self, budget: _Budget, attempt: int, before: float) -> None:
        """Keep what was confirmed, or say what to look for next.

        Args:
            budget: whose network was confirmed, or not.
            attempt: which one this was.
            before: the head-room that it was chosen with. What has become necessary since does not
                count: else a little more noise would exchange all networks.
        """
        assert budget.chosen is not None
        level = self._now.believed[budget.chosen]
        fits = level <= self._limit(budget, before)
        if budget.verdict == "PASS":
            if budget.kept is None or fits:
                budget.kept, budget.kept_fresh = budget.chosen, budget.fresh
            if fits or budget.chosen == self._ends[0] or attempt == ATTEMPTS:
                budget.open = False
                return
        elif budget.verdict == "FAIL":
            budget.reason = (
                f"the network measured {1e3 * math.exp(level):.4g} ms, and no other was found"
            )
        else:
            gap = 1 - math.exp(level) / budget.budget_s
            budget.reason = (
                f"too noisy: {budget.fresh} launches came to no verdict, though the network lies "
                f"{100 * gap:.1f} % below the budget (launches differ by {self._levels.spread:.1%})"
                if gap > 0
                else f"the network came out {-100 * gap:.1f} % above the budget"
            )
            if level <= self._target(budget):
                # A smaller network would be as noisy.
                budget.open = False
                return
        budget.refused.add(budget.chosen)
        budget.ceiling = min(budget.ceiling, level - LOST / 2)
        if attempt == ATTEMPTS:
            self._give_up(budget)

    # -- the answer ------------------------------------------------------------------------------

    def _answers(self, budgets: Sequence[_Budget], rounds: int) -> Answers:
        errors = []
        for new in self._rounds:
            off = [abs(self._predicted[o] / math.exp(self._levels.of[o]) - 1) for o in new]
            errors.append(float(np.mean(off)))
        return Answers(
            answers=tuple(self._answer(budget) for budget in budgets),
            headroom=self._room,
            levels=self._levels,
            rounds=rounds,
            sweeps=self._sweeps,
            launches=tuple(self._launches),
            fastest_s=self._believed_s(self._ends[0]),
            slowest_s=self._believed_s(self._ends[1]),
            errors=tuple(errors),
        )

    def _answer(self, budget: _Budget) -> Answer:
        options = budget.kept or budget.chosen
        if options is None:
            return Answer(
                budget.budget_s, budget.verdict, budget.reason, candidates=len(budget.tried)
            )
        if budget.kept is not None:
            budget.verdict, budget.fresh = "PASS", budget.kept_fresh
            budget.reason = self._why_unused(budget, options)
        level_s = self._believed_s(options)
        return Answer(
            budget_s=budget.budget_s,
            verdict=budget.verdict,
            reason=budget.reason,
            options=options,
            score=self._score_of(budget)(options),
            level_s=level_s,
            table_s=self._first.predict_s(options),
            predicted_s=self._predicted.get(options, self._first.predict_s(options)),
            fresh=budget.fresh,
            launches=self._levels.launches[options],
            candidates=len(budget.tried),
        )

    def _why_unused(self, budget: _Budget, options: Options) -> str:
        used = self._believed_s(options) / budget.budget_s
        if used >= LEAST_USED:
            return ""
        if options == self._ends[1]:
            return f"only {used:.1%} is used: the largest network needs no more"
        if options == self._ends[0]:
            return f"only {used:.1%} is used: the next network is too slow"
        return f"only {used:.1%} is used: no network between was found"


def _rounded_up(value: float) -> float:
    """The next number of four significant digits (of milliseconds) that is not smaller."""
    ms = value * 1e3
    unit = 10.0 ** (math.floor(math.log10(ms)) - 3)
    return math.ceil(ms / unit - 1e-9) * unit / 1e3
