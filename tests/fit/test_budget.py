"""What a budget says of the share that its network leaves unused."""

from __future__ import annotations

import math

from sgnas_deploy.fitting.budget import Budget


def kept(unused: float, settled: float | None = None) -> tuple[Budget, float]:
    """A budget of 10 ms, and the level of a network that leaves so much of it.

    Args:
        unused: share that is left now.
        settled: the share that was left when the network was found good enough.
    """
    budget = Budget(0.010)
    if settled is not None:
        budget.settled = budget.level + math.log1p(-settled)
    return budget, budget.level + math.log1p(-unused)


def test_what_must_stay_free_is_a_reason() -> None:
    budget, level = kept(unused=0.062)
    said = budget.why_unused(level, free=0.06)
    assert said == "only 93.8% is used: 6.0% is kept free for later verdicts"


def test_a_machine_that_became_faster_is_a_reason() -> None:
    budget, level = kept(unused=0.065, settled=0.047)
    said = budget.why_unused(level, free=0.045)
    faster = (1 - 0.047) / (1 - 0.065) - 1
    assert f"4.5% is kept free for later verdicts, and the machine became {faster:.1%}" in said


def test_a_network_that_was_never_near_enough_is_none_between() -> None:
    budget, level = kept(unused=0.10)
    assert "no network between" in budget.why_unused(level, free=0.03)
    # One that has hardly moved since was not near enough either.
    budget, level = kept(unused=0.10, settled=0.099)
    assert "no network between" in budget.why_unused(level, free=0.03)
