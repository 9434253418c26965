"""The evidence: never negative, on the right side, and a bet that wins nothing on average."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgnas_deploy.verdict.betting import BETS, evidence

shares = st.lists(st.floats(0, 1), min_size=1, max_size=60).map(np.array)
limits = st.floats(0.001, 0.999)


@given(shares, limits)
def test_evidence_is_a_finite_number_after_every_value(values: np.ndarray, limit: float) -> None:
    found = evidence(values, limit)
    assert found.below.shape == found.above.shape == values.shape
    assert np.isfinite(found.below).all()
    assert np.isfinite(found.above).all()


@given(shares, limits)
def test_the_two_gamblers_are_mirror_images(values: np.ndarray, limit: float) -> None:
    one, other = evidence(values, limit), evidence(1 - values, 1 - limit)
    assert one.above == pytest.approx(other.below, abs=1e-6)


@given(shares, limits, st.data())
def test_a_smaller_value_speaks_more_for_a_low_mean(
    values: np.ndarray, limit: float, data: st.DataObject
) -> None:
    index = data.draw(st.integers(0, len(values) - 1))
    smaller = values.copy()
    smaller[index] = data.draw(st.floats(0, values[index]))
    before, after = evidence(values, limit), evidence(smaller, limit)
    assert after.below[-1] >= before.below[-1] - 1e-9
    assert after.above[-1] <= before.above[-1] + 1e-9


@given(shares, limits)
def test_an_earlier_value_does_not_depend_on_a_later_one(values: np.ndarray, limit: float) -> None:
    assert evidence(values[:1], limit).below[0] == pytest.approx(evidence(values, limit).below[0])


@given(shares, limits, st.randoms())
def test_order_does_not_matter(values: np.ndarray, limit: float, random: object) -> None:
    shuffled = list(values)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert evidence(np.array(shuffled), limit).below[-1] == pytest.approx(
        evidence(values, limit).below[-1], abs=1e-8
    )


@pytest.mark.parametrize("limit", [0.5, 0.05, 0.8])
def test_the_wealth_is_the_mean_over_the_bets_of_its_products(limit: float) -> None:
    values = np.array([0.1, 0.7, 0.0, 0.35])
    slow = np.mean([math.prod(1 + bet / (1 - limit) * (limit - x) for x in values) for bet in BETS])
    assert evidence(values, limit).below[-1] == pytest.approx(math.log(slow))


@pytest.mark.parametrize("limit", [0.5, 0.05])
def test_on_the_limit_the_expected_wealth_is_exactly_one(limit: float) -> None:
    """All outcomes of six coins with `limit` for heads, weighed by their probability."""
    total = 0.0
    for outcome in product((0.0, 1.0), repeat=6):
        heads = sum(outcome)
        probability = limit**heads * (1 - limit) ** (6 - heads)
        total += probability * math.exp(evidence(np.array(outcome), limit).below[-1])
    assert total == pytest.approx(1)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6), st.floats(0.02, 0.98))
def test_drifting_means_cannot_win_while_their_average_is_not_below_the_limit(
    means: list[float], limit: float
) -> None:
    """Constant bets: the expected wealth of independent values is at most one for any such path."""
    shift = max(0.0, limit - float(np.mean(means)))
    raised = [min(1.0, mean + shift) for mean in means]
    if np.mean(raised) < limit:  # clipping at 1 took some of the shift
        raised = [max(mean, limit) for mean in raised]
    expected = 0.0
    for outcome in product((0.0, 1.0), repeat=len(raised)):
        probability = math.prod(
            mean if x else 1 - mean for x, mean in zip(outcome, raised, strict=True)
        )
        if probability:
            expected += probability * math.exp(evidence(np.array(outcome), limit).below[-1])
    assert expected <= 1 + 1e-9
