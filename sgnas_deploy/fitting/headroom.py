"""How much of a budget must stay free, so that a *later* verdict is PASS.

A network that keeps its budget now may not keep it in ten minutes, and a verdict needs a margin to
come to an end: close to the budget it stays UNDECIDED. Both are taken from data. A later
`sgnas validate` is imagined many times:

* It sees a stretch of this sitting's launches, in their order, each relative to its network's
  level. So noise within and between launches, slow wander and throttling are in it as they were
  seen. Only launches of networks about as slow as the budget are taken: small networks can be ten
  times steadier than large ones. The real test judges the stretch, and the smallest head-room with
  which it says PASS is found.
* The machine's speed between two sittings differs: a shift is added, drawn from Student's
  distribution around what the workspace remembers of earlier sittings of the same networks and
  around this sitting's own drift, with `USUAL_SHIFT` for a start.
* The level of the network is itself not known exactly: its standard error is added.

The head-room is the `CERTAINTY` quantile of the sums.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, final

import numpy as np
import numpy.typing as npt

from sgnas_deploy.fitting.levels import Floats, Launch, Levels, Options
from sgnas_deploy.verdict import PercentileTest

CERTAINTY: Final = 0.98
"""Share of the imagined verdicts that must be PASS."""

LEAST: Final = 0.022
MOST: Final = 0.045
"""The head-room is kept within these. Less is not worth the risk; with more, a network would not
use 95 % of its budget. 3 % at most was tried: on simulated noisy devices 94 instead of 96 % of the
later verdicts passed, for 0.2 to 0.8 % less of every budget unused (docs/fit.md)."""

NOISY: Final = 0.12
"""From here on a sitting is too noisy to fit anything within 5 % of a budget."""

FIRST: Final = 0.03
"""Head-room before anything was measured."""

USUAL_SHIFT: Final = 0.009
USUAL_WEIGHT: Final = 6.0
"""What the speed differs between two sittings, relative, and how many sittings that counts for
before any was seen."""

_IMAGINED: Final = 40
_STEPS: Final = 7
_HIGHEST: Final = 0.05
_PERIOD_S: Final = 20.0
_MOST_LAUNCHES: Final = 480
"""An imagined verdict looks at that many launches at most. The longer it may look, the less noise
asks for; but stretches are taken of a few hundred launches and repeat themselves."""
_ENOUGH: Final = 150
"""Launches that are taken of networks about as slow as the budget; of faster and slower ones only
as many as lack."""
_LOOKS: Final = 3
_DRAWS: Final = 20_000


@final
@dataclass(frozen=True)
class Headroom:
    """What to keep free, and why; all are shares of a budget.

    Attributes:
        share: to keep free.
        needed: the same before it was limited to what is reasonable.
        noise: what the median imagined verdict needs because of noise and wander.
        shift: standard deviation of the speed between sittings.
        error: standard error of a network's level.
    """

    share: float
    needed: float
    noise: float
    shift: float
    error: float


def headroom(
    launches: Sequence[Launch],
    found: Levels,
    level: float,
    percentile: float,
    confidence: float,
    shifts: Sequence[float],
    max_seconds: float,
    launches_each: int,
    seed: int,
) -> Headroom:
    """Imagine later verdicts.

    Args:
        launches: of this sitting, in the order of time.
        found: their levels.
        level: logarithm of the budget, in seconds.
        percentile: of a hot run.
        confidence: of the later verdict.
        shifts: relative differences of speed between earlier sittings, one a pair of sittings.
        max_seconds: when the later verdict gives up.
        launches_each: launches of a network that its level will rest on.
        seed: of what is drawn.
    """
    rng = np.random.default_rng([seed, len(launches)])
    launches = _alike(launches, found, level)
    # The same plan for all, hence the same number of samples.
    own = np.array([found.of[launch.options] for launch in launches])
    relative = np.log(np.array([launch.samples_s for launch in launches])) - own[:, None]
    levels = np.percentile(relative, percentile, axis=1)
    launch_s = float(np.mean([launch.took_s for launch in launches]))
    test = PercentileTest(1.0, percentile, confidence)
    fewest = max(test.fewest_launches, math.ceil(_PERIOD_S / launch_s))
    most = max(fewest, min(int(max_seconds / launch_s), max(_MOST_LAUNCHES, 2 * fewest)))
    looks = np.unique(np.geomspace(fewest, most, _LOOKS).astype(int))
    stretches = [_stretch(len(launches), most, rng) for _ in range(_IMAGINED)]
    needs = np.array([_need(relative[at], levels[at], test, looks) for at in stretches])
    seen = [*shifts, found.moved * found.feel_at(level)]
    weight = USUAL_WEIGHT + len(seen)
    shift = math.sqrt((USUAL_WEIGHT * USUAL_SHIFT**2 + sum(value**2 for value in seen)) / weight)
    error = found.spread_at(level) / math.sqrt(launches_each)
    sums = (
        rng.choice(needs, _DRAWS)
        + shift * rng.standard_t(weight, _DRAWS)
        + error * rng.standard_normal(_DRAWS)
    )
    needed = 1 - math.exp(-max(0.0, float(np.quantile(sums, CERTAINTY))))
    return Headroom(
        share=min(max(needed, LEAST), MOST),
        needed=needed,
        noise=float(np.median(needs)),
        shift=shift,
        error=error,
    )


def _alike(launches: Sequence[Launch], found: Levels, level: float) -> list[Launch]:
    """The launches of the networks whose latency is nearest, in their order."""
    taken: set[Options] = set()
    count = 0
    for options in sorted(found.of, key=lambda options: abs(found.of[options] - level)):
        if count >= _ENOUGH:
            break
        taken.add(options)
        count += found.launches[options]
    return [launch for launch in launches if launch.options in taken]


def _stretch(n: int, length: int, rng: np.random.Generator) -> npt.NDArray[np.int_]:
    """Consecutive launches from a random one on; after the last the order turns back."""
    there_and_back = [*range(n), *range(n - 2, 0, -1)]
    start = int(rng.integers(len(there_and_back)))
    return np.array([there_and_back[(start + i) % len(there_and_back)] for i in range(length)])


def _need(
    stretch: Floats, levels: Floats, test: PercentileTest, looks: npt.NDArray[np.int_]
) -> float:
    """The smallest logarithm of budget / level with which the test says PASS at one of the looks.

    Below 0 where it passes without head-room. Searched between the fastest launch and a little
    beyond the slowest.
    """
    low, high = float(levels.min()), float(levels.max()) + _HIGHEST
    for _ in range(_STEPS):
        middle = (low + high) / 2
        shares = (stretch > middle).mean(axis=1)
        # The budget of the test is 1, so its logarithm is 0.
        below = levels - middle
        if any(test.judge(shares[:n], below[:n]).verdict == "PASS" for n in looks):
            high = middle
        else:
            low = middle
    return high
