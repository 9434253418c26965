"""A cell of NAS-Bench-201 as a module."""

from __future__ import annotations

from typing import final

from torch import Tensor, nn
from torch.nn import functional

from sgnas_deploy.blocks.cell import EDGES, Cell
from sgnas_deploy.networks.units import ConvUnit


def module(block: Cell, dropout: float) -> nn.Module:
    """The block."""
    del dropout
    return CellModule(block)


@final
class CellModule(nn.Module):
    """The live edges; those with a convolution are called `edge0` ... `edge5`."""

    def __init__(self, block: Cell) -> None:
        super().__init__()
        self._operations = block.operations
        for conv in block.convs:
            self.add_module(conv.name, ConvUnit(conv))

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, size, size) to the same shape."""
        nodes = {0: x}
        for i, ((source, target), operation) in enumerate(
            zip(EDGES, self._operations, strict=True)
        ):
            if operation == "none":
                continue
            y = nodes[source]
            if operation == "avg_pool_3x3":
                y = functional.avg_pool2d(y, 3, 1, 1, count_include_pad=False)
            elif operation != "skip_connect":
                y = self.get_submodule(f"edge{i}")(functional.relu(y))
            nodes[target] = nodes[target] + y if target in nodes else y
        return nodes[3]
