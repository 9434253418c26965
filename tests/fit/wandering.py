"""A fake device whose speed wanders as a real one's does, more for some networks than others."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from sgnas_profilers.backends import Option, RunOptions
from sgnas_profilers.timing import TimingPlan
from sgnas_profilers.transports import Agent, Built, Hello, Measurement, OnProgress
from tests.fakes.device import FakeDevice


@dataclass
class WanderingDevice:
    """A `Transport`: a `FakeDevice` times a slow, common change of speed.

    Attributes:
        device: what is slowed down.
        wander: standard deviation of the logarithm of the speed,
        time_s: and how long it takes to forget it.
        unequal: standard deviation, over networks, of how strongly they feel it.
        jump: added to the logarithm, once for all (another hour, another speed).
        own: standard deviation, over models, of what no sum of blocks explains.
        crowd: standard deviation of a slow-down by neighbours who use the shared cache,
        crowd_s: how long it takes to forget it,
        crowd_own: and of what each launch has of it for itself.
        episodes: the neighbours are mostly quiet, and now and then very busy: what they do is
            lognormal (skewed, with a tail of slow stretches), not normal.
        crowded_s: models as fast as the first or faster feel nothing of it, as slow as the second
            all of it.
    """

    device: FakeDevice
    wander: float = 0.0
    time_s: float = 120.0
    unequal: float = 0.2
    jump: float = 0.0
    own: float = 0.0
    crowd: float = 0.0
    crowd_s: float = 8.0
    crowd_own: float = 0.0
    episodes: bool = False
    crowded_s: tuple[float, float] = (0.3e-3, 0.45e-3)
    _value: float = 0.0
    _crowd: float = 0.0
    _at_s: float = field(default=-math.inf)
    _drawn: int = 0
    _natures: dict[int, tuple[float, float]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return "wandering"

    def start(self, backend: str, options: RunOptions) -> Agent:
        return _Agent(self, self.device.start(backend, options))

    def speed(self, model: bytes) -> float:
        """What the runs of a model take now, relative to the device's law."""
        now_s = self.device.time_s
        rng = np.random.default_rng([self.device.seed, 77, self._drawn])
        self._drawn += 1
        passed_s = now_s - self._at_s
        self._value = _step(self._value, passed_s / self.time_s, self.wander, rng)
        self._crowd = _step(self._crowd, passed_s / self.crowd_s, 1.0, rng)
        self._at_s = now_s
        feels, _ = self._nature(model)
        common = (self._value + self.jump) * (1 + self.unequal * feels)
        # Of a lognormal variable, half of what is above its median: of about the same spread.
        busy = (math.exp(self._crowd) - 1) / 2 if self.episodes else self._crowd
        crowd = self.crowd * busy + self.crowd_own * rng.standard_normal()
        return math.exp(common + self._crowded(model) * crowd) * self.own_factor(model)

    def _crowded(self, model: bytes) -> float:
        """How much of the slow-down by neighbours a model feels."""
        low_s, high_s = self.crowded_s
        share = math.log(self.device.true_s(model) / low_s) / math.log(high_s / low_s)
        return min(1.0, max(0.0, share))

    def own_factor(self, model: bytes) -> float:
        """What a model takes at the usual speed, relative to the device's law."""
        return math.exp(self.own * self._nature(model)[1])

    def _nature(self, model: bytes) -> tuple[float, float]:
        key = hash(model)
        if key not in self._natures:
            digest = hashlib.sha256(model).digest()
            first, second = np.random.default_rng(list(digest)).standard_normal(2)
            self._natures[key] = float(first), float(second)
        return self._natures[key]


def _step(value: float, passed: float, size: float, rng: np.random.Generator) -> float:
    """The next value of a wander that forgets; `passed` counts in its time constant."""
    keep = math.exp(-passed)
    return keep * value + math.sqrt(1 - keep**2) * rng.standard_normal() * size


class _Agent:
    def __init__(self, owner: WanderingDevice, agent: Agent) -> None:
        self._owner, self._agent = owner, agent

    @property
    def hello(self) -> Hello:
        return self._agent.hello

    def measure(self, model: bytes, plan: TimingPlan) -> Measurement:
        found = self._agent.measure(model, plan)
        slower = self._owner.speed(model)
        samples_s = tuple(sample * slower for sample in found.timing.samples_s)
        return replace(found, timing=replace(found.timing, samples_s=samples_s))

    def build(
        self, model: bytes, options: Mapping[str, Option], on_progress: OnProgress = None
    ) -> Built:
        return self._agent.build(model, options, on_progress)

    def close(self) -> None:
        self._agent.close()

    def __enter__(self) -> Agent:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
