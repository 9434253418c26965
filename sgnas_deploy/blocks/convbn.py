"""The stem of NAS-Bench-201: a 3x3 convolution and batch normalisation, no activation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from sgnas_deploy.blocks import Conv, fields_of


@final
@dataclass(frozen=True)
class ConvNormStem:
    """Image to the first feature map.

    Attributes:
        size: side of the square input image.
        c_in: channels of the image.
        c_out: channels of the map.
    """

    kind: ClassVar[str] = "convbn"

    size: int
    c_in: int
    c_out: int

    @property
    def key(self) -> str:
        """Such as `convbn_i32_c3-16`."""
        return f"convbn_i{self.size}_c{self.c_in}-{self.c_out}"

    @property
    def input_shape(self) -> tuple[int, ...]:
        """(c_in, size, size)."""
        return (self.c_in, self.size, self.size)

    @property
    def output_shape(self) -> tuple[int, ...]:
        """(c_out, size, size)."""
        return (self.c_out, self.size, self.size)

    @property
    def convs(self) -> tuple[Conv, ...]:
        """`conv`."""
        return (Conv("conv", self.c_in, self.c_out, 3, 1, 1, self.size, "none"),)


def parse(key: str) -> ConvNormStem:
    """Read a stem back from its key."""
    fields, words = fields_of(key, "convbn", "ic")
    if words:
        raise ValueError("unknown words")
    c_in, c_out = (int(c) for c in fields["c"].split("-"))
    return ConvNormStem(int(fields["i"]), c_in, c_out)
