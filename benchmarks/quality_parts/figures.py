"""Differences of methods, and how well one accuracy ranks another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from sgnas_deploy.tables.statistics import ranks

Floats: TypeAlias = npt.NDArray[np.float64]
Bools: TypeAlias = npt.NDArray[np.bool_]

RESAMPLES: Final = 2000
"""Of a bootstrap."""


def difference(correct: Bools, other: Bools) -> dict[str, float]:
    """Mean accuracy over the budgets minus another's, in points, and its standard error.

    Both have answered the same images for every budget, so what counts is how an image's share of
    right answers differs: the error is that of a mean over images.

    Args:
        correct: shape (budgets, images).
        other: the rival's, the same shape.
    """
    own = correct.mean(0) - other.mean(0)
    error = own.std(ddof=1) / np.sqrt(len(own)) if len(own) > 1 else np.nan
    return {"points": float(100 * own.mean()), "standard_error": float(100 * error)}


def kendall(a: Floats, b: Floats, bands: npt.NDArray[np.int64] | None = None) -> float:
    """Kendall's tau-b; with bands, over pairs within the same band only."""
    first, second = np.triu_indices(len(a), 1)
    if bands is not None:
        same = bands[first] == bands[second]
        first, second = first[same], second[same]
    x, y = np.sign(a[first] - a[second]), np.sign(b[first] - b[second])
    scale = np.sqrt(float((x != 0).sum()) * float((y != 0).sum()))
    return float((x * y).sum() / scale) if scale > 0 else float("nan")


def spearman(a: Floats, b: Floats) -> float:
    """Spearman's rho, equal values sharing their mean rank."""
    x, y = ranks(a), ranks(b)
    if x.std() == 0 or y.std() == 0:
        return float("nan")
    return float(np.corrcoef(x, y)[0, 1])


def correlation(
    a: Floats, b: Floats, bands: npt.NDArray[np.int64], seed: int = 0
) -> dict[str, Any]:
    """How well a ranks b, each with a 95 % interval (bootstrap over architectures).

    Args:
        a: shape (n,).
        b: shape (n,).
        bands: which latency band each belongs to, shape (n,).
        seed: of the resampling.
    """
    rng = np.random.default_rng(seed)
    drawn = rng.integers(len(a), size=(RESAMPLES, len(a)))
    taus = [kendall(a[own], b[own]) for own in drawn]
    rhos = [spearman(a[own], b[own]) for own in drawn]
    return {
        "kendall": kendall(a, b),
        "kendall_interval": _interval(taus),
        "spearman": spearman(a, b),
        "spearman_interval": _interval(rhos),
        "kendall_within_bands": _finite(kendall(a, b, bands)),
    }


def _interval(values: Sequence[float]) -> list[float]:
    """The middle 95 % of those that are numbers."""
    found = np.nanquantile(np.array(values), (0.025, 0.975))
    return [float(value) for value in found]


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None
