"""The head: a 1x1 convolution, global average pooling, a linear classifier."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from sgnas_deploy.blocks import Activation, Conv, activation_of, fields_of


@final
@dataclass(frozen=True)
class Head:
    """Last feature map to the logits.

    Attributes:
        size: side of the square input map.
        c_in: its channels.
        c_mid: channels of the 1x1 convolution.
        classes: number of logits.
        activation: after the convolution.
    """

    kind: ClassVar[str] = "head"

    size: int
    c_in: int
    c_mid: int
    classes: int
    activation: Activation

    @property
    def key(self) -> str:
        """Such as `head_i7_c320-1280-1000_relu6`."""
        return f"head_i{self.size}_c{self.c_in}-{self.c_mid}-{self.classes}_{self.activation}"

    @property
    def input_shape(self) -> tuple[int, ...]:
        """(c_in, size, size)."""
        return (self.c_in, self.size, self.size)

    @property
    def output_shape(self) -> tuple[int, ...]:
        """(classes,)."""
        return (self.classes,)

    @property
    def convs(self) -> tuple[Conv, ...]:
        """`conv`, and the linear `classifier` on the pooled 1x1 map."""
        return (
            Conv("conv", self.c_in, self.c_mid, 1, 1, 1, self.size, self.activation),
            Conv("classifier", self.c_mid, self.classes, 1, 1, 1, 1, "none", normalised=False),
        )


def parse(key: str) -> Head:
    """Read a head back from its key."""
    fields, words = fields_of(key, "head", "ic")
    c_in, c_mid, classes = (int(c) for c in fields["c"].split("-"))
    return Head(int(fields["i"]), c_in, c_mid, classes, activation_of(words))
