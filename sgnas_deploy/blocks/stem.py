"""The stem: a 3x3 convolution, then an MBConv of expansion 1 and kernel 3."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from sgnas_deploy.blocks import Activation, Conv, activation_of, fields_of


@final
@dataclass(frozen=True)
class Stem:
    """Image to the first feature map.

    Attributes:
        size: side of the square input image.
        c_in: channels of the image.
        c_mid: channels of the 3x3 convolution.
        c_out: channels after the projection.
        stride: stride of the 3x3 convolution.
        activation: after the convolution and the depthwise convolution.
    """

    kind: ClassVar[str] = "stem"

    size: int
    c_in: int
    c_mid: int
    c_out: int
    stride: int
    activation: Activation

    @property
    def key(self) -> str:
        """Such as `stem_i224_c3-32-16_s2_relu6`."""
        return (
            f"stem_i{self.size}_c{self.c_in}-{self.c_mid}-{self.c_out}"
            f"_s{self.stride}_{self.activation}"
        )

    @property
    def size_out(self) -> int:
        """Side of the output map."""
        return -(-self.size // self.stride)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """(c_in, size, size)."""
        return (self.c_in, self.size, self.size)

    @property
    def output_shape(self) -> tuple[int, ...]:
        """(c_out, size_out, size_out)."""
        return (self.c_out, self.size_out, self.size_out)

    @property
    def convs(self) -> tuple[Conv, ...]:
        """`conv`, `depthwise`, `project`."""
        mid, size, act = self.c_mid, self.size_out, self.activation
        return (
            Conv("conv", self.c_in, mid, 3, self.stride, 1, size, act),
            Conv("depthwise", mid, mid, 3, 1, mid, size, act),
            Conv("project", mid, self.c_out, 1, 1, 1, size, "none"),
        )


def parse(key: str) -> Stem:
    """Read a stem back from its key."""
    fields, words = fields_of(key, "stem", "ics")
    c_in, c_mid, c_out = (int(c) for c in fields["c"].split("-"))
    return Stem(int(fields["i"]), c_in, c_mid, c_out, int(fields["s"]), activation_of(words))
