"""Blocks: the units that are profiled, emitted and deployed.

A block is a small frozen description. It says which fused convolutions it is made of; operations,
parameters and weight bytes follow from those. Its `key` is a short string that parses back to the
same block, and it is the key of the latency tables.

One kind of block, one file; `parse` finds the file by the first word of the key.
"""

from __future__ import annotations

import importlib
import math
import pkgutil
from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol, TypeAlias, cast

from sgnas_deploy.errors import BadInput

Activation: TypeAlias = Literal["relu6", "hswish"]
ConvActivation: TypeAlias = Literal["relu6", "hswish", "relu", "hsigmoid", "none"]


@dataclass(frozen=True)
class Conv:
    """One convolution with bias (batch normalisation folded) and its activation.

    A linear layer is a 1x1 convolution on a 1x1 map.

    Attributes:
        name: name within the block, such as "k5.depthwise".
        c_in: input channels.
        c_out: output channels.
        kernel: side of the square kernel.
        stride: stride in both directions.
        groups: groups; `c_in` for a depthwise convolution.
        size_out: side of the square output map.
        activation: what follows.
        normalised: trained with batch normalisation (False: with a plain bias).
    """

    name: str
    c_in: int
    c_out: int
    kernel: int
    stride: int
    groups: int
    size_out: int
    activation: ConvActivation
    normalised: bool = True

    @property
    def weight_shape(self) -> tuple[int, int, int, int]:
        """Shape of the weight, (c_out, c_in / groups, kernel, kernel)."""
        return (self.c_out, self.c_in // self.groups, self.kernel, self.kernel)

    @property
    def params(self) -> int:
        """Weights and biases of the deployed convolution."""
        return math.prod(self.weight_shape) + self.c_out

    @property
    def macs(self) -> int:
        """Multiply-accumulate operations for one image."""
        return math.prod(self.weight_shape) * self.size_out**2


class Block(Protocol):
    """What a block of any kind answers."""

    kind: ClassVar[str]

    @property
    def key(self) -> str:
        """Short text form; `parse(block.key) == block`, and different blocks differ in it."""

    @property
    def convs(self) -> tuple[Conv, ...]:
        """Its fused convolutions, in the order of execution."""

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of the input of one image, without the batch axis."""

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Shape of the output of one image, without the batch axis."""


def macs(block: Block) -> int:
    """Multiply-accumulate operations of a block for one image."""
    return sum(conv.macs for conv in block.convs)


def params(block: Block) -> int:
    """Weights and biases of the deployed block."""
    return sum(conv.params for conv in block.convs)


def kinds() -> list[str]:
    """Names of the kinds of blocks there are."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def parse(key: str) -> Block:
    """Read a block back from its key.

    Raises:
        BadInput: the text is no block's key.
    """
    kind = key.split("_", 1)[0]
    if kind not in kinds():
        raise BadInput(f"unknown kind of block {kind!r} in {key!r}")
    try:
        block = cast(Block, importlib.import_module(f"{__name__}.{kind}").parse(key))
    except (ValueError, KeyError) as error:
        raise BadInput(f"{key!r} is not a block's key: {error}") from error
    if block.key != key:
        raise BadInput(f"{key!r} is not a block's key in its one spelling, {block.key!r}")
    return block


def fields_of(key: str, kind: str, names: str) -> tuple[dict[str, str], frozenset[str]]:
    """Split a key into its lettered fields and its bare words.

    `fields_of("stem_c3-32_s2_relu6", "stem", "cs")` is `({"c": "3-32", "s": "2"}, {"relu6"})`.

    Raises:
        ValueError: another kind, a field that is missing or stands twice.
    """
    head, *rest = key.split("_")
    if head != kind:
        raise ValueError(f"expected a {kind} block")
    found: dict[str, str] = {}
    words: list[str] = []
    for part in rest:
        if part[:1] in names and part[1:2].isdigit():
            if part[0] in found:
                raise ValueError(f"field {part[0]!r} stands twice")
            found[part[0]] = part[1:]
        else:
            words.append(part)
    missing = [name for name in names if name not in found]
    if missing:
        raise ValueError(f"field {missing[0]!r} is missing")
    if len(set(words)) != len(words):
        raise ValueError("a word stands twice")
    return found, frozenset(words)


def activation_of(words: frozenset[str], allowed: frozenset[str] = frozenset()) -> Activation:
    """The one activation among the bare words of a key.

    Raises:
        ValueError: none, two, or a word that is neither an activation nor allowed.
    """
    names = words - allowed
    if names == {"relu6"}:
        return "relu6"
    if names == {"hswish"}:
        return "hswish"
    raise ValueError("expected one activation, relu6 or hswish, and no unknown word")
