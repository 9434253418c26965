"""The family of cell spaces: NAS-Bench-201 (Dong and Yang, ICLR 2020).

A cell is a graph of four nodes; each of the six edges carries one of five operations, and a node is
the sum of what its edges bring. A network is a stem, three stages of equal cells with a residual
reduction block between them, and a head. So a network is six decisions of five options, 15,625 in
all, few enough to look at every one.

An edge is *live* if it lies on a path from the cell's input to its output without a `none`. Dead
edges compute nothing that is used: they are removed before deployment. So that a network has one
spelling, and its cost is the sum over its edges, an architecture of this space is *canonical*: all
dead edges are `none`. Cells without a path from input to output are no architectures.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import re
from dataclasses import dataclass
from typing import ClassVar, Final, final

import numpy as np
import numpy.typing as npt

from sgnas_deploy.blocks import Block
from sgnas_deploy.blocks.cell import EDGES, OPERATIONS, Cell, live_edges
from sgnas_deploy.blocks.convbn import ConvNormStem
from sgnas_deploy.blocks.edge import BLOCKS, Edge
from sgnas_deploy.blocks.meanhead import MeanHead
from sgnas_deploy.blocks.reduction import Reduction
from sgnas_deploy.errors import BadInput
from sgnas_deploy.spaces import check_options

STAGES: Final = 3

Ints = npt.NDArray[np.int64]


@final
@dataclass(frozen=True)
class CellSpace:
    """Declarative description of a cell space.

    Attributes:
        name: name of the file that describes it.
        resolution: side of the square input image, a multiple of 4.
        classes: number of logits.
        width: channels of the first stage; each further one has twice as many.
        cells: cells of a stage.
        channels: channels of the input image.
        defaults: resolution, classes, width and cells of the space without variants.
    """

    family: ClassVar[str] = "cell"

    name: str
    resolution: int
    classes: int
    width: int
    cells: int
    channels: int = 3
    defaults: tuple[int, int, int, int] | None = None

    def variant(self, words: tuple[str, ...]) -> CellSpace:
        """This space with variants: `rN` (resolution), `cN` (classes), `wN` (width), `nN` (cells).

        Raises:
            BadInput: an unknown variant, or one that stands twice.
        """
        known = "variants are rN (resolution), cN (classes), wN (width), nN (cells of a stage)"
        fields = {"r": "resolution", "c": "classes", "w": "width", "n": "cells"}
        changed: dict[str, int] = {}
        for word in words:
            number = re.fullmatch(r"([rcwn])([1-9][0-9]{0,4})", word)
            if number is None:
                raise BadInput(f"unknown variant {word!r} of space {self.name}", known)
            if fields[number[1]] in changed:
                raise BadInput(f"variant {word!r} of space {self.name} stands twice", known)
            changed[fields[number[1]]] = int(number[2])
        own = (self.resolution, self.classes, self.width, self.cells)
        space = dataclasses.replace(self, defaults=own)
        space = dataclasses.replace(
            space,
            resolution=changed.get("resolution", space.resolution),
            classes=changed.get("classes", space.classes),
            width=changed.get("width", space.width),
            cells=changed.get("cells", space.cells),
        )
        if space.classes < 2:
            raise BadInput(f"a space needs at least 2 classes, not {space.classes}")
        if space.resolution < 16 or space.resolution % 4:
            raise BadInput(
                f"a resolution of {space.resolution} does not fit {self.name}",
                "take a multiple of 4, 16 or more",
            )
        return space

    @property
    def id(self) -> str:
        """Identifier in its one spelling, such as `nasbench201+r16+n1`."""
        own = (self.resolution, self.classes, self.width, self.cells)
        words = [self.name]
        for letter, value, default in zip("rcwn", own, self.defaults or own, strict=True):
            if value != default:
                words.append(f"{letter}{value}")
        return "+".join(words)

    @property
    def option_counts(self) -> tuple[int, ...]:
        """Five operations for each of the six edges."""
        return (len(OPERATIONS),) * len(EDGES)

    def option_label(self, decision: int, option: int) -> str:
        """As in the benchmark's strings, such as `nor_conv_3x3~0`."""
        return f"{OPERATIONS[option]}~{EDGES[decision][0]}"

    def spelling(self, options: tuple[int, ...]) -> str:
        """The benchmark's string."""
        return to_string(options)

    def option_blocks(self, decision: int, option: int) -> tuple[Block, ...]:
        """The edge in the cells of each stage; nothing for `none`, and for `skip_connect`.

        An identity executes nothing. The sum that it may lead to is mostly fused into a
        convolution: of the tables tried, those that count it as a sum predicted worse.
        """
        if OPERATIONS[option] not in BLOCKS:
            return ()
        return tuple(
            Edge(size, channels, OPERATIONS[option], self.cells) for size, channels in self._stages
        )

    def network_blocks(self, options: tuple[int, ...]) -> tuple[tuple[str, Block], ...]:
        """`stem`, `cells.0` ..., with `reductions.0` and `reductions.1` between, `head`."""
        self.check(options)
        found: list[tuple[str, Block]] = [("stem", self._stem)]
        for stage, (size, channels) in enumerate(self._stages):
            if stage:
                found.append((f"reductions.{stage - 1}", self._reduction(stage - 1)))
            cell = Cell(size, channels, tuple(OPERATIONS[option] for option in options))
            first = stage * self.cells
            found += [(f"cells.{i}", cell) for i in range(first, first + self.cells)]
        found.append(("head", self._head))
        return tuple(found)

    def fixed_blocks(self) -> tuple[Block, ...]:
        """Stem, both reduction blocks, head."""
        return (self._stem, self._reduction(0), self._reduction(1), self._head)

    def networks(self) -> Ints:
        """Every architecture, shape (n, 6), in lexicographic order; see `canonical_networks`."""
        return canonical_networks()

    def check(self, options: tuple[int, ...]) -> None:
        """Raise unless the options are a canonical architecture.

        Raises:
            BadInput: not one valid option per edge, a cell without a path, or a dead edge.
        """
        check_options(self, options)
        found = canonical(options)
        if found is None:
            raise BadInput(
                f"the cell {to_string(options)} has no path from its input to its output"
            )
        if found != options:
            raise BadInput(
                f"the cell {to_string(options)} has edges that nothing uses",
                f"write it without them: {to_string(found)}",
            )

    def sample(self, rng: np.random.Generator) -> tuple[int, ...]:
        """A random architecture; the taste in operations is drawn once a network."""
        while True:
            taste = rng.dirichlet(np.full(len(OPERATIONS), 0.8))
            drawn = rng.choice(len(OPERATIONS), size=len(EDGES), p=taste)
            found = canonical(tuple(int(option) for option in drawn))
            if found is not None:
                return found

    @property
    def _stages(self) -> tuple[tuple[int, int], ...]:
        """(side of the map, channels) of each stage."""
        return tuple((self.resolution >> i, self.width << i) for i in range(STAGES))

    @property
    def _stem(self) -> ConvNormStem:
        return ConvNormStem(self.resolution, self.channels, self.width)

    def _reduction(self, index: int) -> Reduction:
        size, channels = self._stages[index]
        return Reduction(size, channels, 2 * channels)

    @property
    def _head(self) -> MeanHead:
        size, channels = self._stages[-1]
        return MeanHead(size, channels, self.classes)


