"""Latency of whole networks from few samples: Gaussian processes chosen by leave-one-out error.

The covariance says how much is expected of what: each operation costs the same on every edge
(strong), edges differ (weak), paths and sums have a cost of their own, the rest is a smooth
function of counts and shape. Whether dead edges are executed, whether errors are absolute or
relative, and how much of each part there is: every combination is tried, and those with the least
leave-one-out error, which has a closed form (Rasmussen and Williams, 2006, section 5.4.2), are
averaged.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, final

import numpy as np

from sgnas_deploy.bench.features import Features, Floats, Options, Spelling, features

Scale: TypeAlias = Literal["linear", "log"]

SPELLINGS: Final[tuple[Spelling, ...]] = ("written", "live")
SCALES: Final[tuple[Scale, ...]] = ("linear", "log")
EDGES: Final = (0.01, 0.05, 0.2)
"""Standard deviation of what an edge adds to its operation's cost, relative to that."""
SHAPE: Final = 0.5
"""Standard deviation of what a longer path or a further sum costs, relative to that too."""
SMOOTH: Final = (0.0, 0.05, 0.2, 0.6)
"""Standard deviation of the smooth part, relative to the standard deviation of the samples."""
LENGTHS: Final = (1.5, 4.0)
NOISES: Final = (0.01, 0.03, 0.1)
"""The same of the noise."""
AVERAGED: Final = 5
"""Settings that are averaged."""
FEWEST: Final = 4
TOGETHER: Final = 2048
"""Networks predicted in one go."""


@final
@dataclass(frozen=True)
class Setting:
    """One covariance.

    Attributes:
        spelling: which edges count.
        scale: what is predicted, latency or its logarithm.
        edge: spread of edges.
        smooth: spread of the smooth part.
        length: its length scale, in operations.
        noise: spread of the noise.
    """

    spelling: Spelling
    scale: Scale
    edge: float
    smooth: float
    length: float
    noise: float


@final
class Surrogate:
    """A predictor fitted to samples.

    Args:
        samples: distinct cells, `FEWEST` or more, as their strings spell them.
        values_s: latency of each, shape (n,), positive.

    Attributes:
        settings: those averaged, the best first.
        residuals: measured / predicted - 1 of each sample, predicted without it.
    """

    def __init__(self, samples: Sequence[Options], values_s: Floats) -> None:
        if len(samples) < FEWEST:
            raise ValueError(f"a surrogate needs {FEWEST} samples or more")
        tried: list[tuple[float, int, _Process]] = []
        for number, setting in enumerate(_settings()):
            process = _Process(setting, samples, values_s)
            residuals = values_s / process.left_out_s() - 1
            error = float(np.sqrt(np.mean(np.minimum(np.abs(residuals), 1.0) ** 2)))
            tried.append((error, number, process))
        self._best = [process for *_, process in sorted(tried, key=lambda t: t[:2])[:AVERAGED]]
        left_out = _averaged([process.left_out_s() for process in self._best])
        self.settings = tuple(process.setting for process in self._best)
        self.residuals: tuple[float, ...] = tuple((values_s / left_out - 1).tolist())

    def predict_s(self, networks: Sequence[Options]) -> Floats:
        """Seconds of each network, shape (n,)."""
        starts = range(0, len(networks), TOGETHER)
        parts = [networks[start : start + TOGETHER] for start in starts]
        found = [_averaged([p.predict_s(part) for p in self._best]) for part in parts]
        return np.concatenate(found)


class _Process:
    """One Gaussian process, conditioned on the samples."""

    def __init__(self, setting: Setting, samples: Sequence[Options], values_s: Floats) -> None:
        self.setting = setting
        self._floor_s = float(values_s.min()) / 2
        target = values_s if setting.scale == "linear" else np.log(values_s)
        self._mean = float(target.mean())
        self._spread = float(target.std()) or 1.0
        self._y = (target - self._mean) / self._spread
        self._own = features(samples, setting.spelling)
        covariance = self._covariance(self._own)
        covariance[np.diag_indices_from(covariance)] += setting.noise**2
        self._inverse = np.linalg.inv(covariance)
        self._weights = self._inverse @ self._y

    def left_out_s(self) -> Floats:
        """Each sample predicted without it."""
        return self._seconds(self._y - self._weights / np.diag(self._inverse))

    def predict_s(self, networks: Sequence[Options]) -> Floats:
        """Seconds of each network."""
        other = features(networks, self.setting.spelling)
        return self._seconds(self._covariance(other) @ self._weights)

    def _seconds(self, y: Floats) -> Floats:
        value = y * self._spread + self._mean
        if self.setting.scale == "log":
            value = np.exp(np.clip(value, -30, 30))
        found: Floats = np.maximum(value, self._floor_s)
        return found

    def _covariance(self, other: Features) -> Floats:
        own, setting = self._own, self.setting
        found: Floats = 1.0 + other.counts @ own.counts.T
        found += setting.edge**2 * (other.edges @ own.edges.T)
        found += SHAPE**2 * (other.shape @ own.shape.T)
        if setting.smooth > 0:
            distance = squared_distances(other.point, own.point)
            found += setting.smooth**2 * np.exp(-0.5 * distance / setting.length**2)
        return found


def squared_distances(a: Floats, b: Floats) -> Floats:
    """Of each row of a (n, d) to each of b (m, d), shape (n, m)."""
    found: Floats = (a**2).sum(1)[:, None] + (b**2).sum(1) - 2 * (a @ b.T)
    return np.maximum(found, 0.0)


def _settings() -> list[Setting]:
    every = itertools.product(SPELLINGS, SCALES, EDGES, SMOOTH, LENGTHS, NOISES)
    return [Setting(*values) for values in every if values[3] > 0 or values[4] == LENGTHS[0]]


def _averaged(predictions: Sequence[Floats]) -> Floats:
    """The geometric mean."""
    found: Floats = np.exp(np.mean([np.log(part) for part in predictions], axis=0))
    return found
