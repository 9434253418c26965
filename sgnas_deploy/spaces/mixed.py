"""The family of mixed-kernel MBConv spaces: the "unified" space of SGNAS (CVPR 2021).

A layer expands C channels to 6C, seen as six sub-blocks of C channels. Each sub-block has a
depthwise kernel of 3, 5 or 7, or is skipped; the first is never skipped. Sub-blocks of one kernel
size are interchangeable, so the option of a layer is the multiset (n3, n5, n7): 83 of them with
1..6 sub-blocks. The published training uses 2..6 active sub-blocks; that is the variant `paper`,
which then never generates a layer with one.

Squeeze-and-excitation and h-swish are variants. The supernet is trained without
squeeze-and-excitation even where the deployed network has it, as the paper does.
"""

from __future__ import annotations

import dataclasses
import itertools
import re
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, final

import numpy as np

from sgnas_deploy.blocks import Activation, Block
from sgnas_deploy.blocks.head import Head
from sgnas_deploy.blocks.mb import KERNELS, MixedMBConv
from sgnas_deploy.blocks.stem import Stem
from sgnas_deploy.errors import BadInput
from sgnas_deploy.spaces import check_options

SUB_BLOCKS = 6


@dataclass(frozen=True)
class LayerShape:
    """Where a searchable layer stands: its input map, channels and stride."""

    size: int
    c_in: int
    c_out: int
    stride: int


