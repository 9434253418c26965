"""The comparison of an export with the PyTorch network."""

from __future__ import annotations

import numpy as np
import pytest

from sgnas_deploy.data import Preprocessing
from sgnas_deploy.export import parity

DIGITS = Preprocessing(resolution=32, crop=1.0, mean=(0.1, 0.2, 0.3), std=(0.5, 0.25, 0.2))


def test_inputs_reach_the_extremes() -> None:
    images = parity.inputs(DIGITS)
    assert images.shape == (14, 3, 32, 32)
    assert images.dtype == np.float32
    black = np.array([-0.2, -0.8, -1.5], np.float32)
    white = np.array([1.8, 3.2, 3.5], np.float32)
    np.testing.assert_allclose(images[8].max((1, 2)), black, rtol=1e-6)
    np.testing.assert_allclose(images[9].min((1, 2)), white, rtol=1e-6)
    assert set(np.unique(images[10][0])) == {images[8][0, 0, 0], images[9][0, 0, 0]}
    np.testing.assert_array_equal(images, parity.inputs(DIGITS))
    assert not np.array_equal(images[:8], parity.inputs(DIGITS, seed=1)[:8])


def test_the_limit_follows_the_size_of_the_logits() -> None:
    reference = np.array([[0.0, 20.0], [-40.0, 1.0]], np.float32)
    near = reference + np.float32(0.03)
    far = reference + np.float32(0.05)
    assert parity.compare(near, reference).limit == pytest.approx(0.04)
    assert parity.compare(near, reference).passed
    assert parity.compare(near, reference).max_abs == pytest.approx(0.03, rel=1e-3)
    assert not parity.compare(far, reference).passed
    small = reference / np.float32(100)
    assert not parity.compare(small + np.float32(0.001), small).passed


@pytest.mark.parametrize(
    ("precision", "turned", "passes"),
    [("fp16", 0.03, True), ("fp16", 0.06, False), ("int8", 0.4, True), ("int8", 0.6, False)],
)
def test_the_direction_of_each_images_logits_has_a_limit_of_its_own(
    precision: str, turned: float, passes: bool
) -> None:
    """One image of small logits, among large ones that make every single difference small."""
    reference = np.array([[100.0, 0.0], [1.0, 0.0]], np.float32)
    exported = np.array([[100.0, 0.0], [1.0, turned]], np.float32)
    found = parity.compare(exported, reference, precision)
    assert found.max_abs < found.limit
    assert found.cosine == pytest.approx(1 / np.hypot(1, turned))
    assert found.passed is passes
    if not passes:
        assert f"at a cosine of {found.cosine:.4f}" in found.problem


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_never_passes(bad: float) -> None:
    good = np.ones((2, 3), np.float32)
    broken = good.copy()
    broken[1, 2] = bad
    assert not parity.compare(broken, good).passed
    assert not parity.compare(good, broken).passed
    assert not parity.compare(broken, broken).passed


def test_shapes_must_agree() -> None:
    with pytest.raises(ValueError, match="logits"):
        parity.compare(np.ones((2, 3), np.float32), np.ones((2, 4), np.float32))
