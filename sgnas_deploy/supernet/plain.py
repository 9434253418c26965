"""The unified supernet in its plain form: slow, and obviously right.

The same parameters under the same names as the fast form. Every sub-block has its own
convolutions and every branch is computed, then weighed: by one and zero in training, by soft gates
for the generator. Tests and benchmarks compare the fast form with it; nothing else uses it.
"""

from __future__ import annotations

from typing import cast, final

import torch
from torch import Tensor
from torch.nn import functional

from sgnas_deploy.blocks.mb import KERNELS
from sgnas_deploy.spaces import Space
from sgnas_deploy.spaces.mixed import SUB_BLOCKS, MixedSpace
from sgnas_deploy.supernet.mixed import LEAST_GATE, MixedLayer, MixedSupernet
from sgnas_deploy.supernet.norm import EPSILON, MOMENTUM, ConvNorm, Norm, activate
from sgnas_deploy.supernet.sampling import SKIP


@final
class PlainLayer(MixedLayer):
    """A layer that computes all eighteen branches."""

    def forward(self, x: Tensor, kernels: tuple[int, ...]) -> Tensor:
        """As the fast form."""
        gates = x.new_zeros((x.shape[0], SUB_BLOCKS, SKIP + 1))
        for sub_block, chosen in enumerate(kernels):
            gates[:, sub_block, chosen] = 1
        active = sum(chosen != SKIP for chosen in kernels)
        norm = self.norm(active)
        y = _switched(self._projected(x, gates, soft=not norm.training), norm)
        return x + y if self.residual else y

    def soft_forward(self, x: Tensor, gates: Tensor) -> Tensor:
        """As the fast form; gradients reach the weights too."""
        y = self._projected(x, torch.where(gates < LEAST_GATE, 0, gates), soft=True)
        outputs = []
        for image in range(x.shape[0]):
            skipped = int(gates[image, :, SKIP].sum().round())
            norm = self.norm(max(SUB_BLOCKS - skipped, self.min_active))
            outputs.append(_switched(y[image : image + 1], norm, soft=True))
        y = torch.cat(outputs)
        return x + y if self.residual else y

    def _projected(self, x: Tensor, gates: Tensor, soft: bool = False) -> Tensor:
        """All branches, weighed by gates (B, 6, 4), concatenated and projected.

        Where running statistics are used (`soft`), each branch first loses its running mean.
        """
        width = x.shape[1]
        outputs: list[Tensor] = []
        for sub_block in range(SUB_BLOCKS):
            own = slice(sub_block * width, (sub_block + 1) * width)
            in_use = bool(gates[:, sub_block, :SKIP].any())
            h = _branch(x, self.expand, own, soft, in_use)
            h = activate(h, self.activation)
            weighed: list[Tensor] = []
            for index in range(len(KERNELS)):
                gate = gates[:, sub_block, index].view(-1, 1, 1, 1)
                y = _branch(h, self.kernel(index), own, soft, bool(gate.any()))
                y = activate(y, self.activation)
                centre = self.centres[index, own]
                if soft:
                    y = y - centre.view(1, -1, 1, 1)
                elif bool(gate.any()):
                    centre.mul_(1 - MOMENTUM).add_(MOMENTUM * y.detach().mean((0, 2, 3)))
                weighed.append(gate * y)
            outputs.append(torch.stack(weighed).sum(0))
        return functional.conv2d(torch.cat(outputs, 1), self.project)


@final
class PlainSupernet(MixedSupernet):
    """The unified supernet of plain layers."""

    soft_together = None

    def __init__(self, space: MixedSpace) -> None:
        super().__init__(space, PlainLayer)


def build(space: Space) -> PlainSupernet:
    """A fresh supernet in the plain form."""
    return PlainSupernet(cast(MixedSpace, space))


def _switched(x: Tensor, norm: Norm, soft: bool = False) -> Tensor:
    """The switchable normalisation; in eval mode the mean is zero already."""
    if norm.training and not soft:
        return _normalise(x, norm, slice(None), soft=False, in_use=True)
    return functional.batch_norm(
        x, torch.zeros_like(norm.running_mean), norm.running_var, norm.weight, norm.bias
    )


def _branch(x: Tensor, part: ConvNorm, own: slice, soft: bool, in_use: bool) -> Tensor:
    weight = part.weight[own]
    groups = len(weight) if part.depthwise else 1
    y = functional.conv2d(x, weight, None, part.stride, weight.shape[-1] // 2, groups=groups)
    return _normalise(y, part.norm, own, soft, in_use)


def _normalise(x: Tensor, norm: Norm, own: slice, soft: bool, in_use: bool) -> Tensor:
    training = norm.training and not soft
    # Slices of buffers are views: batch_norm updates the buffers themselves. A branch that is not
    # in use is computed, but leaves no trace in the running statistics.
    keep = in_use or not training
    return functional.batch_norm(
        x,
        norm.running_mean[own] if keep else None,
        norm.running_var[own] if keep else None,
        norm.weight[own],
        norm.bias[own],
        training,
        MOMENTUM,
        EPSILON,
    )
