"""The test: what it asks for, what it refuses, how it counts launches that are alike."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgnas_deploy.errors import BadInput
from sgnas_deploy.verdict import PercentileTest
from sgnas_deploy.verdict.dependence import autocorrelation_time


@pytest.mark.parametrize("budget_s", [0.0, -1.0, math.nan, math.inf, -math.inf, 1e9])
def test_impossible_budgets_are_refused(budget_s: float) -> None:
    with pytest.raises(BadInput, match="budget must be positive"):
        PercentileTest(budget_s, 50, 0.95)


@pytest.mark.parametrize("percentile", [0, 100, -3, 101, math.nan])
def test_impossible_percentiles_are_refused(percentile: float) -> None:
    with pytest.raises(BadInput, match="percentile must lie between"):
        PercentileTest(0.01, percentile, 0.95)


@pytest.mark.parametrize("confidence", [0.5, 1.0, 0.0, 95, math.nan])
def test_impossible_confidences_are_refused(confidence: float) -> None:
    with pytest.raises(BadInput, match="confidence must lie between"):
        PercentileTest(0.01, 50, confidence)


def test_a_run_of_exactly_the_budget_keeps_it() -> None:
    test = PercentileTest(0.01, 50, 0.95)
    assert test.share([0.01, 0.01, 0.011, 0.009]) == 0.25


@pytest.mark.parametrize(("percentile", "fewest"), [(50, 7), (95, 100), (5, 2)])
def test_the_fewest_launches_are_what_a_pass_takes(percentile: float, fewest: int) -> None:
    test = PercentileTest(0.01, percentile, 0.95)
    assert test.fewest_launches <= fewest
    n = test.fewest_launches
    levels = np.full(n, math.log(0.005))
    assert test.judge(np.zeros(n), levels).verdict == "PASS"
    assert test.judge(np.zeros(n - 1), levels[1:]).verdict == "UNDECIDED"


def test_nothing_measured_is_undecided() -> None:
    judgement = PercentileTest(0.01, 50, 0.95).judge(np.array([]), np.array([]))
    assert (judgement.verdict, judgement.launches) == ("UNDECIDED", 0)


def test_far_over_the_budget_fails_at_once_and_stays_so() -> None:
    test = PercentileTest(0.01, 50, 0.95)
    for n in (8, 30, 100):
        assert test.judge(np.ones(n), np.full(n, math.log(0.02))).verdict == "FAIL"


@given(
    st.lists(st.floats(0, 1), min_size=1, max_size=40),
    st.sampled_from([50.0, 90.0, 95.0]),
    st.floats(0.6, 0.99),
)
def test_both_verdicts_never_hold_at_once(
    shares: list[float], percentile: float, confidence: float
) -> None:
    test = PercentileTest(0.01, percentile, confidence)
    judgement = test.judge(np.array(shares), np.full(len(shares), math.log(0.01)))
    assert min(judgement.log_pass, judgement.log_fail) < test.log_needed
    assert judgement.discount >= 1


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40), st.floats(0.6, 0.98))
def test_a_verdict_at_more_confidence_holds_at_less(shares: list[float], confidence: float) -> None:
    levels = np.full(len(shares), math.log(0.01))
    strict = PercentileTest(0.01, 50, confidence + 0.01).judge(np.array(shares), levels)
    loose = PercentileTest(0.01, 50, confidence).judge(np.array(shares), levels)
    if strict.verdict != "UNDECIDED":
        assert loose.verdict == strict.verdict


def test_launches_in_long_stretches_count_less_than_mixed_ones() -> None:
    test = PercentileTest(0.01, 50, 0.95)
    mixed = np.tile([0.0, 0.0, 0.0, 0.0, 1.0], 12)
    stretched = np.sort(mixed)
    levels = np.where(mixed > 0, math.log(0.011), math.log(0.009))
    assert test.judge(mixed, levels).verdict == "PASS"
    assert test.judge(stretched, np.sort(levels)).verdict == "UNDECIDED"


def test_a_latency_that_climbs_towards_the_budget_is_not_believed() -> None:
    test = PercentileTest(0.0105, 50, 0.95)
    climbing = np.log(np.linspace(0.0095, 0.0103, 40))
    assert test.judge(np.zeros(40), climbing).verdict == "UNDECIDED"


def test_the_same_climb_far_below_the_budget_does_not_matter() -> None:
    test = PercentileTest(0.02, 50, 0.95)
    climbing = np.log(np.linspace(0.0095, 0.0103, 40))
    assert test.judge(np.zeros(40), climbing).verdict == "PASS"


@pytest.mark.parametrize("value", [0.0, 0.1, -4.605170185988091])
def test_a_constant_series_says_nothing_of_dependence(value: float) -> None:
    assert autocorrelation_time(np.full(33, value)) == 1


@pytest.mark.parametrize("r", [0.0, 0.5, 0.8])
def test_the_autocorrelation_time_of_a_long_autoregression(r: float) -> None:
    noise = np.random.default_rng(3).standard_normal(20_000)
    series = np.zeros(20_000)
    for i in range(1, len(series)):
        series[i] = r * series[i - 1] + noise[i]
    assert autocorrelation_time(series) == pytest.approx((1 + r) / (1 - r), rel=0.1)


@given(st.lists(st.floats(-20, 5), max_size=50))
def test_the_autocorrelation_time_is_one_or_more(series: list[float]) -> None:
    assert 1 <= autocorrelation_time(np.array(series)) < 70
