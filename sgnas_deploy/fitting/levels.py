"""How long networks take, from launches of many networks in turns.

The machine's speed wanders while it is measured, so networks that were measured at different times
are not comparable as they are. Every *sweep* launches each network once; the model

    log(percentile of a launch) = level of its network + feel * speed of its sweep + noise

takes the common part out. Two things differ between networks, smoothly in their latency: how much
noise a launch has, and how much of the common change it *feels*. On a machine that others use too,
a network that fits the core's own cache repeats within half a per cent, while one that needs the
shared cache differs by several per cent, much of that together with all others of its size.

A speed is shrunk towards none where the launches of its sweep do not agree on it. Launches far from
the rest count less (Huber weights). Levels are at the sitting's usual speed, the median over its
launches: others who use the machine make it slower for a while, never faster than it is alone, so
that a few slow minutes lift the mean above what a later verdict's percentile will see.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias, final

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.intp]
Options: TypeAlias = tuple[int, ...]

NEAR: Final = 0.15
"""Relative difference of latency (a standard deviation) at which networks are still alike."""

_HUBER: Final = 1.5
_ROUNDS: Final = 20
_LEAST_SPREAD: Final = 1e-4
"""Relative spread below which launches count as equal: the clock is not finer."""
_USUAL_LAUNCHES: Final = 4.0
"""Launches that the noise of all networks together counts for in the noise of one."""
_USUAL_FEEL: Final = 4.0
"""Weight of the beforehand guess that networks feel common changes as they are noisy: the
inverse variance of the ratio of both."""
_MOST_FEEL: Final = 3.0
_TELLING: Final = 20.0
"""Launches of networks alike from which on their noise is known well enough to say more."""


_START_S: Final = 0.25
_WARMUP: Final = 1.3
"""A launch takes about `_START_S` and `_WARMUP` times its timed runs."""


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

    @property
    def took_s(self) -> float:
        """About how long it took, start and warm-up included."""
        return _START_S + _WARMUP * sum(self.samples_s)


@final
@dataclass(frozen=True)
class Levels:
    """What the launches of a sitting say.

    Attributes:
        of: logarithm of each network's latency in seconds, at the sitting's usual speed.
        launches: how often each was launched.
        spreads: standard deviation of a launch around its network's level, the sweep's speed taken
            out; relative.
        spread: the same over all launches (root mean square).
        feels: share of a sweep's speed that each network feels; 1 in the mean of all launches.
        speeds: what each sweep was slower than usual, relative, by its number; the median over all
            launches is 0.
    """

    of: Mapping[Options, float]
    launches: Mapping[Options, int]
    spreads: Mapping[Options, float]
    spread: float
    feels: Mapping[Options, float]
    speeds: Mapping[int, float]

    def error(self, options: Options) -> float:
        """Standard error of a network's level, relative."""
        return self.spreads[options] / float(np.sqrt(self.launches[options]))

    def spread_at(self, level: float) -> float:
        """Standard deviation of a launch of a network with that logarithm of its latency."""
        return self._at(level, self.spreads)

    def feel_at(self, level: float) -> float:
        """Share of a sweep's speed that such a network feels."""
        return self._at(level, self.feels)

    @property
    def moved(self) -> float:
        """Relative change of the machine's speed from the first third of the sweeps to the last."""
        values = [self.speeds[number] for number in sorted(self.speeds)]
        third = max(1, len(values) // 3)
        return float(np.mean(values[-third:]) - np.mean(values[:third]))

    def _at(self, level: float, values: Mapping[Options, float]) -> float:
        networks = sorted(self.of, key=lambda options: self.of[options])
        return float(
            np.interp(level, [self.of[o] for o in networks], [values[o] for o in networks])
        )


def levels(launches: Sequence[Launch], percentile: float) -> Levels:
    """Fit the model above.

    Args:
        launches: one or more, in the order of time.
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
    near = np.exp(-0.5 * (np.subtract.outer(level, level) / NEAR) ** 2)
    spread = _first_spreads(y, of, near)
    usual = _usual_feels(spread, of, count, near)
    feel, speed = usual, np.zeros(len(sweeps))
    weight = np.ones(len(y))
    for _ in range(_ROUNDS):
        spread = _spreads(y - level[of] - feel[of] * speed[at], of, count, near, spread)
        precision = weight / spread[of] ** 2
        rest = y - level[of]
        speed = _speeds(rest, feel[of], precision, at)
        feel = _feels(rest, usual, speed[at], precision, of, near)
        # Only the product counts: the mean launch feels a speed as it is.
        scale = float(feel[of].mean())
        feel, speed = feel / scale, speed * scale
        level = _means(y - feel[of] * speed[at], precision, of)
        off = np.abs(y - level[of] - feel[of] * speed[at]) / spread[of]
        weight = np.minimum(1.0, _HUBER / np.maximum(off, 1e-9))
    middle = weighted_median(speed[at], np.ones(len(at)))
    level, speed = level + feel * middle, speed - middle
    return Levels(
        of=dict(zip(networks, level.tolist(), strict=True)),
        launches=dict(zip(networks, count.tolist(), strict=True)),
        spreads=dict(zip(networks, spread.tolist(), strict=True)),
        spread=float(np.sqrt(np.mean(spread[of] ** 2))),
        feels=dict(zip(networks, feel.tolist(), strict=True)),
        speeds=dict(zip(sweeps, speed.tolist(), strict=True)),
    )


def weighted_median(values: Floats, weights: Floats) -> float:
    """The value below which half of the weight lies.

    Args:
        values: shape (n,), one or more.
        weights: not negative, not all zero, shape (n,).
    """
    order = np.argsort(values, kind="stable")
    upto = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(upto, upto[-1] / 2)])


def _means(values: Floats, weights: Floats, of: Ints) -> Floats:
    return np.asarray(np.bincount(of, weights * values) / np.bincount(of, weights))


def _first_spreads(y: Floats, of: Ints, near: Floats) -> Floats:
    """Noise of each network from successive launches: what changes slowly does not count."""
    order = np.argsort(of, kind="stable")
    same = of[order][1:] == of[order][:-1]
    if not same.any():
        return np.full(len(near), _LEAST_SPREAD)
    steps = np.abs(np.diff(y[order]))[same]
    owner = of[order][1:][same]
    # 1.4826: from the median of sizes to a standard deviation; a step has two launches' noise.
    found = [weighted_median(steps, row[owner] + 1e-6) for row in near]
    return np.asarray(np.maximum(_LEAST_SPREAD, np.array(found) * 1.4826 / np.sqrt(2)))


def _usual_feels(spread: Floats, of: Ints, count: Ints, near: Floats) -> Floats:
    """How much networks feel of common changes, before any was seen: as much as they are noisy.

    All alike where too few launches tell their noise apart.
    """
    seen = near @ (count - 1.0)
    ratio = np.log(spread / np.sqrt(np.mean(spread[of] ** 2)))
    return np.asarray(np.exp(ratio * seen / (seen + _TELLING)))


def _spreads(rest: Floats, of: Ints, count: Ints, near: Floats, before: Floats) -> Floats:
    """Robust standard deviation of each network's launches, together with networks like it."""
    squares = np.bincount(of, np.minimum(np.abs(rest), 3 * before[of]) ** 2)
    freedom = count - 1.0  # a level was fitted to them
    overall = float(squares.sum()) / max(float(freedom.sum()), 1.0)
    variance = (near @ squares + _USUAL_LAUNCHES * overall) / (near @ freedom + _USUAL_LAUNCHES)
    return np.asarray(np.maximum(_LEAST_SPREAD, np.sqrt(variance)))


def _speeds(rest: Floats, feel: Floats, precision: Floats, at: Ints) -> Floats:
    """Speed of each sweep, shrunk by how far speeds differ more than noise alone makes them.

    Variance between sweeps after DerSimonian and Laird (Controlled Clinical Trials 7, 1986).
    """
    known = np.bincount(at, precision * feel**2)
    # A sweep whose networks feel nothing says nothing of its speed.
    tells = known > 0
    if tells.sum() <= 2:
        return np.zeros(len(known))
    raw = np.bincount(at, precision * feel * rest) / np.where(tells, known, 1.0)
    total = float(known.sum())
    excess = float((known * (raw - float(known @ raw) / total) ** 2).sum()) - (tells.sum() - 1)
    variance = excess / (total - float((known**2).sum()) / total)
    if variance <= 0:
        return np.zeros(len(known))
    speed = raw * variance * known / (variance * known + 1)
    # The mean over launches, hence over time: sweeps differ in length.
    return np.asarray(speed - float(speed[at].mean()))


def _feels(
    rest: Floats, usual: Floats, speed: Floats, precision: Floats, of: Ints, near: Floats
) -> Floats:
    """How much each network feels of the speeds, together with networks like it."""
    told = np.bincount(of, precision * usual[of] * speed * rest)
    known = np.bincount(of, precision * (usual[of] * speed) ** 2)
    ratio = (near @ told + _USUAL_FEEL) / (near @ known + _USUAL_FEEL)
    return np.asarray(usual * np.clip(ratio, 0.0, _MOST_FEEL))
