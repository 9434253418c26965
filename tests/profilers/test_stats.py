"""Summaries of samples, against numpy and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sgnas_profilers import stats

# No denormals: where they are flushed to zero, a positive number divides to one that is not.
times = st.floats(1e-9, 1e3)
samples = st.lists(times, min_size=1, max_size=50)


@settings(deadline=None)
@given(samples, st.floats(0, 1))
def test_quantile_is_numpys_default(values: list[float], share: float) -> None:
    assert stats.quantile(values, share) == pytest.approx(np.quantile(values, share), rel=1e-9)


@settings(deadline=None)
@given(samples, st.floats(0, 1), st.floats(0, 1))
def test_quantile_is_monotone_and_within_the_samples(
    values: list[float], one: float, other: float
) -> None:
    low, high = sorted((one, other))
    assert min(values) <= stats.quantile(values, low) <= stats.quantile(values, high) <= max(values)


def test_quantile_by_hand() -> None:
    assert stats.quantile([4, 1, 3, 2], 0) == 1
    assert stats.quantile([4, 1, 3, 2], 1) == 4
    assert stats.quantile([4, 1, 3, 2], 0.5) == 2.5
    assert stats.quantile([10, 20], 0.25) == 12.5
    assert stats.quantile([7], 0.9) == 7


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_outside_of_0_to_1_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="share"):
        stats.quantile([1.0], share)


def test_median_and_mad_by_hand() -> None:
    assert stats.median([3, 1, 100]) == 3
    assert stats.mad([3, 1, 100]) == 2
    assert stats.mad([5]) == 0


@settings(deadline=None)
@given(st.lists(times, min_size=2, max_size=50))
def test_coefficient_of_variation_is_the_textbooks(values: list[float]) -> None:
    expected = np.std(values, ddof=1) / np.mean(values)
    assert stats.coefficient_of_variation(values) == pytest.approx(expected, rel=1e-6, abs=1e-9)


def test_coefficient_of_variation_of_one_sample_is_none() -> None:
    assert stats.coefficient_of_variation([0.5]) == 0


def test_drift_compares_the_halves() -> None:
    assert stats.drift([1.0, 1.0, 1.1, 1.1]) == pytest.approx(0.1)
    assert stats.drift([2.0, 2.0, 99.0, 1.0, 1.0]) == pytest.approx(-0.5)
    assert stats.drift([1.0]) == 0


@settings(deadline=None)
@given(samples)
def test_drift_of_a_repeated_series_is_none(values: list[float]) -> None:
    assert stats.drift([*values, *values]) == 0


def test_spread_is_largest_over_smallest() -> None:
    assert stats.spread([1.0, 1.03, 1.01]) == pytest.approx(0.03)
    assert stats.spread([5.0]) == 0


@pytest.mark.parametrize(
    "summary", [stats.median, stats.mad, stats.coefficient_of_variation, stats.drift, stats.spread]
)
def test_nothing_has_no_summary(summary: object) -> None:
    assert callable(summary)
    with pytest.raises(ValueError, match=r"no samples|needs positive"):
        summary([])


@pytest.mark.parametrize("summary", [stats.coefficient_of_variation, stats.drift, stats.spread])
def test_a_ratio_to_zero_is_refused(summary: object) -> None:
    assert callable(summary)
    with pytest.raises(ValueError, match="positive"):
        summary([0.0, 0.0])
