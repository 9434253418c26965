"""All that a sitting has measured, and what follows from it.

Every launch of every network comes through here, in sweeps of random order, so that each network
sees the whole sitting. From the launches follow the levels, the corrected prediction, and what must
stay free of a budget.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final, final

import numpy as np

from sgnas_deploy.errors import TooNoisy
from sgnas_deploy.events import Note, Reporter, stage
from sgnas_deploy.fitting.budget import SLACK
from sgnas_deploy.fitting.correction import Corrected, corrected
from sgnas_deploy.fitting.headroom import FIRST, NOISY, Headroom, headroom
from sgnas_deploy.fitting.levels import NEAR, Launch, Levels, Options, levels, weighted_median
from sgnas_deploy.fitting.question import Device, Question
from sgnas_deploy.generator.scale import Scale, scale_of
from sgnas_deploy.tables import predictor

ANCHOR_SWEEPS: Final = 4
CONFIRMING: Final = (8, 40)
"""Fresh launches that a verdict rests on at least: the first number for a network whose launches
agree, and more, up to the second, until its level is known to `LEVEL_ERROR`."""
LEVEL_ERROR: Final = 0.007

_PLACES: Final = 3
"""Latencies at which the head-room is found; between them it is interpolated."""
_FEW: Final = 3.0
"""New networks that no bias at all counts for."""
_SEED: Final = 1


@final
class Measured:
    """The sitting so far.

    Args:
        question: what is asked.
        device: where networks are launched.
        reporter: who listens.

    Attributes:
        launches: all, in the order of time.
        levels: what they say; from the first `learn` on, as the next two.
        now: the corrected prediction.
        scale: its range.
        predicted_s: what was predicted for a network before it was first launched.
        anchors: calibration networks of the table that tie the rounds together.
        first: the table's own predictor.
        ends: the fastest and the largest network.
    """

    levels: Levels
    now: Corrected
    scale: Scale

    def __init__(self, question: Question, device: Device, reporter: Reporter) -> None:
        self._q = question
        self._device = device
        self._reporter = reporter
        self._sweeps = 0
        self._slower: list[tuple[float, float]] = []
        self._plain_s: dict[Options, float] = {}
        self._rooms: list[tuple[float, Headroom]] = []
        self.launches: list[Launch] = []
        self.predicted_s: dict[Options, float] = {}
        by_time = sorted(
            question.table.networks, key=lambda n: float(np.median(np.concatenate(n.samples_s)))
        )
        middle, last = len(by_time) // 2, len(by_time) - 1
        self.anchors = tuple(by_time[i].options for i in sorted({0, middle, last}))
        self.first = predictor(question.table, question.percentile)
        scale = scale_of(self.first, question.space)
        self.ends = (scale.fastest, scale.largest)

    @property
    def sweeps(self) -> int:
        """How many were made."""
        return self._sweeps

    # -- measuring -------------------------------------------------------------------------------

    def measure_range(self) -> None:
        """Measure the fastest, the largest and the calibration networks."""
        base = tuple(dict.fromkeys((*self.anchors, *self.ends)))
        self.turns("measure the range", base, ANCHOR_SWEEPS)
        self.learn()
        if self.how_often() > 3:  # noisy: budgets are placed by these
            self.turns("measure the range once more", base, ANCHOR_SWEEPS)
            self.learn()

    def turns(self, title: str, networks: Sequence[Options], times: int) -> None:
        """Launch networks so many times, in turns."""
        networks = tuple(dict.fromkeys(networks))
        with stage(self._reporter, title, times * len(networks), "launches") as progress:
            for _ in range(times):
                self.sweep(networks, progress.advance)

    def sweep(self, networks: Sequence[Options], advance: Callable[[], None]) -> None:
        """Launch each network once."""
        order = np.random.default_rng([_SEED, self._sweeps]).permutation(len(networks))
        for i in order:
            self.launches.append(self._device.launch(networks[int(i)], self._sweeps))
            advance()
        self._sweeps += 1

    def how_often(self) -> int:
        """Launches of a candidate in a round."""
        spread = self.levels.spread
        return 3 if spread < 0.01 else 4 if spread < 0.02 else 5 if spread < 0.03 else 8

    def confirming(self, level: float) -> int:
        """Fresh launches that the verdict on a network of that latency rests on, at least."""
        least, most = CONFIRMING
        return min(most, max(least, round((self.levels.spread_at(level) / LEVEL_ERROR) ** 2)))

    # -- learning --------------------------------------------------------------------------------

    def learn(self) -> None:
        """Fit levels and prediction to all launches."""
        q = self._q
        self.levels = levels(self.launches, q.percentile)
        self.now = corrected(q.table, q.percentile, self.levels, self.anchors)
        self.scale = scale_of(self.now.model, q.space)

    def believed_s(self, options: Options) -> float:
        """Latency of a network that was launched."""
        return math.exp(self.now.believed[options])

    def expect(self, options: Options, level: float | None = None) -> None:
        """Note what is predicted for a network, before it is first launched.

        Args:
            options: the network.
            level: logarithm of its latency where a network like it was measured; None for the
                corrected prediction.
        """
        plain_s = self.now.model.predict_s(options)
        self._plain_s.setdefault(options, plain_s)
        self.predicted_s.setdefault(options, plain_s if level is None else math.exp(level))

    def compare(self, new: Sequence[Options], fresh: bool = True) -> None:
        """Note by how much networks came out slower than the corrected prediction.

        Args:
            new: launched for the first time since the last comparison.
            fresh: forget earlier ones: they were predicted with less knowledge.
        """
        found = [(self.levels.of[o], self.levels.of[o] - math.log(self._plain_s[o])) for o in new]
        self._slower = found if fresh else [*self._slower, *found]

    def bias(self, level: float) -> float:
        """By how much networks of a latency come out slower than predicted: what is left of it.

        The solver always finds blocks that look cheap, and some only look so, the more the less is
        known of them; correcting those that were measured does not help against the next ones.
        Small and large networks differ in this: what is common to all, and what is left of it near
        the level.
        """
        if not self._slower:
            return 0.0
        at, slower = np.array(self._slower).T
        count = len(slower)
        common = count / (count + _FEW) * float(np.median(slower))
        near = np.exp(-0.5 * ((at - level) / NEAR) ** 2)
        mass = float(near.sum())
        own = 0.0
        if mass > 1e-3:
            own = mass / (mass + _FEW) * weighted_median(slower - common, near)
        return float(np.clip(common + own, -0.03, 0.05))

    # -- head-room -------------------------------------------------------------------------------

    def keep_free(self, budgets_s: Sequence[float]) -> None:
        """Find out what must stay free of budgets.

        Raises:
            TooNoisy: nothing can be fitted within 5 % of any of them.
        """
        q = self._q
        if q.margin is not None:
            return
        ends = math.log(min(budgets_s)), math.log(max(budgets_s))
        places = np.unique(np.linspace(*ends, min(_PLACES, len(budgets_s)))).tolist()
        self._rooms = [
            (
                place,
                headroom(
                    self.launches,
                    self.levels,
                    place,
                    q.percentile,
                    q.confidence,
                    q.shifts,
                    q.max_seconds,
                    self.how_often() + self.confirming(place),
                    _SEED,
                ),
            )
            for place in places
        ]
        needed = min(room.needed for _, room in self._rooms)
        if needed > NOISY:
            raise TooNoisy(
                f"launches of the same network differ by {self.levels.spread:.1%} and the "
                f"machine's speed wanders: {needed:.0%} of a budget would have to stay free",
                "stop other programs and run the same command again (what was measured is kept; "
                "--fresh forgets it), or say how much to keep free: --margin 0.05",
            )

    def free(self, level: float) -> float:
        """Share that stays free of a budget with that logarithm."""
        if self._q.margin is not None:
            return self._q.margin
        if not self._rooms:
            return FIRST
        places, rooms = zip(*self._rooms, strict=True)
        return float(np.interp(level, places, [room.share for room in rooms]))

    def lowest_s(self) -> float:
        """The lowest budget that the fastest network keeps, its head-room included."""
        fastest = self.ends[0]
        sure = 1 + 2 * SLACK + 2 * self.now.error[fastest]
        low_s = self.believed_s(fastest) * sure
        return low_s / (1 - self.free(math.log(low_s)))

    def room(self) -> Headroom:
        """What stays free, and why: the mean over the places."""
        if not self._rooms:
            share = FIRST if self._q.margin is None else self._q.margin
            return Headroom(share, FIRST, 0.0, 0.0, 0.0)
        rows = [
            (room.share, room.needed, room.noise, room.shift, room.error) for _, room in self._rooms
        ]
        return Headroom(*(float(value) for value in np.mean(rows, axis=0)))

    def off(self, new: Sequence[Options]) -> float:
        """Mean absolute relative error of what was predicted for networks."""
        errors = [abs(self.predicted_s[o] / math.exp(self.levels.of[o]) - 1) for o in new]
        return float(np.mean(errors))

    def tell(self, number: int, new: Sequence[Options]) -> None:
        """Say what a round has shown."""
        self._reporter.event(
            Note(
                f"round {number}: {len(new)} networks, predictions off by {self.off(new):.1%} on "
                f"average, launches differ by {self.levels.spread:.1%}, "
                f"{self.room().share:.1%} of a budget is kept free"
            )
        )
