"""Summaries of samples. Pure; a sample is any float, usually seconds per run."""

from __future__ import annotations

import math
from typing import Sequence


def quantile(samples: Sequence[float], share: float) -> float:
    """Value below which `share` of the samples lies.

    Linear interpolation between the two nearest order statistics: with the n samples sorted, the
    value at the (fractional) index `share * (n - 1)`. This is type 7 of Hyndman and Fan (1996),
    the default of numpy.

    Args:
        samples: at least one, in any order.
        share: between 0 (the minimum) and 1 (the maximum).

    Raises:
        ValueError: no samples, or a share outside [0, 1].
    """
    if not samples:
        raise ValueError("no samples")
    if not 0 <= share <= 1:
        raise ValueError(f"a quantile's share lies between 0 and 1, not at {share}")
    ordered = sorted(samples)
    position = share * (len(ordered) - 1)
    below = math.floor(position)
    rest = position - below
    if rest == 0:
        return ordered[below]
    low, high = ordered[below], ordered[below + 1]
    # Clamped: rounding must not carry the result out of its interval.
    return min(max(low + rest * (high - low), low), high)


def median(samples: Sequence[float]) -> float:
    """Half of the samples lie below; the mean of the middle two if their number is even."""
    return quantile(samples, 0.5)


def mad(samples: Sequence[float]) -> float:
    """Median absolute deviation from the median, not scaled (0.6745 sigma of a normal)."""
    middle = median(samples)
    return median([abs(sample - middle) for sample in samples])


def coefficient_of_variation(samples: Sequence[float]) -> float:
    """Sample standard deviation (n - 1) over the mean; 0 for a single sample.

    Raises:
        ValueError: no samples, or a mean that is not positive.
    """
    if not samples:
        raise ValueError("no samples")
    mean = math.fsum(samples) / len(samples)
    if mean <= 0:
        raise ValueError("a coefficient of variation needs a positive mean")
    if len(samples) == 1:
        return 0.0
    variance = math.fsum((sample - mean) ** 2 for sample in samples) / (len(samples) - 1)
    return math.sqrt(variance) / mean


def drift(samples: Sequence[float]) -> float:
    """Median of the later half over that of the earlier half, less 1: +0.03 is 3 % slower.

    The samples are in the order in which they were taken; the middle one of an odd number belongs
    to neither half. 0 for a single sample.

    Raises:
        ValueError: no samples, or an earlier half whose median is not positive.
    """
    if not samples:
        raise ValueError("no samples")
    half = len(samples) // 2
    if half == 0:
        return 0.0
    before = median(samples[:half])
    if before <= 0:
        raise ValueError("a drift needs a positive start")
    return median(samples[len(samples) - half :]) / before - 1


def spread(values: Sequence[float]) -> float:
    """Largest over smallest, less 1: how far repeats of one figure lie apart.

    Raises:
        ValueError: no values, or one that is not positive.
    """
    if not values or min(values) <= 0:
        raise ValueError("a spread needs positive values")
    return max(values) / min(values) - 1
