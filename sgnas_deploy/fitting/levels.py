"""How long networks take, from launches of many networks in turns.

The machine's speed wanders while it is measured, so networks that were measured at different times
are not comparable as they are. Every *sweep* launches each network once; the model

    log(percentile of a launch) = level of its network + speed of its sweep + noise

takes the common part out. It is shrunk towards none where launches of one sweep do not agree on it
(slow-downs differ by working set, so a common one must be seen before it is believed). Launches
far from the rest count less (Huber weights).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias, final

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float64]
Options: TypeAlias = tuple[int, ...]

_HUBER: Final = 1.5
_ROUNDS: Final = 20
_LEAST_SPREAD: Final = 1e-4
"""Relative spread below which launches count as equal: the clock is not finer."""


@final
@dataclass(frozen=True)
class Launch:
    """A fresh process that timed one network.

    Attributes:
        options: the network.
        sweep: number of the sweep.
        samples_s: seconds of its single hot runs.
    """

    options: Options
    sweep: int
    samples_s: tuple[float, ...]

    def level(self, percentile: float) -> float:
        """Logarithm of its own percentile, in seconds."""
        return float(np.log(np.percentile(self.samples_s, percentile)))


@final
@dataclass(frozen=True)
class Levels:
    """What the launches of a sitting say.

    Attributes:
        of: logarithm of each network's latency in seconds, at the sitting's mean speed.
        launches: how often each was launched.
        spread: standard deviation of a launch around its network's level, the sweep's speed taken
            out; relative.
        speeds: what each sweep was slower than the mean, relative, by its number.
    """

    of: Mapping[Options, float]
    launches: Mapping[Options, int]
    spread: float
    speeds: Mapping[int, float]

    def error(self, options: Options) -> float:
        """Standard error of a network's level, relative."""
        return self.spread / float(np.sqrt(self.launches[options]))

    @property
    def moved(self) -> float:
        """Relative change of the machine's speed from the first third of the sweeps to the last."""
        values = [self.speeds[number] for number in sorted(self.speeds)]
        third = max(1, len(values) // 3)
        return float(np.mean(values[-third:]) - np.mean(values[:third]))


def levels(launches: Sequence[Launch], percentile: float) -> Levels:
    """Fit the model above.

    Args:
        launches: one or more.
        percentile: of a hot run.
    """
    networks = list(dict.fromkeys(launch.options for launch in launches))
    sweeps = sorted({launch.sweep for launch in launches})
    place = {options: i for i, options in enumerate(networks)}
    turn = {number: i for i, number in enumerate(sweeps)}
    of = np.array([place[launch.options] for launch in launches])
    at = np.array([turn[launch.sweep] for launch in launches])
    y = np.array([launch.level(percentile) for launch in launches])
    count = np.bincount(of)
    level = np.array([np.median(y[of == i]) for i in range(len(networks))])
    speed = np.zeros(len(sweeps))
    weight = np.ones(len(y))
    spread = _LEAST_SPREAD
    for _ in range(_ROUNDS):
        rest = y - level[of]
        # The variance of speeds beyond what noise alone makes: how much to believe of each.
        mean = np.bincount(at, weight * rest) / np.bincount(at, weight)
        spread = _spread(rest - speed[at], len(y) - len(networks))
        own = float(np.mean(spread**2 / np.bincount(at, weight)))
        believed = max(float(np.var(mean)) - own, 0.0) if len(sweeps) > 2 else 0.0
        if believed > 0:
            speed = mean * believed / (believed + spread**2 / np.bincount(at, weight))
            # The mean over launches, hence over time: sweeps differ in length.
            speed -= float(speed[at].mean())
        else:
            speed = np.zeros(len(sweeps))
        level = np.bincount(of, weight * (y - speed[at])) / np.bincount(of, weight)
        off = np.abs(y - level[of] - speed[at]) / spread
        weight = np.minimum(1.0, _HUBER / np.maximum(off, 1e-9))
    return Levels(
        of=dict(zip(networks, level.tolist(), strict=True)),
        launches=dict(zip(networks, count.tolist(), strict=True)),
        spread=spread,
        speeds=dict(zip(sweeps, speed.tolist(), strict=True)),
    )


def _spread(residuals: Floats, freedom: int) -> float:
    """Robust standard deviation, corrected for the levels that were fitted."""
    n = len(residuals)
    if freedom <= 0:
        return _LEAST_SPREAD
    typical = float(np.median(np.abs(residuals))) * 1.4826
    usual = float(np.sqrt(np.mean(np.minimum(np.abs(residuals), 3 * typical) ** 2)))
    return max(_LEAST_SPREAD, typical, usual) * float(np.sqrt(n / freedom))
