"""The mixed-kernel MBConv block (SGNAS, CVPR 2021, section 3.2), in its deployed form.

The supernet's six sub-blocks of a layer that share a kernel size are interchangeable, so a
deployed layer is the multiset of their kernel sizes: how many of 3, of 5 and of 7.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from sgnas_deploy.blocks import Activation, Conv, activation_of, fields_of

KERNELS = (3, 5, 7)


@final
@dataclass(frozen=True)
class MixedMBConv:
    """Expansion, depthwise convolutions of mixed kernel sizes, projection.

    Attributes:
        size: side of the square input map.
        c_in: input channels, and the width of one sub-block.
        c_out: output channels.
        stride: stride of the depthwise convolutions.
        counts: how many sub-blocks have kernel 3, 5 and 7; their sum is the expansion ratio.
        activation: after the expansion and after the depthwise convolutions.
        se: squeeze-and-excitation on the depthwise output. It squeezes to a quarter of `c_in`,
            at least 8 channels (the ratio counted on the block's input, as EfficientNet does).
    """

    kind: ClassVar[str] = "mb"

    size: int
    c_in: int
    c_out: int
    stride: int
    counts: tuple[int, int, int]
    activation: Activation
    se: bool = False

    @property
    def key(self) -> str:
        """Such as `mb_i56_c32-40_s2_n2-0-1_relu6` (with `_se` at the end)."""
        counts = "-".join(str(n) for n in self.counts)
        return (
            f"mb_i{self.size}_c{self.c_in}-{self.c_out}_s{self.stride}_n{counts}"
            f"_{self.activation}{'_se' if self.se else ''}"
        )

    @property
    def size_out(self) -> int:
        """Side of the output map."""
        return -(-self.size // self.stride)

    @property
    def residual(self) -> bool:
        """Whether the input is added to the output."""
        return self.stride == 1 and self.c_in == self.c_out

    @property
    def branches(self) -> tuple[tuple[int, int], ...]:
        """(kernel, channels) of each kernel size that occurs, in rising order of the kernel."""
        return tuple(
            (kernel, n * self.c_in) for kernel, n in zip(KERNELS, self.counts, strict=True) if n > 0
        )

    @property
    def width(self) -> int:
        """Channels of the expanded map."""
        return sum(self.counts) * self.c_in

    @property
    def squeezed(self) -> int:
        """Channels inside the squeeze-and-excitation."""
        return max(8, self.c_in // 4)

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
        """`kK.expand` and `kK.depthwise` per kernel size, `se.reduce`, `se.expand`, `project`."""
        found: list[Conv] = []
        act = self.activation
        for kernel, width in self.branches:
            found += [
                Conv(f"k{kernel}.expand", self.c_in, width, 1, 1, 1, self.size, act),
                Conv(
                    f"k{kernel}.depthwise",
                    width,
                    width,
                    kernel,
                    self.stride,
                    width,
                    self.size_out,
                    act,
                ),
            ]
        if self.se:
            inner = self.squeezed
            found += [
                Conv("se.reduce", self.width, inner, 1, 1, 1, 1, "relu", normalised=False),
                Conv("se.expand", inner, self.width, 1, 1, 1, 1, "hsigmoid", normalised=False),
            ]
        found.append(Conv("project", self.width, self.c_out, 1, 1, 1, self.size_out, "none"))
        return tuple(found)


def parse(key: str) -> MixedMBConv:
    """Read a block back from its key."""
    fields, words = fields_of(key, "mb", "icsn")
    c_in, c_out = (int(c) for c in fields["c"].split("-"))
    n3, n5, n7 = (int(n) for n in fields["n"].split("-"))
    if n3 + n5 + n7 < 1:
        raise ValueError("a block needs at least one sub-block")
    return MixedMBConv(
        int(fields["i"]),
        c_in,
        c_out,
        int(fields["s"]),
        (n3, n5, n7),
        activation_of(words, frozenset({"se"})),
        "se" in words,
    )
