from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.quality_parts import figures, picture

VALUES = st.lists(st.integers(0, 6), min_size=4, max_size=12)


@given(VALUES, st.randoms(use_true_random=False))
def test_rank_correlations_are_scipys(values: list[int], random: object) -> None:
    stats = pytest.importorskip("scipy.stats")
    other = list(values)
    random.shuffle(other)  # type: ignore[attr-defined]
    a, b = np.array(values, np.float64), np.array(other, np.float64)
    if a.std() == 0:
        assert np.isnan(figures.kendall(a, b))
        return
    assert figures.kendall(a, b) == pytest.approx(stats.kendalltau(a, b).statistic)
    assert figures.spearman(a, b) == pytest.approx(stats.spearmanr(a, b).statistic)


def test_within_bands_only_pairs_of_a_band_count() -> None:
    a = np.array([1.0, 2.0, 11.0, 12.0])
    b = np.array([2.0, 1.0, 12.0, 11.0])
    bands = np.array([0, 0, 1, 1])
    assert figures.kendall(a, b) > 0
    assert figures.kendall(a, b, bands) == -1
    found = figures.correlation(a, b, bands)
    assert found["kendall_within_bands"] == -1
    low, high = found["kendall_interval"]
    assert low <= found["kendall"] <= high


def test_a_difference_and_its_error() -> None:
    rng = np.random.default_rng(0)
    differences = []
    for _ in range(300):
        own = rng.random((3, 400)) < 0.8
        rival = rng.random((3, 400)) < 0.78
        found = figures.difference(own, rival)
        differences.append(found["points"])
        # Independent answers: the error of a mean of 3 times 400 of them.
        expected = 100 * np.sqrt((0.8 * 0.2 + 0.78 * 0.22) / 1200)
        assert found["standard_error"] == pytest.approx(expected, rel=0.2)
    assert np.mean(differences) == pytest.approx(2.0, abs=0.3)
    same = rng.random((3, 400)) < 0.8
    assert figures.difference(same, same) == {"points": 0.0, "standard_error": 0.0}


def test_the_picture_has_a_line_for_each_method() -> None:
    def method(shift: float) -> dict[str, object]:
        rows = [
            {"predicted_ms": x, "accuracy": {"unseen": 0.5 + shift + 0.1 * x}} for x in (1.0, 2.0)
        ]
        return {"rows": rows}

    methods = {"generator": method(0.0), "evolution": method(0.01), "other": method(0.02)}
    drawn = picture.draw(methods, "unseen", "a < b")
    assert drawn.startswith("<svg")
    assert drawn.count("<path") == 2
    assert drawn.count("<circle") == 4
    assert "a &lt; b" in drawn
    assert "evolution" in drawn
    assert "other" not in drawn
