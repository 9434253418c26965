from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sgnas_deploy import spaces
from sgnas_deploy.generator import perturbed
from sgnas_deploy.generator.perturbed import WORTH, RandomDevice
from sgnas_deploy.generator.scale import LatencyModel, option_macs, scale_of
from sgnas_deploy.generator.within import best_within
from tests.generator.models import model

TINY = spaces.load("tiny")


def devices(count: int, seed: int = 0, space: str = "tiny") -> tuple[RandomDevice, ...]:
    return perturbed.draw(spaces.load(space), [model(space)], count, seed)[0]


def costs_of(device: RandomDevice) -> np.ndarray:
    return np.stack(device.option_costs)


def test_a_seed_decides_every_device() -> None:
    for one, again in zip(devices(5), devices(5), strict=True):
        np.testing.assert_array_equal(costs_of(one), costs_of(again))
        assert one.fixed_cost == again.fixed_cost
    # More devices begin with the same ones.
    np.testing.assert_array_equal(costs_of(devices(9)[4]), costs_of(devices(5)[4]))
    assert not np.array_equal(costs_of(devices(1)[0]), costs_of(devices(1, seed=1)[0]))


@pytest.mark.parametrize("space", ["tiny", "tiny+paper", "tiny+se"])
def test_devices_are_worth_choosing_on(space: str) -> None:
    loaded = spaces.load(space)
    found, scales = perturbed.draw(loaded, [model(space)], 40, 0)
    for device, scale in zip(found, scales, strict=True):
        costs = costs_of(device)
        assert np.isfinite(costs).all()
        assert (costs > 0).all()
        assert scale == scale_of(device, loaded)
        assert scale.slowest_s > WORTH * scale.fastest_s


def test_devices_differ_in_what_they_like() -> None:
    """Costs of options are ranked otherwise than by operations, and otherwise by each device."""
    from scipy.stats import spearmanr

    operations = np.concatenate(option_macs(TINY))
    flat = [costs_of(device).ravel() for device in devices(60)]
    by_operations = np.array([spearmanr(one, operations).statistic for one in flat])
    assert by_operations.min() < 0.8 < by_operations.max()
    between = [spearmanr(flat[i], flat[i + 1]).statistic for i in range(0, 60, 2)]
    assert np.ptp(between) > 0.2


def test_a_device_is_a_latency_model() -> None:
    device: LatencyModel = devices(1)[0]
    options = TINY.sample(np.random.default_rng(0))
    total = device.fixed_cost + sum(
        float(c[o]) for c, o in zip(device.option_costs, options, strict=True)
    )
    assert device.predict_s(options) == pytest.approx(total)
    budgets = np.array([1e-3, 2e-3])
    np.testing.assert_array_equal(device.total_cost(budgets), budgets)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.lists(st.floats(0, 1.05), min_size=1, max_size=4))
def test_budgets_are_kept_on_every_device(seed: int, places: list[float]) -> None:
    (device,), (scale,) = perturbed.draw(TINY, [model()], 1, seed)
    targets = scale.fastest_s + np.array(places) * (scale.slowest_s - scale.fastest_s)
    targets = np.maximum(targets, scale.fastest_s)
    operations = option_macs(TINY)
    rng = np.random.default_rng(seed)
    scores = [rng.normal(0, 1, (len(places), n)) for n in TINY.option_counts]
    found = best_within(device, scale, scores, targets, operations)
    for target, one in zip(targets, found, strict=True):
        assert one.predicted_s <= target
