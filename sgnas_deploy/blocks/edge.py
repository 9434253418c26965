"""One edge of all the cells of a stage of NAS-Bench-201: what is profiled.

Networks are deployed as whole cells; a table of all cells would have thousands of entries, one of
the edges has three per stage. An edge is timed as a chain of its operation, as often as a stage has
cells. Not alone: some runtimes keep maps in a layout of their own and convert at both ends. And
without sums: they are mostly fused into a convolution. `skip_connect` executes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final, final

from sgnas_deploy.blocks import Conv, fields_of
from sgnas_deploy.blocks.cell import KERNELS, OPERATIONS, edge_conv

BLOCKS: Final = OPERATIONS[2:]
"""Operations that execute something: neither `none` nor `skip_connect`."""


@final
@dataclass(frozen=True)
class Edge:
    """One edge, in each cell of a stage.

    Attributes:
        size: side of the square map.
        channels: of the map.
        operation: any of `BLOCKS`.
        cells: cells of the stage.
    """

    kind: ClassVar[str] = "edge"

    size: int
    channels: int
    operation: str
    cells: int

    def __post_init__(self) -> None:
        if self.cells < 1:
            raise ValueError("a stage has one cell or more")
        if self.operation not in BLOCKS:
            raise ValueError(f"a block is one of {BLOCKS}, not {self.operation}")

    @property
    def key(self) -> str:
        """Such as `edge_i32_c16_o3_n5`."""
        number = OPERATIONS.index(self.operation)
        return f"edge_i{self.size}_c{self.channels}_o{number}_n{self.cells}"

    @property
    def input_shape(self) -> tuple[int, ...]:
        """(channels, size, size)."""
        return (self.channels, self.size, self.size)

    @property
    def output_shape(self) -> tuple[int, ...]:
        """(channels, size, size)."""
        return self.input_shape

    @property
    def convs(self) -> tuple[Conv, ...]:
        """`cell0` ..., or nothing."""
        if self.operation not in KERNELS:
            return ()
        kernel = KERNELS[self.operation]
        return tuple(
            edge_conv(f"cell{i}", self.size, self.channels, kernel) for i in range(self.cells)
        )


def parse(key: str) -> Edge:
    """Read an edge back from its key."""
    fields, words = fields_of(key, "edge", "icon")
    number = int(fields["o"])
    if words or not 1 <= number < len(OPERATIONS):
        raise ValueError("an edge has one operation of 1..4")
    return Edge(int(fields["i"]), int(fields["c"]), OPERATIONS[number], int(fields["n"]))
