"""One budget on its way through the loop."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Final, final

from sgnas_deploy.fitting.levels import Launch, Options
from sgnas_deploy.verdict import Verdict

NEAR: Final = 0.006
"""A candidate that far below its target is not worth another round's search; of those that are
nearer the one with the highest score is taken."""
SLACK: Final = 0.002
"""A network that little above its target still meets it."""


@final
@dataclass
class Budget:
    """What was asked, and how far the search for it has come.

    Attributes:
        budget_s: the budget.
        tried: networks that were measured for it, in their order.
        refused: networks that were confirmed or not, and are no longer to be chosen.
        ceiling: logarithm of the latency that the next network must not exceed.
        chosen: the network that is confirmed next.
        kept: a network with a PASS.
        kept_fresh: the launches that this PASS rests on.
        kept_fits: whether it leaves as much of the budget free as it should.
        settled: logarithm of its latency when it was found good enough; None where it never was.
        verdict: of `chosen`.
        fresh: the launches that it rests on.
        reason: why it is no PASS.
        open: whether anything is left to do.
    """

    budget_s: float
    lowest: bool = False
    tried: dict[Options, None] = field(default_factory=dict)
    refused: set[Options] = field(default_factory=set)
    ceiling: float = math.inf
    chosen: Options | None = None
    kept: Options | None = None
    kept_fresh: tuple[Launch, ...] = ()
    kept_fits: bool = False
    settled: float | None = None
    verdict: Verdict = "UNDECIDED"
    fresh: tuple[Launch, ...] = ()
    reason: str = ""
    open: bool = True

    @property
    def level(self) -> float:
        """Logarithm of the budget."""
        return math.log(self.budget_s)

    def lift(self, least_s: float) -> bool:
        """Move up, if it is the lowest of a range, to what the fastest network keeps.

        What kept the old budget keeps the new one.

        Args:
            least_s: the lowest budget that the fastest network keeps, as far as is known now.

        Returns:
            Whether it was moved.
        """
        least_s = rounded_up_s(least_s)
        if not self.lowest or least_s <= self.budget_s:
            return False
        self.budget_s = least_s
        return True

    def give_up(self) -> None:
        """Nothing more to try: what was kept is the answer, else a no."""
        self.open = False
        if self.kept is None and not self.reason:
            self.verdict = "FAIL"
            self.reason = "every network that was measured takes longer"

    def why_unused(self, level: float, free: float) -> str:
        """Why the network that was kept leaves much of the budget, and none nearer to it was taken.

        Args:
            level: logarithm of its latency, as far as is known now.
            free: share of the budget that was to stay free.
        """
        used = math.exp(level - self.level)
        kept = f"only {used:.1%} is used: {free:.1%} is kept free for later verdicts"
        if used >= (1 - free) * math.exp(-NEAR):
            return kept
        # Levels are at the sitting's usual speed, which later launches may still have moved.
        if self.settled is not None and self.settled - level > NEAR:
            faster = math.expm1(self.settled - level)
            return f"{kept}, and the machine became {faster:.1%} faster after this one was found"
        return f"only {used:.1%} is used: no network between was found"


def rounded_up_s(value_s: float) -> float:
    """The next latency of four digits, as a person would ask for it, that is not smaller."""
    ms = value_s * 1e3
    unit = 10.0 ** (math.floor(math.log10(ms)) - 3)
    return math.ceil(ms / unit - 1e-9) * unit / 1e3
