"""The residual reduction block between the stages of NAS-Bench-201.

Two times ReLU, 3x3 convolution, batch normalisation, the first with stride 2; the shortcut is a
2x2 average and a 1x1 convolution. That convolution has a bias here (the benchmark's has none): a
deployed convolution always has one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from sgnas_deploy.blocks import Conv, fields_of


@final
@dataclass(frozen=True)
class Reduction:
    """Half the side, other channels.

    Attributes:
        size: side of the square input map, even.
        c_in: its channels.
        c_out: output channels.
    """

    kind: ClassVar[str] = "reduction"

    size: int
    c_in: int
    c_out: int

    def __post_init__(self) -> None:
        if self.size % 2:
            raise ValueError(f"a map of {self.size}x{self.size} cannot be halved")

    @property
    def key(self) -> str:
        """Such as `reduction_i32_c16-32`."""
        return f"reduction_i{self.size}_c{self.c_in}-{self.c_out}"

    @property
    def input_shape(self) -> tuple[int, ...]:
        """(c_in, size, size)."""
        return (self.c_in, self.size, self.size)

    @property
    def output_shape(self) -> tuple[int, ...]:
        """(c_out, size / 2, size / 2)."""
        return (self.c_out, self.size // 2, self.size // 2)

    @property
    def convs(self) -> tuple[Conv, ...]:
        """`first`, `second`, `shortcut`; an activation stands before the first two."""
        half = self.size // 2
        return (
            Conv("first", self.c_in, self.c_out, 3, 2, 1, half, "relu"),
            Conv("second", self.c_out, self.c_out, 3, 1, 1, half, "none"),
            Conv("shortcut", self.c_in, self.c_out, 1, 1, 1, half, "none", normalised=False),
        )


def parse(key: str) -> Reduction:
    """Read a block back from its key."""
    fields, words = fields_of(key, "reduction", "ic")
    if words:
        raise ValueError("unknown words")
    c_in, c_out = (int(c) for c in fields["c"].split("-"))
    return Reduction(int(fields["i"]), c_in, c_out)
