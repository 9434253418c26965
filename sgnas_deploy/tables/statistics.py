"""Numbers made of samples: a block's cost, percentiles, noise, drift, agreement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, final, get_args

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float64]
Statistic: TypeAlias = Literal["min-of-pass-medians", "min-of-pass-means", "min"]

STATISTICS: Final[tuple[Statistic, ...]] = get_args(Statistic)
DEFAULT_STATISTIC: Final[Statistic] = "min"

LAUNCH_QUANTILE: Final = 10.0
"""The percentile that stands for a launch where launches are compared: steadier than the median."""


def block_cost_s(passes: Sequence[Sequence[float]], statistic: Statistic) -> float:
    """Seconds that stand for a block.

    Every statistic takes the best pass, because whatever disturbs a pass only adds time. A sample
    is already the mean of many runs, so that its minimum (`min`) is no freak value: of the three
    it had the smallest selection bias (see `margin`) on a CPU, at the same error.

    Args:
        passes: samples of each pass, seconds a run.
        statistic: how they become one number.
    """
    if statistic == "min-of-pass-medians":
        return float(min(np.median(samples) for samples in passes))
    if statistic == "min-of-pass-means":
        return float(min(np.mean(samples) for samples in passes))
    return float(min(min(samples) for samples in passes))


def pooled_percentile_s(launches: Sequence[Sequence[float]], percentile: float) -> float:
    """Percentile of the samples of all launches together."""
    return float(np.percentile(np.concatenate([np.asarray(part) for part in launches]), percentile))


def best_launch_s(launches: Sequence[Sequence[float]], percentile: float) -> float:
    """Percentile of the best launch: whatever disturbs a launch only adds time."""
    return min(float(np.percentile(part, percentile)) for part in launches)


def repeat_gap(values: Sequence[float]) -> float:
    """How far the second best of repeated measurements lies above the best, relative.

    The best value is believed when another came close to it. 0 for a single value.
    """
    if len(values) < 2:
        return 0.0
    best, second = sorted(values)[:2]
    return second / best - 1


def variation(samples: Sequence[float]) -> float:
    """Coefficient of variation (standard deviation over mean); 0 for a single sample."""
    if len(samples) < 2:
        return 0.0
    return float(np.std(samples, ddof=1) / np.mean(samples))


def drift_of(launches: Sequence[Sequence[float]]) -> float:
    """Largest relative change of a network between its launches, by a low quantile of each."""
    values = [float(np.percentile(part, LAUNCH_QUANTILE)) for part in launches]
    return max(values) / min(values) - 1


def ranks(values: Sequence[float] | Floats) -> Floats:
    """Ranks from 0, ties averaged."""
    array = np.asarray(values, dtype=np.float64)
    _, inverse, counts = np.unique(array, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray(last - (counts + 1) / 2, dtype=np.float64)[inverse.reshape(-1)]


def spearman(first: Sequence[float] | Floats, second: Sequence[float] | Floats) -> float:
    """Rank correlation; 0 where one side does not vary and it is undefined."""
    a, b = ranks(first), ranks(second)
    a, b = a - a.mean(), b - b.mean()
    norm = float(np.sqrt((a @ a) * (b @ b)))
    return float(np.clip((a @ b) / norm, -1, 1)) if norm > 0 else 0.0


@final
@dataclass(frozen=True)
class Errors:
    """Relative errors of predictions: predicted / measured - 1.

    Attributes:
        mape: mean absolute error.
        maximum: largest absolute error.
        bias: mean error; negative where the prediction is too low.
        spearman: rank correlation of predicted and measured.
    """

    mape: float
    maximum: float
    bias: float
    spearman: float


def errors(predicted_s: Sequence[float] | Floats, measured_s: Sequence[float] | Floats) -> Errors:
    """Compare predictions with measurements."""
    predicted, measured = np.asarray(predicted_s), np.asarray(measured_s)
    relative = predicted / measured - 1
    return Errors(
        mape=float(np.abs(relative).mean()),
        maximum=float(np.abs(relative).max()),
        bias=float(relative.mean()),
        spearman=spearman(predicted, measured),
    )


def spans(states: Sequence[Mapping[str, float | str]]) -> dict[str, str]:
    """What was read of the machine over many measurements, one text a name.

    A number becomes `low..high`; of a text every value that occurred is kept, at most eight.
    """
    found: dict[str, str] = {}
    for name in sorted({name for state in states for name in state}):
        values = [state[name] for state in states if name in state]
        numbers = [value for value in values if isinstance(value, (int, float))]
        if len(numbers) == len(values):
            low, high = min(numbers), max(numbers)
            found[name] = f"{low:g}" if low == high else f"{low:g}..{high:g}"
        else:
            found[name] = ", ".join(sorted({str(value) for value in values})[:8])
    return found
