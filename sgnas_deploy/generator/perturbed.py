"""Random devices: tables that look like those of hardware that nobody has measured.

A generator that reads tables has to see more devices than there are tables of. Each random device
is a mixture of four kinds of costs, all of the same mean, with random weights:

* a measured table, with random factors on kernel sizes and on layers, and with a floor under which
  small blocks do not get cheaper (a device that starts kernels slowly);
* a roofline over the options' convolutions: a start of each convolution, operations at a speed that
  depends on the kind and kernel of the convolution and on the map's size, channels rounded up to a
  granule, and bytes moved;
* operations alone;
* a constant for every convolution.

Then some noise. Everything is drawn from one seed; no unit matters, since only ratios are read.
No torch here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, final

import numpy as np
import numpy.typing as npt

from sgnas_deploy.blocks import Conv
from sgnas_deploy.errors import BadInput
from sgnas_deploy.generator.scale import LatencyModel, Scale, option_macs, scale_of
from sgnas_deploy.spaces import Space

Floats = npt.NDArray[np.float64]

WORTH: Final = 1.1
"""A device is drawn anew where the largest network is not this much slower than the fastest."""

SHARPNESS: Final = 4.0
"""Of the soft maximum of two times: the p of a p-norm."""


@final
@dataclass(frozen=True)
class RandomDevice:
    """A `LatencyModel` whose latency is the sum of costs.

    Attributes:
        option_costs: one array a decision, the cost of each of its options, in seconds.
        fixed_cost: of what every network has, in seconds.
    """

    option_costs: tuple[Floats, ...]
    fixed_cost: float

    @property
    def coefficients(self) -> tuple[float, float, float]:
        """Those of the identity."""
        return (0.0, 1.0, 0.0)

    def total_cost(self, latency_s: Floats) -> Floats:
        """The latency itself."""
        return np.asarray(latency_s, dtype=np.float64)

    def predict_s(self, options: Sequence[int]) -> float:
        """The sum of a network's costs, in seconds."""
        chosen = zip(self.option_costs, options, strict=True)
        return self.fixed_cost + sum(float(costs[option]) for costs, option in chosen)


def draw(
    space: Space, measured: Sequence[LatencyModel], count: int, seed: int
) -> tuple[tuple[RandomDevice, ...], tuple[Scale, ...]]:
    """Random devices of a space, and their feasible ranges.

    Args:
        space: every decision of it must have equally many options.
        measured: tables that the first part of the mixture is taken from, at least one.
        count: how many.
        seed: decides all of them.
    """
    work = _Work.of(space)
    tables = [np.stack(model.option_costs) for model in measured]
    operations = option_macs(space)
    rng = np.random.default_rng([seed, 0x5EED])
    devices: list[RandomDevice] = []
    scales: list[Scale] = []
    while len(devices) < count:
        costs = _costs(work, tables, np.stack(operations), rng)
        # About a millisecond for a middling network, so that printed figures look familiar.
        costs *= 1e-3 / (costs.shape[0] * costs.mean())
        fixed = float(1e-3 * rng.uniform(0.02, 0.3))
        device = RandomDevice(tuple(costs), fixed)
        try:
            scale = scale_of(device, space, operations)
        except BadInput:
            continue
        if scale.slowest_s > WORTH * scale.fastest_s:
            devices.append(device)
            scales.append(scale)
    return tuple(devices), tuple(scales)


