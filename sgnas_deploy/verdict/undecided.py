"""Why a test came to no verdict: one sentence that says what to do about it."""

from __future__ import annotations

from typing import Final

import numpy as np

from sgnas_deploy.verdict.betting import Floats
from sgnas_deploy.verdict.percentile import Judgement, PercentileTest

CLOSE: Final = 0.01
"""A budget within this share of the measured percentile is close whatever the noise."""
WANDERING: Final = 2.0
"""Discount from which launches are called alike."""


def reason(
    test: PercentileTest,
    judgement: Judgement,
    measured_s: float,
    levels: Floats,
    load: str,
    slowed: str = "",
) -> str:
    """Name the cause.

    Args:
        test: what was asked.
        judgement: how far it got.
        measured_s: the percentile over all runs.
        levels: `PercentileTest.level` of each launch.
        load: what is known of the machine's load, may be empty.
        slowed: how the machine was slowed down meanwhile, may be empty.
    """
    cause = _cause(test, judgement, measured_s, levels, load)
    # Whatever the cause: without it the same network is another case.
    return f"{cause}; {slowed}" if slowed else cause


def _cause(
    test: PercentileTest, judgement: Judgement, measured_s: float, levels: Floats, load: str
) -> str:
    q = f"p{test.percentile:g}"
    gap = measured_s / test.budget_s - 1
    if gap <= 0 and judgement.launches < test.fewest_launches:
        return (
            f"too few launches: {q} at {100 * test.confidence:g} % takes at least "
            f"{test.fewest_launches}, {judgement.launches} fitted into the time"
        )
    if abs(gap) <= CLOSE:
        return f"too close: {q} lies within {100 * abs(gap):.1f} % of the budget"
    low, high = np.percentile(np.exp(levels), [10, 90])
    spread = f"80 % of the launches have {q} from {1e3 * low:.4g} to {1e3 * high:.4g} ms"
    busy = f"; {load}" if load else ""
    if judgement.discount >= WANDERING:
        moved = _moved(levels)
        return (
            f"drift: {q} wanders slowly ({100 * moved:+.1f} % from the first third of the time to "
            f"the last), {spread}{busy}"
        )
    if high / low - 1 > abs(gap):
        return f"too noisy: {spread}, the budget is {100 * abs(gap):.1f} % away{busy}"
    return f"too little time: {q} lies {100 * abs(gap):.1f} % from the budget, {spread}{busy}"


def _moved(levels: Floats) -> float:
    """Relative change of the median from the first third to the last."""
    third = max(1, len(levels) // 3)
    return float(np.expm1(np.median(levels[-third:]) - np.median(levels[:third])))
