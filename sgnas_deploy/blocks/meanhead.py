"""The head of NAS-Bench-201: batch normalisation, ReLU, global average pooling, a linear layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from sgnas_deploy.blocks import Conv, fields_of


@final
@dataclass(frozen=True)
class MeanHead:
    """Last feature map to the logits.

    Attributes:
        size: side of the square input map.
        c_in: its channels.
        classes: number of logits.
    """

    kind: ClassVar[str] = "meanhead"

    size: int
    c_in: int
    classes: int

    @property
    def key(self) -> str:
        """Such as `meanhead_i8_c64-10`."""
        return f"meanhead_i{self.size}_c{self.c_in}-{self.classes}"

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
        """`norm` (no convolution stands before it to fold into) and the linear `classifier`.

        A normalisation alone is, deployed, a 1x1 convolution of each channel by itself.
        """
        c, size = self.c_in, self.size
        return (
            Conv("norm", c, c, 1, 1, c, size, "relu"),
            Conv("classifier", c, self.classes, 1, 1, 1, 1, "none", normalised=False),
        )


def parse(key: str) -> MeanHead:
    """Read a head back from its key."""
    fields, words = fields_of(key, "meanhead", "ic")
    if words:
        raise ValueError("unknown words")
    c_in, classes = (int(c) for c in fields["c"].split("-"))
    return MeanHead(int(fields["i"]), c_in, classes)