@final
@dataclass(frozen=True)
class _Work:
    """The convolutions of all options, flat.

    Attributes:
        shape: (decisions, options).
        owner: flat index of the option that each convolution belongs to.
        macs: operations of each convolution.
        traffic: values that it reads and writes, weights included.
        c_in: input channels of a group's convolution; 1 for a depthwise one.
        c_out: output channels.
        depthwise: whether each channel stands alone.
        kernel: index into `kernels`.
        kernels: the kernel sizes there are, in rising order.
        size: index into `sizes`.
        sizes: the map sizes there are, in rising order.
        share: of each option's spatial convolutions, the share of each kernel size by channels,
            shape (decisions, options, kernels); zero where it has none.
    """

    shape: tuple[int, int]
    owner: npt.NDArray[np.int64]
    macs: Floats
    traffic: Floats
    c_in: Floats
    c_out: Floats
    depthwise: npt.NDArray[np.bool_]
    kernel: npt.NDArray[np.int64]
    kernels: npt.NDArray[np.int64]
    size: npt.NDArray[np.int64]
    sizes: npt.NDArray[np.int64]
    share: Floats

    @staticmethod
    def of(space: Space) -> _Work:
        """The convolutions of a space."""
        counts = space.option_counts
        shape = (len(counts), counts[0])
        found: list[tuple[int, Conv]] = [
            (decision * shape[1] + option, conv)
            for decision, count in enumerate(counts)
            for option in range(count)
            for block in space.option_blocks(decision, option)
            for conv in block.convs
        ]
        owner = np.array([option for option, _ in found])
        convs = [conv for _, conv in found]
        kernels, kernel = np.unique([conv.kernel for conv in convs], return_inverse=True)
        sizes, size = np.unique([conv.size_out for conv in convs], return_inverse=True)
        channels = np.array([float(conv.c_out * (conv.kernel > 1)) for conv in convs])
        by_kernel = np.zeros((math.prod(shape), len(kernels)))
        np.add.at(by_kernel, (owner, kernel), channels)
        total = by_kernel.sum(axis=1, keepdims=True)
        share = np.divide(by_kernel, total, out=np.zeros_like(by_kernel), where=total > 0)
        return _Work(
            shape=shape,
            owner=owner,
            macs=np.array([float(conv.macs) for conv in convs]),
            traffic=np.array([float(_traffic(conv)) for conv in convs]),
            c_in=np.array([float(conv.c_in // conv.groups) for conv in convs]),
            c_out=np.array([float(conv.c_out) for conv in convs]),
            depthwise=np.array([conv.groups > 1 for conv in convs]),
            kernel=kernel,
            kernels=kernels,
            size=size,
            sizes=sizes,
            share=share.reshape(*shape, len(kernels)),
        )

    def per_option(self, of_convs: Floats) -> Floats:
        """Sums over each option's convolutions, shape (decisions, options)."""
        flat = np.bincount(self.owner, weights=of_convs, minlength=math.prod(self.shape))
        return np.asarray(flat, dtype=np.float64).reshape(self.shape)


def _traffic(conv: Conv) -> int:
    side_in = conv.size_out * conv.stride
    return conv.c_in * side_in**2 + conv.c_out * conv.size_out**2 + conv.params


def _costs(
    work: _Work, tables: Sequence[Floats], operations: Floats, rng: np.random.Generator
) -> Floats:
    """Costs of one device, mean about 1, shape (decisions, options)."""
    parts = [
        _changed(work, tables[int(rng.integers(len(tables)))], rng),
        _roofline(work, rng),
        operations,
        work.per_option(np.ones(len(work.owner))),
    ]
    weights = rng.dirichlet((0.8, 0.8, 0.25, 0.15))
    # A device that is nothing but starts of convolutions leaves nothing to choose.
    weights[3] = min(weights[3], 0.5)
    mixed = sum(w * part / part.mean() for w, part in zip(weights, parts, strict=True))
    noise = rng.uniform(0.0, 0.05)
    return np.asarray(mixed * np.exp(noise * rng.standard_normal(work.shape)))


def _changed(work: _Work, table: Floats, rng: np.random.Generator) -> Floats:
    """A measured table with other kernel sizes and layers, and a floor."""
    of_kernel = rng.normal(0.0, 0.4, len(work.kernels))
    of_layer = rng.normal(0.0, 0.3, (work.shape[0], 1))
    costs = table / table.mean() * np.exp(work.share @ of_kernel + of_layer)
    return _soft_maximum(costs, _log_uniform(rng, 0.02, 0.7) * costs.mean())


def _roofline(work: _Work, rng: np.random.Generator) -> Floats:
    """Starts, operations and bytes of an invented device."""
    granule = float(rng.choice([1, 4, 8, 16, 32, 64]))
    padded = np.where(
        work.depthwise,
        _rounded_up(work.c_out, granule) / work.c_out,
        _rounded_up(work.c_out, granule) / work.c_out * _rounded_up(work.c_in, granule) / work.c_in,
    )
    slower = _log_uniform(rng, 1.0, 30.0) * np.exp(rng.normal(0.0, 0.35, len(work.kernels)))
    of_kind = np.where(work.depthwise, slower[work.kernel], 1.0)
    of_size = np.exp(rng.normal(0.0, 0.25, len(work.sizes)))[work.size]
    computing = work.macs * padded * of_kind * of_size
    computing /= computing.mean()
    moving = work.traffic / work.traffic.mean() * _log_uniform(rng, 0.1, 3.0)
    start = _log_uniform(rng, 0.01, 3.0)
    return work.per_option(start + _soft_maximum(computing, moving))


def _soft_maximum(one: Floats, other: Floats | float) -> Floats:
    return np.asarray((one**SHARPNESS + other**SHARPNESS) ** (1 / SHARPNESS))


def _rounded_up(channels: Floats, granule: float) -> Floats:
    return np.asarray(np.ceil(channels / granule) * granule)


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))
