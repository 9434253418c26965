"""A cell of NAS-Bench-201 (Dong and Yang, ICLR 2020), in its deployed form: live edges only.

Nodes 0 to 3; node 0 is the input, node 3 the output. Each edge's operation is one of five; both
convolutions are ReLU, convolution, batch normalisation. A node is the sum over its edges.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final, final

from sgnas_deploy.blocks import Conv, fields_of

OPERATIONS: Final = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
"""In the benchmark's order, which is the order of the options."""

EDGES: Final = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
"""(from node, to node) of each edge, in the order of the benchmark's strings."""

KERNELS: Final = {"nor_conv_1x1": 1, "nor_conv_3x3": 3}
"""Side of the kernel of the operations that are convolutions."""


def live_edges(operations: tuple[str, ...]) -> tuple[bool, ...]:
    """Which edges lie on a path from the input to the output without a `none`."""
    present = [operation != "none" for operation in operations]
    reached, used = {0}, {3}
    for (source, target), there in zip(EDGES, present, strict=True):
        # Edges come sorted by the node they end in: their sources are decided already.
        if there and source in reached:
            reached.add(target)
    for (source, target), there in sorted(zip(EDGES, present, strict=True), reverse=True):
        if there and target in used:
            used.add(source)
    return tuple(
        there and source in reached and target in used
        for (source, target), there in zip(EDGES, present, strict=True)
    )


@final
@dataclass(frozen=True)
class Cell:
    """One cell; the map keeps its size and channels.

    Attributes:
        size: side of the square map.
        channels: of the map.
        operations: of each edge, `none` on every dead edge.
    """

    kind: ClassVar[str] = "cell"

    size: int
    channels: int
    operations: tuple[str, ...]

    def __post_init__(self) -> None:
        live = live_edges(self.operations)
        if live != tuple(operation != "none" for operation in self.operations) or not any(live):
            raise ValueError(f"{self.operations} has dead edges, or no path")

    @property
    def key(self) -> str:
        """Such as `cell_i32_c16_o3-0-1-0-0-2`."""
        numbers = "-".join(str(OPERATIONS.index(operation)) for operation in self.operations)
        return f"cell_i{self.size}_c{self.channels}_o{numbers}"

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
        """`edge0` ... `edge5`, those that are convolutions."""
        return tuple(
            edge_conv(f"edge{i}", self.size, self.channels, KERNELS[operation])
            for i, operation in enumerate(self.operations)
            if operation in KERNELS
        )


def edge_conv(name: str, size: int, channels: int, kernel: int) -> Conv:
    """The convolution of an edge; the ReLU stands before it, so none follows."""
    return Conv(name, channels, channels, kernel, 1, 1, size, "none")


def parse(key: str) -> Cell:
    """Read a cell back from its key."""
    fields, words = fields_of(key, "cell", "ico")
    if words:
        raise ValueError("unknown words")
    numbers = [int(number) for number in fields["o"].split("-")]
    if len(numbers) != len(EDGES) or not all(0 <= n < len(OPERATIONS) for n in numbers):
        raise ValueError("a cell has six operations of 0..4")
    return Cell(int(fields["i"]), int(fields["c"]), tuple(OPERATIONS[n] for n in numbers))
