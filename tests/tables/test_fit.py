from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from sgnas_deploy.tables import margin as margins
from sgnas_deploy.tables.fit import evaluate, fit
from sgnas_deploy.tables.margin import margin, selection_bias
from sgnas_deploy.tables.statistics import (
    block_cost_s,
    drift_of,
    errors,
    pooled_percentile_s,
    repeat_gap,
    spans,
    spearman,
)

T = np.array([1.0, 1.3, 2.0, 3.1, 4.0, 5.2, 6.1, 7.0, 8.0]) * 1e-3
B = np.array([3.0, 9.0, 1.0, 7.0, 2.0, 8.0, 4.0, 6.0, 5.0]) * 1e6


def test_affine_truth_is_found() -> None:
    found = fit(T, B, 1e-4 + 1.2 * T)
    assert found.model == "affine"
    assert found.coefficients == pytest.approx((1e-4, 1.2, 0.0))
    assert found.error < 1e-12


def test_proportional_truth_stays_proportional() -> None:
    found = fit(T, B, 1.1 * T)
    assert found.model == "proportional"
    assert found.coefficients == pytest.approx((0.0, 1.1, 0.0))


def test_quadratic_truth_is_found() -> None:
    found = fit(T, np.zeros_like(B), 1e-4 + 1.2 * T + 30 * T**2)
    assert found.model == "quadratic"
    assert found.coefficients == pytest.approx((1e-4, 1.2, 30.0))


def test_weight_bytes_are_found() -> None:
    found = fit(T, B, 1e-4 + 1.2 * (T + 1e-10 * B))
    assert found.model == "affine+bytes"
    assert found.s_per_byte == pytest.approx(1e-10)
    assert found.coefficients == pytest.approx((1e-4, 1.2, 0.0))


def test_the_price_of_blocks_without_weights_is_found() -> None:
    light = T * np.array([0.5, 0.1, 0.4, 0.2, 0.6, 0.1, 0.3, 0.5, 0.2])
    found = fit(T, np.zeros_like(B), 1e-4 + 1.2 * (T - 0.7 * light), light)
    assert found.model == "affine+light"
    assert found.light == pytest.approx(-0.7)
    assert found.coefficients == pytest.approx((1e-4, 1.2, 0.0))
    assert found.error < 1e-12


def test_no_block_gets_a_negative_price() -> None:
    light = T * np.array([0.5, 0.1, 0.4, 0.2, 0.6, 0.1, 0.3, 0.5, 0.2])
    found = fit(T, np.zeros_like(B), 1e-4 + 1.2 * (T - 1.3 * light), light)
    assert found.light >= -1


def test_bending_down_is_not_followed() -> None:
    found = fit(T, np.zeros_like(B), 2e-3 * np.sqrt(T / 1e-3))
    assert found.coefficients[2] == 0
    assert found.coefficients[1] > 0


def test_noise_alone_does_not_bring_a_richer_model() -> None:
    richer = 0
    for seed in range(40):
        noise = np.exp(0.02 * np.random.default_rng(seed).standard_normal(len(T)))
        richer += fit(T, B, (2e-4 + 1.2 * T) * noise).model != "affine"
    assert richer <= 12


def test_collinear_weights_change_nothing() -> None:
    found = fit(T, T * 1e9, 1e-4 + 1.2 * T)
    assert found.model == "affine"


def test_equal_networks_give_a_ratio() -> None:
    found = fit([1e-3] * 6, [5.0] * 6, [1.1e-3, 1.2e-3, 1.1e-3, 1.2e-3, 1.1e-3, 1.2e-3])
    assert found.model == "proportional"
    assert found.coefficients[1] == pytest.approx(1.15, abs=0.01)


@given(
    st.lists(st.floats(1e-6, 1.0), min_size=4, max_size=10),
    st.lists(st.floats(1e-6, 1.0), min_size=10, max_size=10),
)
def test_any_data_gives_a_monotone_g(t: list[float], y: list[float]) -> None:
    found = fit(t, [0.0] * len(t), y[: len(t)])
    a0, a1, a2 = found.coefficients
    assert a1 > 0
    assert a2 >= 0
    assert math.isfinite(a0)
    assert all(math.isfinite(r) for r in found.residuals)
    assert (evaluate(found.coefficients, np.array(t)) > 0).all()