@final
@dataclass(frozen=True)
class MixedSpace:
    """Declarative description of a mixed-kernel MBConv space.

    Attributes:
        name: name of the file that describes it.
        resolution: side of the square input image.
        classes: number of logits.
        stem: channels of the stem's convolution and of its projection.
        stem_stride: stride of the stem's convolution.
        layers: (output channels, stride) of each searchable layer.
        head: channels of the head's 1x1 convolution.
        activation: everywhere.
        se: squeeze-and-excitation in the deployed layers.
        min_active: fewest active sub-blocks of a layer.
        channels: channels of the input image.
        defaults: resolution and classes of the space without variants.
    """

    family: ClassVar[str] = "mixed"

    name: str
    resolution: int
    classes: int
    stem: tuple[int, int]
    stem_stride: int
    layers: tuple[tuple[int, int], ...]
    head: int
    activation: Activation = "relu6"
    se: bool = False
    min_active: int = 1
    channels: int = 3
    defaults: tuple[int, int] | None = None

    def variant(self, words: tuple[str, ...]) -> MixedSpace:
        """This space with variants: `rN` (resolution), `cN` (classes), `hswish`, `se`, `paper`.

        Raises:
            BadInput: an unknown variant, or one that stands twice.
        """
        known = "variants are rN (resolution), cN (classes), hswish, se, paper"
        space = dataclasses.replace(self, defaults=(self.resolution, self.classes))
        seen: set[str] = set()
        for word in words:
            number = re.fullmatch(r"([rc])([1-9][0-9]{0,4})", word)
            kind = number[1] if number else word
            if kind in seen:
                raise BadInput(f"variant {word!r} of space {self.name} stands twice", known)
            seen.add(kind)
            if number and kind == "r":
                space = dataclasses.replace(space, resolution=int(number[2]))
            elif number and kind == "c":
                space = dataclasses.replace(space, classes=int(number[2]))
            elif word == "hswish":
                space = dataclasses.replace(space, activation="hswish")
            elif word == "se":
                space = dataclasses.replace(space, se=True)
            elif word == "paper":
                space = dataclasses.replace(space, min_active=2)
            else:
                raise BadInput(f"unknown variant {word!r} of space {self.name}", known)
        if space.classes < 2:
            raise BadInput(f"a space needs at least 2 classes, not {space.classes}")
        if space.resolution < 16:
            raise BadInput(f"a resolution of {space.resolution} is too small", "take 16 or more")
        return space

    @property
    def id(self) -> str:
        """Identifier in its one spelling, such as `imagenet+r192+hswish+se`."""
        resolution, classes = self.defaults or (self.resolution, self.classes)
        words = [self.name]
        if self.resolution != resolution:
            words.append(f"r{self.resolution}")
        if self.classes != classes:
            words.append(f"c{self.classes}")
        if self.activation == "hswish":
            words.append("hswish")
        if self.se:
            words.append("se")
        if self.min_active == 2:
            words.append("paper")
        return "+".join(words)

    @cached_property
    def multisets(self) -> tuple[tuple[int, int, int], ...]:
        """The options of every layer: (n3, n5, n7), in lexicographic order."""
        counts = itertools.product(range(SUB_BLOCKS + 1), repeat=len(KERNELS))
        return tuple(
            (n3, n5, n7) for n3, n5, n7 in counts if self.min_active <= n3 + n5 + n7 <= SUB_BLOCKS
        )

    @cached_property
    def shapes(self) -> tuple[LayerShape, ...]:
        """Input map, channels and stride of each searchable layer."""
        size, c_in = self._stem.size_out, self._stem.c_out
        found: list[LayerShape] = []
        for c_out, stride in self.layers:
            found.append(LayerShape(size, c_in, c_out, stride))
            size, c_in = -(-size // stride), c_out
        return tuple(found)

    @property
    def option_counts(self) -> tuple[int, ...]:
        """83 for each layer (80 in the variant `paper`)."""
        return (len(self.multisets),) * len(self.layers)

    def option_label(self, decision: int, option: int) -> str:
        """Such as `3x2 7x1`: two sub-blocks of kernel 3, one of kernel 7."""
        del decision
        counts = zip(KERNELS, self.multisets[option], strict=True)
        return " ".join(f"{kernel}x{n}" for kernel, n in counts if n)

    def spelling(self, options: tuple[int, ...]) -> None:
        """None: networks of this family have no common spelling."""

    def layer_block(self, decision: int, counts: tuple[int, int, int]) -> MixedMBConv:
        """The block of a layer for a multiset of kernel sizes."""
        at = self.shapes[decision]
        return MixedMBConv(at.size, at.c_in, at.c_out, at.stride, counts, self.activation, self.se)

    def option_blocks(self, decision: int, option: int) -> tuple[Block, ...]:
        """One block: an option of this family is one mixed-kernel MBConv."""
        return (self.layer_block(decision, self.multisets[option]),)

    def network_blocks(self, options: tuple[int, ...]) -> tuple[tuple[str, Block], ...]:
        """`stem`, `layers.0` ... , `head`."""
        check_options(self, options)
        layers = (
            (f"layers.{i}", self.layer_block(i, self.multisets[option]))
            for i, option in enumerate(options)
        )
        return (("stem", self._stem), *layers, ("head", self._head))

    def fixed_blocks(self) -> tuple[Block, ...]:
        """Stem and head."""
        return (self._stem, self._head)

    def networks(self) -> None:
        """None: every combination of options is a network."""

    def check(self, options: tuple[int, ...]) -> None:
        """Raise BadInput unless there is one valid option per layer."""
        check_options(self, options)

    def sample(self, rng: np.random.Generator) -> tuple[int, ...]:
        """Random options; width and taste in kernels are drawn once a network, then per layer.

        Independent uniform choices would all cost nearly the same (a sum over many layers).
        """
        level = rng.uniform(0, 1)
        taste = rng.dirichlet(np.ones(len(KERNELS))) * 3 + 0.3
        index = {counts: i for i, counts in enumerate(self.multisets)}
        found: list[int] = []
        for _ in self.layers:
            share = float(np.clip(level + rng.normal(0, 0.15), 0, 1))
            active = self.min_active + rng.binomial(SUB_BLOCKS - self.min_active, share)
            n3, n5, n7 = rng.multinomial(active, rng.dirichlet(taste))
            found.append(index[int(n3), int(n5), int(n7)])
        return tuple(found)

    @cached_property
    def _stem(self) -> Stem:
        mid, out = self.stem
        return Stem(self.resolution, self.channels, mid, out, self.stem_stride, self.activation)

    @cached_property
    def _head(self) -> Head:
        last = self.shapes[-1]
        size = -(-last.size // last.stride)
        return Head(size, last.c_out, self.head, self.classes, self.activation)
