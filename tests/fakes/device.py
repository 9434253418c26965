"""A device with a known law of latency, noise on request, and time that is only counted.

It works from the ONNX graph alone, as a real runtime does: nobody tells it which block a model is.
The law is not additive over blocks on purpose. A graph pays one call, an operator that follows the
one that made its input reads it from the cache, and weights beyond the cache slow everything down.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import onnx

from sgnas_profilers.backends import Option, RunOptions
from sgnas_profilers.errors import BadInput
from sgnas_profilers.timing import Timing, TimingPlan
from sgnas_profilers.transports import Agent, Built, Hello, Measurement, OnProgress

_FREE = {
    *("Clip", "Relu", "HardSwish", "HardSigmoid", "Flatten", "Reshape", "Identity"),
    *("Cast", "QuantizeLinear", "DequantizeLinear"),
}
"""Fused into the operator before them, or without work."""


@dataclass(frozen=True)
class Law:
    """What a run takes when nothing disturbs it."""

    macs_per_s: float = 20e9
    bytes_per_s: float = 15e9
    operator_s: float = 1.0e-6
    call_s: float = 1.7e-6
    cached_read: float = 0.3  # share of the cost of reading what the operator before has written
    cache_bytes: float = 5e6
    beyond_cache: float = 0.04  # slow-down for every further cache_bytes of weights

    def run_s(self, model: bytes) -> float:
        """Seconds of one hot run."""
        proto = onnx.shape_inference.infer_shapes(onnx.load_from_string(model))
        graph = proto.graph
        sizes = {
            value.name: [d.dim_value for d in value.type.tensor_type.shape.dim]
            for value in (*graph.value_info, *graph.input, *graph.output)
        }
        weights = {tensor.name: list(tensor.dims) for tensor in graph.initializer}
        shapes = {**sizes, **weights}
        total = self.call_s
        written = ""
        for node in graph.node:
            if node.op_type in _FREE:
                written = node.output[0] if node.input[0] == written else written
                continue
            reads = 0.0
            for name in node.input:
                elements = 4.0 * math.prod(shapes[name])
                reads += elements * (self.cached_read if name == written else 1.0)
            writes = 4.0 * math.prod(sizes[node.output[0]])
            macs = 0.0
            if node.op_type == "Conv":
                _, c_in, k_h, k_w = shapes[node.input[1]]
                macs = math.prod(sizes[node.output[0]]) * c_in * k_h * k_w
            elif node.op_type == "Gemm":
                macs = math.prod(shapes[node.input[1]])
            work_s = max(macs / self.macs_per_s, (reads + writes) / self.bytes_per_s)
            total += self.operator_s + work_s
            written = node.output[0]
        weight_bytes = sum(4.0 * math.prod(dims) for dims in weights.values())
        excess = max(0.0, weight_bytes - self.cache_bytes) / self.cache_bytes
        return float(total * (1 + self.beyond_cache * excess))


@dataclass(frozen=True)
class Disturbance:
    """What a real machine adds. The default adds nothing."""

    sigma: float = 0.0  # of the logarithm of a run
    process_sigma: float = 0.0  # the same, once for a process
    spike_share: float = 0.0
    spike_factor: float = 3.0
    drift_per_s: float = 0.0
    throttle_after_s: float = math.inf
    throttle_factor: float = 1.3
    cold_factor: float = 1.45  # of the first run after a model was opened; gone after 20


_KNOWN: dict[tuple[Law, str], float] = {}
"""What the law gives for a model, by the model's SHA-256."""


@dataclass
class FakeDevice:
    """A `Transport`. The noise of a measurement depends on seed, model and how often it was
    measured before, not on the order of things.

    Attributes:
        time_s: virtual seconds that have passed.
        finished: how often each model (by SHA-256) was measured to the end.
        before_result: called when a measurement is done and before it is handed over; may raise,
            as a power cut would.
    """

    law: Law = field(default_factory=Law)
    disturbance: Disturbance = field(default_factory=Disturbance)
    seed: int = 0
    machine: Mapping[str, str] = field(default_factory=lambda: {"cpu": "fake", "kernel": "1"})
    settings: Mapping[str, str] = field(default_factory=lambda: {"runtime": "fake"})
    before_result: Callable[[], None] = lambda: None
    time_s: float = 0.0
    processes: int = 0
    finished: Counter[str] = field(default_factory=Counter)

    @property
    def name(self) -> str:
        return "fake"

    def start(self, backend: str, options: RunOptions) -> Agent:
        self.processes += 1
        self.time_s += 0.2
        settings = {**self.settings, "backend": backend, "threads": str(options.threads)}
        return FakeAgent(self, Hello(1, "fake", dict(self.machine), settings), self.processes)

    def true_s(self, model: bytes) -> float:
        key = self.law, hashlib.sha256(model).hexdigest()
        if key not in _KNOWN:
            _KNOWN[key] = self.law.run_s(model)
        return _KNOWN[key]


class FakeAgent:
    """A process on the device."""

    def __init__(self, device: FakeDevice, hello: Hello, number: int) -> None:
        self._device = device
        self._hello = hello
        rng = np.random.default_rng([device.seed, number])
        self._slower = math.exp(device.disturbance.process_sigma * rng.standard_normal())
        self.closed = False

    @property
    def hello(self) -> Hello:
        return self._hello

    def measure(self, model: bytes, plan: TimingPlan) -> Measurement:
        assert not self.closed
        device, d = self._device, self._device.disturbance
        digest = hashlib.sha256(model).hexdigest()
        true_s = device.true_s(model) * self._slower
        warmups = max(plan.warmup_runs, math.ceil(plan.warmup_s / true_s))
        loops = max(1, math.ceil(plan.sample_s / true_s)) if plan.sample_s else 1
        rng = np.random.default_rng([device.seed, device.finished[digest], *digest.encode()])
        shape = (plan.samples, loops)
        factors = np.exp(d.sigma * rng.standard_normal(shape))
        factors *= np.where(rng.random(shape) < d.spike_share, d.spike_factor, 1.0)
        run = warmups + np.arange(plan.samples * loops).reshape(shape)
        factors *= 1 + (d.cold_factor - 1) * np.exp(-run / 4)
        at_s = device.time_s + true_s * run
        factors *= 1 + d.drift_per_s * at_s
        factors *= np.where(at_s > d.throttle_after_s, d.throttle_factor, 1.0)
        samples_s = true_s * factors.mean(axis=1)
        device.time_s += 0.002 + true_s * warmups + float(samples_s.sum()) * loops
        device.before_result()
        device.finished[digest] += 1
        timing = Timing(tuple(float(s) for s in samples_s), loops, warmups)
        return Measurement(timing, {"load_1min": 0.1, "governor": "fake"}, 1 << 20)

    def build(
        self, model: bytes, options: Mapping[str, Option], on_progress: OnProgress = None
    ) -> Built:
        raise BadInput("the fake device builds nothing")

    def close(self) -> None:
        self.closed = True

    def __enter__(self) -> FakeAgent:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
