"""A deployed network in PyTorch, before batch normalisation is folded."""

from __future__ import annotations

import importlib
from typing import Protocol, cast, final

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

from sgnas_deploy.blocks import Block
from sgnas_deploy.emitter import NamedWeights
from sgnas_deploy.networks.units import ConvUnit
from sgnas_deploy.spaces import Space


class _Kind(Protocol):
    """What each file of `kinds` has."""

    def module(self, block: Block, dropout: float) -> nn.Module:
        """The module of a block; `dropout` is for the head."""


@final
class DeployedNetwork(nn.Module):
    """The network that an architecture describes: exactly the active branches.

    A convolution's parameters are called by its full name: `layers.0.k3.expand.conv.weight`,
    `layers.0.k3.expand.bn.running_var`; where there is no batch normalisation,
    `head.classifier.conv.bias`.

    Args:
        space: the search space.
        options: one option per decision.
        dropout: share of the pooled features that training drops before the classifier.

    Raises:
        BadInput: options that the space does not have.
    """

    def __init__(self, space: Space, options: tuple[int, ...], dropout: float = 0.0) -> None:
        super().__init__()
        self._names: list[str] = []
        for name, block in space.network_blocks(options):
            file = importlib.import_module(f"sgnas_deploy.networks.kinds.{block.kind}")
            _attach(self, name, cast(_Kind, file).module(block, dropout))
            self._names.append(name)

    def forward(self, images: Tensor) -> Tensor:
        """Images (batch, channels, height, width) to logits (batch, classes)."""
        x = images
        for name in self._names:
            x = self.get_submodule(name)(x)
        return x


def fold(network: nn.Module) -> NamedWeights:
    """Weights of all convolutions, batch normalisation (running statistics) folded in.

    Computed in double precision and rounded once. Numbers too small for a normal float become 0:
    they change no result, and denormals slow a CPU's convolutions down.

    Args:
        network: a `DeployedNetwork`, on any device; it is not changed.
    """
    units = ((n, unit) for n, unit in network.named_modules() if isinstance(unit, ConvUnit))
    return NamedWeights({name: _folded(unit) for name, unit in units})


def _folded(unit: ConvUnit) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    weight = _double(unit.conv.weight)
    if unit.bn is None:
        assert unit.conv.bias is not None  # a unit has one of the two
        return _single(weight), _single(_double(unit.conv.bias))
    bn = unit.bn
    assert bn.running_mean is not None  # its statistics are always tracked
    assert bn.running_var is not None
    scale = _double(bn.weight) / np.sqrt(_double(bn.running_var) + bn.eps)
    bias = _double(bn.bias) - _double(bn.running_mean) * scale
    return _single(weight * scale[:, None, None, None]), _single(bias)


def _double(tensor: Tensor) -> npt.NDArray[np.float64]:
    return cast(npt.NDArray[np.float64], tensor.detach().cpu().double().numpy())


def _single(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    with np.errstate(over="ignore"):  # becomes infinite, which every comparison notices
        rounded = np.ascontiguousarray(values, np.float32)
    rounded[np.abs(rounded) < np.finfo(np.float32).tiny] = 0
    return rounded


def _attach(parent: nn.Module, name: str, module: nn.Module) -> None:
    """Hang a module under a dotted name, with empty modules for the parts before the last."""
    *path, last = name.split(".")
    for part in path:
        if part not in parent._modules:
            parent.add_module(part, nn.Module())
        parent = parent.get_submodule(part)
    parent.add_module(last, module)
