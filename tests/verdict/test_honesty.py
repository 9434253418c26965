"""The test on simulated devices: a small edition of `benchmarks/verdict_honesty.py`."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from benchmarks import verdict_honesty as honest

DOCS = Path(__file__).parents[2] / "docs"
OVER, AT, UNDER = "0-3 % over the budget", "exactly at the budget", "3 % under the budget"
ROWS = {
    "false PASS, true percentile 0-3 % over the budget": (OVER, "PASS", True),
    "of these wrong also of the period measured": (OVER, "wrong_of_period", True),
    "false PASS, true percentile exactly at the budget, wrong of the period measured": (
        AT,
        "wrong_of_period",
        True,
    ),
    "3 % under the budget: PASS": (UNDER, "PASS", False),
    "3 % under the budget: false FAIL": (UNDER, "FAIL", False),
    "3 % under the budget: UNDECIDED": (UNDER, "UNDECIDED", False),
}


@pytest.mark.parametrize(("column", "name"), [(0, "p50"), (1, "p95")])
def test_the_documented_rates_are_those_of_the_files(column: int, name: str) -> None:
    kept = json.loads((DOCS / "results" / "verdict_honesty" / f"{name}.json").read_text())
    assert (kept["devices"], kept["confidence"], kept["seed"]) == (1000, 0.95, 1)
    page = (DOCS / "verdict.md").read_text()
    for title, (condition, verdict, with_bound) in ROWS.items():
        (cells,) = re.findall(rf"^\| {re.escape(title)} \|(.*)\|$", page, re.MULTILINE)
        rates = kept[condition]["betting"]["all"][verdict]
        expected = f"{100 * rates['rate']:.1f}"
        if with_bound:
            expected += f" ({100 * rates['lower_99']:.1f})"
        assert cells.split("|")[column].strip() == expected, title


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    return honest.honesty(devices=90, percentile=50, confidence=0.95, seed=7)


def test_the_rate_of_false_passes_is_not_shown_to_exceed_the_promise(found: dict[str, Any]) -> None:
    rates = found["0-3 % over the budget"]["betting"]["all"]
    assert rates["devices"] == 90
    assert rates["PASS"]["lower_99"] <= 0.05


def test_of_the_period_measured_even_a_drifting_device_is_judged_rightly(
    found: dict[str, Any],
) -> None:
    for condition in ("0-3 % over the budget", "exactly at the budget", "3 % under the budget"):
        for kind in honest.KINDS:
            rates = found[condition]["betting"][kind]
            assert rates["wrong_of_period"]["lower_99"] <= 0.05, (condition, kind)


def test_three_percent_under_the_budget_steady_devices_pass(found: dict[str, Any]) -> None:
    for kind in ("quiet", "processes differ", "correlated runs", "spikes"):
        rates = found["3 % under the budget"]["betting"][kind]
        assert rates["PASS"]["rate"] >= 0.9, kind
        assert rates["FAIL"]["rate"] == 0, kind


def test_the_same_seed_gives_the_same_rates() -> None:
    assert honest.honesty(9, 50, 0.95, 3) == honest.honesty(9, 50, 0.95, 3)


@pytest.mark.parametrize("kind", honest.KINDS)
def test_a_simulated_device_has_the_percentile_it_is_said_to_have(kind: str) -> None:
    """Long-run share of runs over the true percentile, over many campaigns of one device."""
    rng = np.random.default_rng(5)
    device = honest.draw(kind, rng)
    limit = np.percentile(honest.stationary(device, 4000, rng), 50)
    shares = [(honest.campaign(device, rng) > limit).mean() for _ in range(150)]
    error = np.std(shares) / np.sqrt(len(shares)) + 0.01
    assert np.mean(shares) == pytest.approx(0.5, abs=4 * error)


@pytest.mark.parametrize(("count", "n"), [(1, 50), (5, 5), (10, 100), (48, 1000)])
def test_at_the_lower_bound_so_many_are_seen_once_in_a_hundred(count: int, n: int) -> None:
    bound = honest.lower_bound(count, n)
    assert stats.binom.sf(count - 1, n, bound) == pytest.approx(0.01)


def test_nothing_seen_has_no_lower_bound() -> None:
    assert honest.lower_bound(0, 50) == 0
