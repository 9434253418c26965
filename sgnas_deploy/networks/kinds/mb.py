"""The mixed-kernel MBConv as a module: one branch per kernel size."""

from __future__ import annotations

from collections import OrderedDict
from typing import final

import torch
from torch import Tensor, nn

from sgnas_deploy.blocks import Conv
from sgnas_deploy.blocks.mb import MixedMBConv
from sgnas_deploy.networks.units import ConvUnit


def module(block: MixedMBConv, dropout: float) -> nn.Module:
    """The block."""
    del dropout
    return MixedMBConvModule(block)


@final
class MixedMBConvModule(nn.Module):
    """Expansion and depthwise convolution per kernel size (`k3`, ...), `se`, `project`."""

    se: nn.Module | None

    def __init__(self, block: MixedMBConv) -> None:
        super().__init__()
        convs = {conv.name: conv for conv in block.convs}
        self._branches = tuple(f"k{kernel}" for kernel, _ in block.branches)
        for branch in self._branches:
            self.add_module(branch, _pair(convs, branch, "expand", "depthwise"))
        self.se = _pair(convs, "se", "reduce", "expand") if block.se else None
        self.project = ConvUnit(convs["project"])
        self._residual = block.residual

    def forward(self, x: Tensor) -> Tensor:
        """(batch, c_in, size, size) to (batch, c_out, size / stride, size / stride)."""
        parts: list[Tensor] = [self.get_submodule(branch)(x) for branch in self._branches]
        y = parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)
        if self.se is not None:
            y = y * self.se(y.mean((2, 3), keepdim=True))
        out: Tensor = self.project(y)
        return x + out if self._residual else out


def _pair(convs: dict[str, Conv], prefix: str, *names: str) -> nn.Sequential:
    return nn.Sequential(OrderedDict((name, ConvUnit(convs[f"{prefix}.{name}"])) for name in names))