def test_leave_one_out_is_of_the_relative_least_squares() -> None:
    y = (2e-3 + 1.2 * T) * np.exp(0.03 * np.random.default_rng(3).standard_normal(len(T)))
    found = fit(T, np.zeros_like(B), y)
    assert found.model == "affine"
    for i in range(len(T)):
        keep = np.arange(len(T)) != i
        weights = 1 / y[keep]
        slope, offset = np.polyfit(T[keep], y[keep], 1, w=weights)
        assert found.residuals[i] == pytest.approx(y[i] / (offset + slope * T[i]) - 1)


def test_margin_follows_its_rule() -> None:
    r = np.array([0.01, -0.02, 0.03, 0.0, -0.01, 0.02, 0.015, -0.005])
    found = margin(r.tolist(), 0.01)
    t = scipy.stats.t.ppf(0.95, len(r) - 1)
    bound = r.mean() + t * r.std(ddof=1) * math.sqrt(1 + 1 / len(r))
    assert found.bound == pytest.approx(bound, rel=1e-3)
    assert found.share == pytest.approx(1 - 1 / (1 + bound + 0.01), rel=1e-3)
    assert not found.warning


def test_margin_has_a_floor_and_a_warned_ceiling() -> None:
    assert margin([0.0, 0.0, 0.0], 0.0).share == margins.LEAST
    assert margin([-0.3, -0.3, -0.31], 0.0).share == margins.LEAST
    cut = margin([0.5, -0.4, 0.6, 0.1], 0.0)
    assert cut.share == margins.MOST
    assert "cut to" in cut.warning


@pytest.mark.parametrize("df", range(1, 31))
def test_quantiles_of_t(df: int) -> None:
    assert margins._T95[df - 1] == pytest.approx(scipy.stats.t.ppf(0.95, df), abs=6e-4)


def test_selection_bias_is_of_noise_only() -> None:
    rng = np.random.default_rng(0)
    true = [1e-4 * (1 + rng.random(40)) for _ in range(10)]
    scores = [c * 1e12 * (1 + 0.1 * rng.random(40)) for c in true]
    assert selection_bias(true, true, scores) == pytest.approx(0, abs=1e-12)
    assert selection_bias(true, [1.3 * c for c in true], scores) == pytest.approx(0, abs=1e-12)
    noisy = [[c * np.exp(0.05 * rng.standard_normal(len(c))) for c in true] for _ in range(2)]
    assert 0.01 < selection_bias(noisy[0], noisy[1], scores) < 0.2


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=3, max_size=20).filter(
        lambda pairs: len({a for a, _ in pairs}) > 1 and len({b for _, b in pairs}) > 1
    )
)
def test_spearman_agrees_with_scipy(pairs: list[tuple[int, int]]) -> None:
    a, b = [float(x) for x, _ in pairs], [float(y) for _, y in pairs]
    assert spearman(a, b) == pytest.approx(scipy.stats.spearmanr(a, b).statistic)


def test_spearman_of_a_constant_is_0() -> None:
    assert spearman([1.0, 1.0, 1.0], [1.0, 2.0, 3.0]) == 0


def test_errors() -> None:
    found = errors([1.1, 1.9], [1.0, 2.0])
    assert found.mape == pytest.approx(0.075)
    assert found.maximum == pytest.approx(0.1)
    assert found.bias == pytest.approx(0.025)
    assert found.spearman == pytest.approx(1)


def test_block_statistics() -> None:
    passes = [(3.0, 1.0, 9.0), (2.0, 2.5, 2.1)]
    assert block_cost_s(passes, "min") == 1.0
    assert block_cost_s(passes, "min-of-pass-medians") == 2.1
    assert block_cost_s(passes, "min-of-pass-means") == pytest.approx(2.2)


def test_percentiles_are_of_all_launches_together() -> None:
    launches = [(1.0, 2.0), (3.0, 4.0, 5.0)]
    assert pooled_percentile_s(launches, 50) == 3.0
    for p in (5.0, 50.0, 95.0):
        expected = np.percentile(list(itertools.chain(*launches)), p)
        assert pooled_percentile_s(launches, p) == pytest.approx(expected)


def test_repeats() -> None:
    assert repeat_gap([5.0]) == 0
    assert repeat_gap([3.0, 2.0, 2.2]) == pytest.approx(0.1)
    assert drift_of([(1.0,), (1.2,), (1.1,)]) == pytest.approx(0.2)


def test_states_become_spans() -> None:
    found = spans([{"mhz": 1000.0, "governor": "a"}, {"mhz": 1500.5, "governor": "b"}, {"x": 1}])
    assert found == {"mhz": "1000..1500.5", "governor": "a, b", "x": "1"}
