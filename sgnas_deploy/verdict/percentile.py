"""The sequential test of a latency percentile against a budget.

"The q-th percentile of a hot run keeps the budget" means: the share of runs slower than the budget
is at most `1 - q`. The unit of observation is a *launch*, a fresh process: its X is the share of
its runs that were slower than the budget, a number in [0, 1]. Runs within a launch may depend on
each other in any way; nothing is assumed of how latencies are distributed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, final

import numpy as np

from sgnas_deploy.errors import BadInput
from sgnas_deploy.verdict.betting import Floats, evidence
from sgnas_deploy.verdict.dependence import autocorrelation_time

Verdict: TypeAlias = Literal["PASS", "FAIL", "UNDECIDED"]

MAX_BUDGET_S: Final = 3600.0
REACH: Final = 2.0
"""A wandering latency counts as a danger while the budget is within this many times the range
that it was seen to cover."""


@final
@dataclass(frozen=True)
class Judgement:
    """What the launches so far say.

    Attributes:
        verdict: PASS, FAIL, or UNDECIDED.
        log_pass: log evidence that the budget is kept, after the discount.
        log_fail: log evidence that it is not, after the discount.
        log_needed: what either must reach, `log(1 / (1 - confidence))`.
        discount: how many launches counted as one, for being alike (1: independent).
        slower: mean share of runs slower than the budget.
        launches: how many launches it rests on.
    """

    verdict: Verdict
    log_pass: float
    log_fail: float
    log_needed: float
    discount: float
    slower: float
    launches: int


@final
@dataclass(frozen=True)
class PercentileTest:
    """Does a percentile of a hot run keep a budget?

    Attributes:
        budget_s: the budget; a run of exactly that long keeps it.
        percentile: the percentile that must keep it, in (0, 100).
        confidence: in (0.5, 1). A wrong PASS has probability `1 - confidence` at most, and so has a
            wrong FAIL.

    Raises:
        BadInput: a value out of its range.
    """

    budget_s: float
    percentile: float
    confidence: float

    def __post_init__(self) -> None:
        # Written so that NaN fails too.
        if not 0 < self.budget_s <= MAX_BUDGET_S:
            raise BadInput(
                f"a latency budget must be positive and at most {MAX_BUDGET_S:g} s, "
                f"not {self.budget_s} s",
                "give it in milliseconds, such as --latency-ms 10",
            )
        if not 0 < self.percentile < 100:
            raise BadInput(
                f"a percentile must lie between 0 and 100, not {self.percentile}",
                "use --percentile 50 or --percentile 95",
            )
        if not 0.5 < self.confidence < 1:
            raise BadInput(
                f"the confidence must lie between 0.5 and 1, not {self.confidence}",
                "use --confidence 0.95",
            )

    @property
    def tolerated(self) -> float:
        """Share of runs that may be slower than the budget."""
        return 1 - self.percentile / 100

    @property
    def log_needed(self) -> float:
        """Log evidence that a verdict takes."""
        return -math.log1p(-self.confidence)

    @property
    def fewest_launches(self) -> int:
        """How many launches a PASS takes even when not one run is slower than the budget."""
        n = math.ceil(self.log_needed / -math.log1p(-self.tolerated))
        while evidence(np.zeros(n), self.tolerated).below[-1] < self.log_needed:
            n += 1
        return n

    def share(self, samples_s: Sequence[float] | Floats) -> float:
        """Share of a launch's runs that were slower than the budget."""
        return float((np.asarray(samples_s) > self.budget_s).mean())

    def level(self, samples_s: Sequence[float] | Floats) -> float:
        """Logarithm of a launch's own percentile, in seconds: what is watched for drift."""
        return float(np.log(np.percentile(samples_s, self.percentile)))

    def judge(self, shares: Floats, levels: Floats) -> Judgement:
        """Judge the launches so far; may be asked after every launch.

        Args:
            shares: `share` of each launch, in the order of time, shape (n,).
            levels: `level` of each launch, shape (n,).
        """
        if len(shares) == 0:
            return Judgement("UNDECIDED", 0.0, 0.0, self.log_needed, 1.0, 0.0, 0)
        found = evidence(shares, self.tolerated)
        discount = self.discount(shares, levels)
        # Evidence that speaks against a hypothesis is not made weaker by the discount.
        log_pass = min(float(found.below[-1]), float(found.below[-1]) / discount)
        log_fail = min(float(found.above[-1]), float(found.above[-1]) / discount)
        verdict: Verdict = "UNDECIDED"
        if log_pass >= self.log_needed:
            verdict = "PASS"
        elif log_fail >= self.log_needed:
            verdict = "FAIL"
        return Judgement(
            verdict=verdict,
            log_pass=log_pass,
            log_fail=log_fail,
            log_needed=self.log_needed,
            discount=discount,
            slower=float(shares.mean()),
            launches=len(shares),
        )

    def discount(self, shares: Floats, levels: Floats) -> float:
        """How many launches count as one.

        The shares say it where they vary. Far from the budget they are all 0 or all 1 and say
        nothing; there a latency that wanders slowly counts if it might yet reach the budget.
        """
        found = autocorrelation_time(shares)
        low, middle, high = np.percentile(levels, [5, 50, 95])
        if abs(math.log(self.budget_s) - middle) <= REACH * (high - low):
            found = max(found, autocorrelation_time(levels))
        return found
