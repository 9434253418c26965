"""Where an emitted graph's weights come from: a trained network, or a pool of arbitrary numbers."""

from __future__ import annotations

import functools
import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias, final

import numpy as np
import numpy.typing as npt

from sgnas_deploy.blocks import Conv, ConvActivation

Array: TypeAlias = npt.NDArray[np.float32]


class Weights(Protocol):
    """Weights of deployed convolutions, batch normalisation folded in."""

    def conv(self, name: str, conv: Conv) -> tuple[Array, Array]:
        """Weight and bias of a convolution.

        Args:
            name: full name, such as `layers.0.k3.expand`.
            conv: its description.

        Returns:
            The weight, of shape `conv.weight_shape`, and the bias, (c_out,); float32.
        """


@final
@dataclass(frozen=True)
class NamedWeights:
    """Weights of a network, by the full name of the convolution.

    Attributes:
        tensors: weight and bias of each convolution.
    """

    tensors: Mapping[str, tuple[Array, Array]]

    def conv(self, name: str, conv: Conv) -> tuple[Array, Array]:
        """The weights of that name.

        Raises:
            ValueError: their shapes are not the described ones.
        """
        weight, bias = self.tensors[name]
        if weight.shape != conv.weight_shape or bias.shape != (conv.c_out,):
            raise ValueError(f"{name} has shapes {weight.shape} and {bias.shape}, expected {conv}")
        return weight, bias


# Prime, so that no row length of a weight divides it and repeated passes never line up; and small
# enough to repeat within the window of zlib (32 KiB), because blocks travel to their device.
_POOL_SIZE: Final = 1021

# Mean square of a convolution's output over that of its input. 2 undoes what a ReLU takes away
# (He et al., 2015); h-swish takes away a little more. Projections are followed by no activation:
# with 1/2 a layer halves the signal's power without a shortcut and multiplies it by 1.5 with one,
# and so a network with about twice as many shortcuts keeps it, as batch normalisation would.
_POWER: Final[dict[ConvActivation, float]] = {
    "relu6": 2.0,
    "relu": 2.0,
    "hswish": 2.6,
    "hsigmoid": 0.5,
    "none": 0.5,
}
_BIAS: Final = 0.1
# Gates of a squeeze-and-excitation are mostly open in a trained network.
_GATE_BIAS: Final = 1.5


@final
class ArbitraryWeights:
    """Weights that compute nothing in particular, at the pace of a trained network's.

    How long a convolution takes depends on its numbers in one way only: zeros and denormals can
    be much faster or slower. So no weight is zero or tiny, and all are scaled such that the
    activations stay in a trained network's range through every network of the spaces. The same
    name and shape always get the same weights, cut from one shared pool.
    """

    def conv(self, name: str, conv: Conv) -> tuple[Array, Array]:
        """Weights that depend on `name` and `conv` only."""
        fan_in = math.prod(conv.weight_shape[1:])
        scale = math.sqrt(_POWER[conv.activation] / fan_in)
        weight = _cut(f"{name}.weight", math.prod(conv.weight_shape)) * np.float32(scale)
        bias = _cut(f"{name}.bias", conv.c_out) * np.float32(_BIAS)
        if conv.activation == "hsigmoid":
            bias += np.float32(_GATE_BIAS)
        return weight.reshape(conv.weight_shape), bias


@functools.cache
def _pool() -> Array:
    """Normal numbers of mean 0 and variance 1, none nearer to zero than 0.01."""
    values = np.random.default_rng(2).standard_normal(_POOL_SIZE, np.float32)
    # Seed 2, because of the first it alone keeps all test networks in a trained one's range.
    # A mean, however small, would add up over the channels of a map that is mostly positive.
    values = (values - values.mean()) / values.std()
    pool: Array = np.copysign(np.maximum(np.abs(values), np.float32(0.01)), values)
    pool.setflags(write=False)
    return pool


def _cut(name: str, count: int) -> Array:
    """`count` numbers of the pool from a place that the name decides, round and round."""
    pool = _pool()
    start = zlib.crc32(name.encode()) % _POOL_SIZE
    if start + count <= _POOL_SIZE:
        return pool[start : start + count]
    return np.resize(np.concatenate((pool[start:], pool[:start])), count)
