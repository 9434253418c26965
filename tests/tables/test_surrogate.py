from __future__ import annotations

import numpy as np
import pytest

from sgnas_deploy import spaces
from sgnas_deploy.tables.predictor import block_times_s
from sgnas_deploy.tables.surrogate import Features, Kernel, design, surrogate
from tests.tables import synthetic

BLOCKS = spaces.all_blocks(spaces.load("tiny"))
FEATURES = Features.of(BLOCKS)
TRUE_S = np.array([synthetic.block_s(block) for block in BLOCKS])


def test_features_tell_every_block_from_every_other() -> None:
    rows = np.column_stack([FEATURES.shape, FEATURES.inner, FEATURES.size])
    assert len(np.unique(rows, axis=0)) == len(BLOCKS)
    assert len(np.unique(FEATURES.shape)) == 8  # six layers of `tiny`, stem, head
    assert FEATURES.inner.min() == 0
    assert FEATURES.inner.max() == 1


def test_the_kernel_is_a_covariance() -> None:
    found = Kernel(FEATURES)(0.1, 2.0, 0.3)
    assert np.allclose(found, found.T)
    assert np.linalg.eigvalsh(found).min() > -1e-8
    some = np.array([3, 99, 200])
    assert np.allclose(Kernel(FEATURES).among(some)(0.1, 2.0, 0.3), found[np.ix_(some, some)])


def test_a_design_visits_every_shape() -> None:
    chosen = design(FEATURES, 24)
    assert len(set(chosen)) == 24
    # Stem and head are alone in their shape: they tell nothing about others and may wait.
    many = {number for number in FEATURES.shape if (FEATURES.shape == number).sum() > 1}
    assert set(FEATURES.shape[chosen]) >= many
    assert design(FEATURES, 10) == chosen[:10]
    assert design(FEATURES, 5, first=[7, 8])[:2] == [7, 8]
    assert sorted(design(FEATURES, 10_000)) == list(range(len(BLOCKS)))


@pytest.mark.parametrize("count", [30, 100])
def test_what_was_not_measured_is_predicted_and_the_error_is_honest(count: int) -> None:
    chosen = design(FEATURES, count)
    found = surrogate(FEATURES, {FEATURES.keys[i]: float(TRUE_S[i]) for i in chosen})
    hidden = np.setdiff1d(np.arange(len(BLOCKS)), chosen)
    relative = found.costs_s[hidden] / TRUE_S[hidden] - 1
    assert np.sqrt(np.mean(relative**2)) < 0.03
    assert np.sqrt(np.mean(relative**2)) < 2 * found.error + 0.005
    assert np.mean(np.abs(relative) < 2 * found.errors[hidden]) > 0.9
    assert len(found.residuals) == count


def test_noise_is_smoothed_and_stated() -> None:
    rng = np.random.default_rng(5)
    chosen = design(FEATURES, 100)
    noisy_s = TRUE_S * np.exp(0.05 * rng.standard_normal(len(BLOCKS)))
    found = surrogate(FEATURES, {FEATURES.keys[i]: float(noisy_s[i]) for i in chosen})
    hidden = np.setdiff1d(np.arange(len(BLOCKS)), chosen)
    assert np.abs(found.costs_s[hidden] / TRUE_S[hidden] - 1).mean() < 0.04
    assert 0.03 < found.error < 0.1
    assert 0.02 < found.errors.mean() < 0.12


def test_another_device_s_costs_need_only_a_few_measurements() -> None:
    """Shapes differ in their ratio, as between real devices, and every block has its own quirk."""
    rng = np.random.default_rng(6)
    quirks = np.exp(0.08 * rng.standard_normal(len(BLOCKS)))
    ratio = 2.0 * np.exp(0.1 * rng.standard_normal(9))[FEATURES.shape.astype(int)]
    elsewhere = dict(zip(FEATURES.keys, (TRUE_S * quirks).tolist(), strict=True))
    here = TRUE_S * quirks * ratio
    chosen = design(FEATURES, 12)
    measured = {FEATURES.keys[i]: float(here[i]) for i in chosen}
    hidden = np.setdiff1d(np.arange(len(BLOCKS)), chosen)
    found = surrogate(FEATURES, measured, elsewhere)
    alone = surrogate(FEATURES, measured)
    error = np.abs(found.costs_s[hidden] / here[hidden] - 1).mean()
    assert error < 0.03
    assert error < 0.5 * np.abs(alone.costs_s[hidden] / here[hidden] - 1).mean()


def test_a_real_table_s_order_of_magnitude_is_irrelevant() -> None:
    times_s = block_times_s(synthetic.table())
    chosen = [FEATURES.keys[i] for i in design(FEATURES, 60)]
    once = surrogate(FEATURES, {key: times_s[key] for key in chosen})
    slower = surrogate(FEATURES, {key: 1e4 * times_s[key] for key in chosen})
    assert slower.costs_s == pytest.approx(1e4 * once.costs_s, rel=1e-6)
    assert slower.residuals == pytest.approx(once.residuals, abs=1e-9)
