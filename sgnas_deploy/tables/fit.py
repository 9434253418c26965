"""Fitting `g` of `latency = g(sum of per-block costs)` on a few calibration networks.

Five models, simple to rich. A richer one replaces a simpler one only where leaving each network
out once says that it predicts better; with eight to ten networks anything else is over-fitting.
Errors are relative: a network of 1 ms counts as much as one of 10 ms.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, final

import numpy as np

from sgnas_deploy.tables.statistics import Floats

Values: TypeAlias = Sequence[float] | Floats
Model: TypeAlias = Literal["proportional", "affine", "affine+bytes", "affine+light", "quadratic"]

BETTER: Final = 0.9
"""A richer model must bring the leave-one-out error below this share of the simpler one's."""

SPREAD: Final = 0.02
"""Networks whose sums differ by less (relative) cannot tell a slope from an offset."""

MAX_CONDITION: Final = 1e6
"""Of the scaled design matrix; beyond it the features say the same and the richer model is out."""

_FEWEST: Final[dict[Model, int]] = {
    "proportional": 1,
    "affine": 4,
    "affine+bytes": 6,
    "affine+light": 6,
    "quadratic": 6,
}


@final
@dataclass(frozen=True)
class Fit:
    """A fitted g.

    Attributes:
        model: which of the five.
        coefficients: (a0, a1, a2): g(S) = a0 + a1 S + a2 S^2 with a1 > 0, a2 >= 0, S and g in
            seconds.
        s_per_byte: seconds that a byte of weights adds to a block's cost, >= 0.
        light: share that is added to the cost of a block without weights (a pooling, a sum), >= -1:
            runtimes fuse these into their neighbours, or reorder memory around them.
        residuals: measured / predicted - 1 of each network, predicted without it.
    """

    model: Model
    coefficients: tuple[float, float, float]
    s_per_byte: float
    light: float
    residuals: tuple[float, ...]

    @property
    def error(self) -> float:
        """Mean absolute leave-one-out error, relative."""
        return float(np.mean(np.abs(self.residuals)))


def fit(
    times_s: Values, sizes_bytes: Values, measured_s: Values, light_s: Values | None = None
) -> Fit:
    """Choose and fit a model.

    Args:
        times_s: sum of the block times of each calibration network.
        sizes_bytes: sum of their weight bytes; all 0 to leave the weights out.
        measured_s: what each network took.
        light_s: the part of `times_s` that is of blocks without weights; None to leave it out.

    Returns:
        The model; `proportional` where the networks are too alike for more.
    """
    t, b, y = (
        np.asarray(values, dtype=np.float64) for values in (times_s, sizes_bytes, measured_s)
    )
    light = np.zeros_like(t) if light_s is None else np.asarray(light_s, dtype=np.float64)
    best: Fit | None = None
    models: tuple[Model, ...] = (
        "proportional",
        "affine",
        "affine+bytes",
        "affine+light",
        "quadratic",
    )
    for model in models:
        found = _fit_model(model, t, b, light, y)
        if found is not None and (best is None or _rms(found) < BETTER * _rms(best)):
            best = found
    if best is None:  # cannot be: positive times and latencies always have a positive ratio
        raise AssertionError("no model fits")
    return best


def evaluate(coefficients: tuple[float, float, float], total: Floats | float) -> Floats:
    """g, extended below a sum of 0 by its tangent so that it is monotone everywhere."""
    a0, a1, a2 = coefficients
    s = np.asarray(total, dtype=np.float64)
    return np.asarray(a0 + s * (a1 + a2 * np.maximum(s, 0)))


def _rms(found: Fit) -> float:
    return float(np.sqrt(np.mean(np.square(found.residuals))))


def _fit_model(model: Model, t: Floats, b: Floats, light: Floats, y: Floats) -> Fit | None:
    if len(y) < _FEWEST[model]:
        return None
    if model != "proportional" and t.max() < t.min() * (1 + SPREAD):
        return None
    if model == "affine+bytes" and not b.any():
        return None
    if model == "affine+light" and not light.any():
        return None
    whole = _solve(model, t, b, light, y)
    if whole is None:
        return None
    residuals: list[float] = []
    for out in range(len(y)):
        keep = np.arange(len(y)) != out
        part = _solve(model, t[keep], b[keep], light[keep], y[keep]) if len(y) > 1 else whole
        if part is None:
            return None
        coefficients, s_per_byte, share = part
        total = t[out] + s_per_byte * b[out] + share * light[out]
        predicted = float(evaluate(coefficients, total))
        if predicted <= 0:
            return None
        residuals.append(float(y[out]) / predicted - 1)
    coefficients, s_per_byte, share = whole
    if evaluate(coefficients, t + s_per_byte * b + share * light).min() <= 0:
        return None
    return Fit(model, coefficients, s_per_byte, share, tuple(residuals))


def _solve(
    model: Model, t: Floats, b: Floats, light: Floats, y: Floats
) -> tuple[tuple[float, float, float], float, float] | None:
    """Least squares of relative errors with the signs that keep g monotone, or None.

    Returns:
        Coefficients of g, seconds a byte, and the share added to blocks without weights.
    """
    columns = {
        "proportional": (t,),
        "affine": (t, np.ones_like(t)),
        "affine+bytes": (t, np.ones_like(t), b),
        "affine+light": (t - light, np.ones_like(t), light),
        "quadratic": (t, np.ones_like(t), t * t),
    }[model]
    scale = np.array([np.abs(column).mean() for column in columns])
    design = np.stack(columns, axis=1) / scale / y[:, None]
    if np.linalg.cond(design) > MAX_CONDITION:
        return None
    best: tuple[float, Floats] | None = None
    # The third coefficient must not be negative: try it free, then at its bound.
    extra = range(2, len(columns))
    for dropped in itertools.chain.from_iterable(
        itertools.combinations(extra, n) for n in range(len(extra) + 1)
    ):
        kept = [i for i in range(len(columns)) if i not in dropped]
        solution = np.zeros(len(columns))
        solution[kept] = np.linalg.lstsq(design[:, kept], np.ones_like(y), rcond=None)[0]
        if solution[0] <= 0 or (solution[2:] < 0).any():
            continue
        loss = float(np.square(design @ solution - 1).sum())
        if best is None or loss < best[0]:
            best = loss, solution / scale
    if best is None:
        return None
    a1, a0, third = (float(value) for value in (*best[1], 0.0, 0.0)[:3])
    if model == "affine+bytes":
        return (a0, a1, 0.0), third / a1, 0.0
    if model == "affine+light":
        return (a0, a1, 0.0), 0.0, third / a1 - 1
    return (a0, a1, third), 0.0, 0.0
