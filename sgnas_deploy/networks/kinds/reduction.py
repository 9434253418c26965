"""The residual reduction block of NAS-Bench-201 as a module."""

from __future__ import annotations

from typing import final

from torch import Tensor, nn
from torch.nn import functional

from sgnas_deploy.blocks.reduction import Reduction
from sgnas_deploy.networks.units import ConvUnit


def module(block: Reduction, dropout: float) -> nn.Module:
    """The block."""
    del dropout
    return ReductionModule(block)


@final
class ReductionModule(nn.Module):
    """`first` and `second` on one side, an average and `shortcut` on the other."""

    def __init__(self, block: Reduction) -> None:
        super().__init__()
        for conv in block.convs:
            self.add_module(conv.name, ConvUnit(conv))

    def forward(self, x: Tensor) -> Tensor:
        """(batch, c_in, size, size) to (batch, c_out, size / 2, size / 2)."""
        y = self.get_submodule("first")(functional.relu(x))
        short = self.get_submodule("shortcut")(functional.avg_pool2d(x, 2))
        out: Tensor = short + self.get_submodule("second")(y)
        return out
