from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgnas_deploy import spaces, tables
from sgnas_deploy.errors import BadInput, EnvironmentProblem
from sgnas_deploy.tables.calibration import calibration_networks, stratified
from sgnas_deploy.tables.predictor import Costs, costs_of, macs_costs
from tests.tables import synthetic

TINY = spaces.load("tiny")
FOUND = tables.predictor(synthetic.table())


def test_prediction_is_g_of_the_sum_of_costs() -> None:
    found = tables.predictor(synthetic.table())
    options = TINY.sample(np.random.default_rng(0))
    total = found.fixed_cost + sum(c[o] for c, o in zip(found.option_costs, options, strict=True))
    a0, a1, a2 = found.coefficients
    assert found.predict_s(options) == pytest.approx(a0 + a1 * total + a2 * total**2)
    assert len(found.option_costs) == len(TINY.option_counts)
    assert tuple(len(c) for c in found.option_costs) == TINY.option_counts
    assert found.space == "tiny"
    assert found.percentile == 50


def test_it_predicts_networks_it_was_not_fitted_on() -> None:
    found = tables.predictor(synthetic.table())
    rng = np.random.default_rng(7)
    for _ in range(30):
        options = TINY.sample(rng)
        true_s = synthetic.network_s(TINY, options)
        assert found.predict_s(options) == pytest.approx(true_s, rel=0.03)
    assert found.error < 0.02


@given(latency_s=st.floats(1e-9, 1e3), a2=st.sampled_from([0.0, 1.0, 50.0, 1e4]))
def test_the_inverse_never_exceeds_the_latency(latency_s: float, a2: float) -> None:
    a0, a1, _ = FOUND.coefficients
    found = dataclasses.replace(FOUND, coefficients=(a0, a1, a2))
    total = found.total_cost(latency_s)
    assert found.latency_s(total) <= latency_s
    assert found.latency_s(total) == pytest.approx(latency_s, rel=1e-9, abs=1e-15)
    assert found.latency_s(np.nextafter(total, -np.inf)) <= latency_s


def test_the_inverse_takes_arrays_and_infinity() -> None:
    found = tables.predictor(synthetic.table())
    totals = found.total_cost(np.array([1e-3, 2e-3, np.inf]))
    assert totals.shape == (3,)
    assert totals[2] == np.inf
    assert totals[0] < totals[1]
    assert found.total_cost(1e-9) < found.fixed_cost


def test_the_range_is_of_the_extreme_networks() -> None:
    found = tables.predictor(synthetic.table())
    cheapest = tuple(int(c.argmin()) for c in found.option_costs)
    dearest = tuple(int(c.argmax()) for c in found.option_costs)
    low, high = found.range_s
    assert found.predict_s(cheapest) == pytest.approx(low)
    assert found.predict_s(dearest) == pytest.approx(high)
    assert 0 < low < high


def test_a_higher_percentile_predicts_more() -> None:
    table = synthetic.table(noise=0.05)
    options = TINY.sample(np.random.default_rng(1))
    p50, p95 = (tables.predictor(table, p).predict_s(options) for p in (50, 95))
    assert p95 > p50 * 1.03


@pytest.mark.parametrize("percentile", [0.0, 100.0, -1.0, float("nan"), float("inf")])
def test_an_impossible_percentile_is_refused(percentile: float) -> None:
    with pytest.raises(BadInput, match="percentile"):
        tables.predictor(synthetic.table(), percentile)


def test_costs_cannot_be_changed_by_accident() -> None:
    found = tables.predictor(synthetic.table())
    with pytest.raises(ValueError, match="read-only"):
        found.option_costs[0][0] = 0


def test_noise_of_the_blocks_shows_in_the_margin() -> None:
    quiet = tables.predictor(synthetic.table(noise=0.002))
    loud = tables.predictor(synthetic.table(noise=0.08))
    assert quiet.margin == pytest.approx(0.02, abs=0.005)
    assert loud.margin > 0.03
    assert loud.margin_parts.selection > quiet.margin_parts.selection


def test_a_single_pass_is_charged_for_its_unknown_selection() -> None:
    found = tables.predictor(synthetic.table(noise=0.001, passes=1))
    assert found.margin_parts.selection == 0.02


def test_calibration_networks_bracket_the_space() -> None:
    costs = macs_costs(TINY)
    found = calibration_networks(TINY, costs, 9, seed=0)
    totals = [costs.total(options) for options in found]
    assert len(set(found)) == 9
    assert (totals[0], totals[-1]) == costs.range
    assert totals == sorted(totals)
    low, high = costs.range
    gaps = np.diff(totals) / (high - low)
    assert gaps.max() < 0.2
    assert found == calibration_networks(TINY, costs, 9, seed=0)
    assert found != calibration_networks(TINY, costs, 9, seed=1)


def test_stratified_networks_avoid_the_excluded() -> None:
    costs = macs_costs(TINY)
    first = stratified(TINY, costs, np.array([0.5, 0.5, 0.5]), 0)
    assert len(set(first)) == 3
    second = stratified(TINY, costs, np.array([0.5]), 0, exclude=set(first))
    assert not set(first) & set(second)


def test_costs_add_up() -> None:
    by_key = {block.key: synthetic.block_s(block) for block in spaces.all_blocks(TINY)}
    costs = costs_of(TINY, by_key)
    options = TINY.sample(np.random.default_rng(2))
    expected = sum(by_key[block.key] for _, block in TINY.network_blocks(options))
    assert costs.total(options) == pytest.approx(expected)
    assert Costs(costs.options, costs.fixed).range[0] <= expected


def test_a_clock_that_tells_nothing_apart_is_named() -> None:
    costs = costs_of(TINY, {block.key: 1.0 for block in spaces.all_blocks(TINY)})
    with pytest.raises(EnvironmentProblem, match="cannot tell networks apart"):
        calibration_networks(TINY, costs, 9, seed=0)


def test_places_are_spaced_by_ratio_where_networks_differ_widely() -> None:
    space = spaces.load("nasbench201")
    costs = macs_costs(space)
    low, high = costs.range
    totals = [costs.total(found) for found in calibration_networks(space, costs, 9, seed=0)]
    assert high > 8 * low
    middle = np.sqrt(low * high)
    assert sum(total < middle for total in totals) >= 3
