"""Right answers of many sub-networks of a frozen supernet on the same images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias, cast, final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from sgnas_deploy.blocks import Activation
from sgnas_deploy.blocks.mb import KERNELS
from sgnas_deploy.supernet.mixed import MixedLayer, MixedSupernet
from sgnas_deploy.supernet.norm import ConvNorm, activate, pointwise

Options: TypeAlias = tuple[int, ...]

BATCH: Final = 128
"""Images that go through the networks together: their activations fit the caches."""


@final
@dataclass(frozen=True)
class _Branch:
    """The sub-blocks of one kernel size, normalisation folded in: weights and biases."""

    expand: tuple[Tensor, Tensor]
    depthwise: tuple[Tensor, Tensor]
    project: tuple[Tensor, Tensor | None]


@final
@dataclass(frozen=True)
class _Layer:
    """One option of one layer, ready to be computed."""

    branches: tuple[_Branch, ...]
    stride: int
    residual: bool
    activation: Activation

    def __call__(self, x: Tensor) -> Tensor:
        y: Tensor | None = None
        for branch in self.branches:
            h = pointwise(x, *branch.expand, self.activation)
            weight, bias = branch.depthwise
            padding = weight.shape[-1] // 2
            h = functional.conv2d(h, weight, bias, self.stride, padding, groups=len(weight))
            part = pointwise(activate(h, self.activation), *branch.project)
            y = part if y is None else y + part
        assert y is not None  # a layer has at least one active sub-block
        return x + y if self.residual else y


@final
class Judge:
    """Looks at every sub-network with the same images, which are kept ready behind the stem.

    Networks are gone through in sorted order, and the first layers that one has in common with the
    one before are not computed again. Normalisation is folded into the convolutions. The answers
    are those of the supernet's own pass, but for rounding.

    Args:
        network: trained and frozen.
        inputs: images (n, 3, R, R).
        labels: class of each, shape (n,).
    """

    def __init__(self, network: MixedSupernet, inputs: Tensor, labels: Tensor) -> None:
        self._network = network.eval()
        self._layers: dict[tuple[int, int], _Layer] = {}
        self._chunks: list[tuple[slice, Tensor, Tensor]] = []
        self.images = len(labels)
        activation = network.space.activation
        with torch.inference_mode():
            for at in range(0, len(labels), BATCH):
                own = slice(at, min(at + BATCH, len(labels)))
                x = inputs[own].contiguous(memory_format=torch.channels_last)
                for name in ("conv", "depthwise"):
                    x = cast(ConvNorm, network.stem[name]).frozen(x, activation=activation)
                x = cast(ConvNorm, network.stem["project"]).frozen(x)
                self._chunks.append((own, x, labels[own]))

    def correct(self, networks: Sequence[Options]) -> npt.NDArray[np.bool_]:
        """Which images each sub-network gets right, shape (networks, images)."""
        order = sorted(range(len(networks)), key=lambda index: networks[index])
        found = np.empty((len(networks), self.images), np.bool_)
        with torch.inference_mode():
            for own, behind_stem, labels in self._chunks:
                before: Options = ()
                path = [behind_stem]
                for index in order:
                    options = networks[index]
                    shared = _shared(before, options)
                    del path[shared + 1 :]
                    for depth in range(shared, len(options)):
                        path.append(self._layer(depth, options[depth])(path[-1]))
                    before = options
                    found[index, own] = (self._head(path[-1]).argmax(1) == labels).numpy()
        return found

    def _layer(self, depth: int, option: int) -> _Layer:
        if (depth, option) not in self._layers:
            self._layers[depth, option] = self._folded(depth, option)
        return self._layers[depth, option]

    def _folded(self, depth: int, option: int) -> _Layer:
        layer = cast(MixedLayer, self._network.layers[depth])
        counts = self._network.space.multisets[option]
        choice = self._network.choice_of((option,) * len(self._network.layers))[depth]
        norm = layer.norm(sum(counts))
        scale = norm.scale()
        shift: Tensor | None = norm.bias - layer.mean(choice) * scale
        branches = []
        for index in range(len(KERNELS)):
            sub_blocks = [b for b, chosen in enumerate(choice) if chosen == index]
            if sub_blocks:
                channels = layer.channels(sub_blocks)
                project = layer.project[:, channels] * scale.view(-1, 1, 1, 1)
                branches.append(
                    _Branch(
                        layer.expand.folded(channels),
                        layer.kernel(index).folded(channels),
                        (project, shift),
                    )
                )
                # Once is enough: the projections of all branches are added up.
                shift = None
        return _Layer(tuple(branches), layer.stride, layer.residual, layer.activation)

    def _head(self, x: Tensor) -> Tensor:
        head = self._network.head
        x = cast(ConvNorm, head["conv"]).frozen(x, activation=self._network.space.activation)
        logits: Tensor = cast(nn.Linear, head["classifier"])(x.mean((2, 3)))
        return logits


def _shared(before: Options, options: Options) -> int:
    """Length of the common beginning."""
    for depth, (old, new) in enumerate(zip(before, options, strict=False)):
        if old != new:
            return depth
    return min(len(before), len(options))
