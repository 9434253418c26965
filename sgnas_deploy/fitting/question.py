"""What the closed loop is asked, and what it answers: values only."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias, final

from sgnas_deploy.fitting.headroom import Headroom
from sgnas_deploy.fitting.levels import Floats, Launch, Levels, Options
from sgnas_deploy.generator.scale import Scale
from sgnas_deploy.spaces import Space
from sgnas_deploy.tables import LatencyTable, Predictor
from sgnas_deploy.verdict import Verdict

LEAST_USED: Final = 0.95
"""Share of a budget that a network should use."""

Scores: TypeAlias = Callable[[Predictor, Scale, Floats], Sequence[Floats]]
"""Scores of the options for target latencies: one array per decision, shape (n, options)."""


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
        headroom: share of the budget that was to stay free.
        options: the network, None where none was found.
        score: sum of its options' scores.
        level_s: its latency at the percentile, from all its launches, at the sitting's usual speed.
        table_s: what the table alone predicted for it.
        predicted_s: what the corrected prediction said before it was first launched.
        fresh: the launches that the verdict rests on.
        candidates: networks that were measured for this budget.
    """

    budget_s: float
    verdict: Verdict
    reason: str
    headroom: float
    options: Options | None = None
    score: float = 0.0
    level_s: float = math.nan
    table_s: float = math.nan
    predicted_s: float = math.nan
    fresh: tuple[Launch, ...] = ()
    candidates: int = 0


@final
@dataclass(frozen=True)
class Answers:
    """All that was found.

    Attributes:
        answers: one per budget, in the order asked for.
        headroom: what was kept free in the end, the mean over the range of the budgets.
        levels: all levels.
        rounds: how often candidates were generated.
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
    launches: tuple[Launch, ...]
    fastest_s: float
    slowest_s: float
    errors: tuple[float, ...]