def canonical(options: tuple[int, ...]) -> tuple[int, ...] | None:
    """The same network with `none` on every dead edge; None where nothing is live."""
    live = live_edges(tuple(OPERATIONS[option] for option in options))
    if not any(live):
        return None
    none = OPERATIONS.index("none")
    return tuple(o if alive else none for o, alive in zip(options, live, strict=True))


@functools.cache
def canonical_networks() -> Ints:
    """All canonical options with a path from input to output, shape (n, 6)."""
    every = itertools.product(range(len(OPERATIONS)), repeat=len(EDGES))
    found = np.array([options for options in every if canonical(options) == options], np.int64)
    found.setflags(write=False)
    return found


def to_string(options: tuple[int, ...]) -> str:
    """The benchmark's string, `|nor_conv_3x3~0|+|none~0|skip_connect~1|+|...|`."""
    nodes: dict[int, list[str]] = {}
    for (source, target), option in zip(EDGES, options, strict=True):
        nodes.setdefault(target, []).append(f"{OPERATIONS[option]}~{source}")
    return "+".join(f"|{'|'.join(parts)}|" for _, parts in sorted(nodes.items()))


def from_string(text: str) -> tuple[int, ...]:
    """Options as the string spells them, dead edges included; see `canonical`.

    Raises:
        BadInput: no string of this benchmark.
    """
    cure = f"such as {to_string((3,) * len(EDGES))}"
    parts = [part for node in text.strip().split("+") for part in node.strip("|").split("|")]
    if len(parts) != len(EDGES):
        raise BadInput(f"{text!r} is no cell of NAS-Bench-201: {len(parts)} edges, not 6", cure)
    options = []
    for (source, _), part in zip(EDGES, parts, strict=True):
        name, _, at = part.partition("~")
        if name not in OPERATIONS or at != str(source):
            raise BadInput(f"{text!r} is no cell of NAS-Bench-201: {part!r} in it", cure)
        options.append(OPERATIONS.index(name))
    found = tuple(options)
    if to_string(found) != text.strip():
        raise BadInput(f"{text!r} is no cell of NAS-Bench-201", cure)
    return found
