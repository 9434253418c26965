"""The reasons of an UNDECIDED name what stood in the way."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sgnas_deploy.verdict import PercentileTest
from sgnas_deploy.verdict.betting import Floats
from sgnas_deploy.verdict.undecided import reason


def why(test: PercentileTest, levels: Floats, measured_s: float, load: str = "") -> str:
    shares = (levels > math.log(test.budget_s)).astype(float)
    judgement = test.judge(shares, levels)
    assert judgement.verdict == "UNDECIDED"
    return reason(test, judgement, measured_s, levels, load)


def test_a_budget_next_to_the_measured_value_is_too_close() -> None:
    levels = np.log(0.01 * np.tile([0.99, 1.01], 30))
    assert why(PercentileTest(0.01, 50, 0.95), levels, 0.01003).startswith("too close: p50 lies")


def test_too_few_launches_are_counted_against_what_is_needed() -> None:
    test = PercentileTest(0.01, 99, 0.95)
    found = why(test, np.full(50, math.log(0.005)), 0.005)
    assert f"too few launches: p99 at 95 % takes at least {test.fewest_launches}, 50" in found


def test_a_slow_wander_is_called_drift_with_its_size() -> None:
    levels = np.log(0.01 * np.linspace(0.90, 1.04, 60))
    found = why(PercentileTest(0.01, 50, 0.95), levels, 0.0097)
    assert found.startswith("drift: p50 wanders slowly (+")


@pytest.mark.parametrize("load", ["", "other programs used 40 % of the CPUs"])
def test_noise_is_named_with_the_load_where_it_is_known(load: str) -> None:
    levels = np.log(0.01 * np.tile([0.93, 1.08], 30))
    found = why(PercentileTest(0.01, 50, 0.95), levels, 0.0097, load)
    assert found.startswith("too noisy: 80 % of the launches have p50 from 9.3 to 10.8 ms")
    assert found.endswith(load)


def test_steady_launches_away_from_the_budget_needed_more_time() -> None:
    found = why(PercentileTest(0.01, 50, 0.95), np.full(3, math.log(0.02)), 0.02)
    assert found.startswith("too little time: p50 lies 100.0 % from the budget")
