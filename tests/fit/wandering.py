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
    """

    device: FakeDevice
    wander: float = 0.0
    time_s: float = 120.0
    unequal: float = 0.2
    jump: float = 0.0
    own: float = 0.0
    _value: float = 0.0
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
        keep = math.exp(-(now_s - self._at_s) / self.time_s)
        new = rng.standard_normal() * self.wander
        self._value = keep * self._value + math.sqrt(1 - keep**2) * new
        self._at_s = now_s
        feels, _ = self._nature(model)
        common = self._value + self.jump
        return math.exp(common * (1 + self.unequal * feels)) * self.own_factor(model)

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
