"""Search spaces: what can be chosen, and of which blocks a choice is made.

A space is named by an *identifier*: the name of its file and any variants, such as `imagenet`,
`cifar+c100` or `imagenet+r192+hswish+se`. Variants are written in one order, defaults are left
out, so that equal spaces have equal identifiers.

The rest of the toolchain knows a space only through `Space`: a network is one option per decision,
its cost the sum of a fixed part and of its options' blocks. Everything else (the supernet and how
its sub-networks are sampled, what an option looks like) belongs to the space's family.
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import Protocol, cast

import numpy as np
import numpy.typing as npt

from sgnas_deploy.blocks import Block
from sgnas_deploy.errors import BadInput

FAMILIES = frozenset({"cell", "mixed"})
"""Files of this folder that hold what several spaces share, and are no space themselves."""


class Space(Protocol):
    """A search space whose cost is additive over its decisions."""

    @property
    def id(self) -> str:
        """Identifier in its one spelling; `load(space.id) == space`."""

    @property
    def family(self) -> str:
        """Which supernet and generator fit: the name of a file of this folder."""

    @property
    def resolution(self) -> int:
        """Side of the square input image."""

    @property
    def channels(self) -> int:
        """Channels of the input image."""

    @property
    def classes(self) -> int:
        """Number of logits."""

    @property
    def option_counts(self) -> tuple[int, ...]:
        """How many options each decision has."""

    def option_label(self, decision: int, option: int) -> str:
        """What a person reads for an option, such as `3x2 7x1`."""

    def spelling(self, options: tuple[int, ...]) -> str | None:
        """A network as others write it, such as a benchmark's string; None where nobody does."""

    def option_blocks(self, decision: int, option: int) -> tuple[Block, ...]:
        """The blocks that an option brings."""

    def network_blocks(self, options: tuple[int, ...]) -> tuple[tuple[str, Block], ...]:
        """All blocks of a network with their names (`stem`, `layers.0`, ...), in order.

        Raises:
            BadInput: not one valid option per decision.
        """

    def fixed_blocks(self) -> tuple[Block, ...]:
        """The blocks that every network has (stem and head)."""

    def networks(self) -> npt.NDArray[np.int64] | None:
        """Every network, shape (n, decisions), where not every combination of options is one.

        None where it is. A space that lists its networks is solved by enumeration.
        """

    def check(self, options: tuple[int, ...]) -> None:
        """Raise BadInput unless the options are a network of the space, in its one spelling."""

    def sample(self, rng: np.random.Generator) -> tuple[int, ...]:
        """Random options, spread widely over the range of costs (not uniform over networks)."""


def names() -> list[str]:
    """Names of the spaces there are."""
    found = (module.name for module in pkgutil.iter_modules(__path__))
    return sorted(name for name in found if name not in FAMILIES)


def load(identifier: str) -> Space:
    """The space of an identifier.

    Raises:
        BadInput: unknown name or variant.
    """
    name, *variants = identifier.split("+")
    if name not in names():
        raise BadInput(f"unknown space {name!r}", f"choose one of {', '.join(names())}")
    module = importlib.import_module(f"{__name__}.{name}")
    return cast(Space, module.space(tuple(variants)))


def all_blocks(space: Space) -> tuple[Block, ...]:
    """Every distinct block of a space, in a fixed order: what a full table measures."""
    found: dict[str, Block] = {block.key: block for block in space.fixed_blocks()}
    for decision, count in enumerate(space.option_counts):
        for option in range(count):
            for block in space.option_blocks(decision, option):
                found.setdefault(block.key, block)
    return tuple(found.values())


def check_options(space: Space, options: tuple[int, ...]) -> None:
    """Raise unless there is one valid option per decision.

    Raises:
        BadInput: wrong length, or an option that is out of range.
    """
    counts = space.option_counts
    if len(options) != len(counts):
        raise BadInput(
            f"an architecture of {space.id} has {len(counts)} options, not {len(options)}"
        )
    for decision, (option, count) in enumerate(zip(options, counts, strict=True)):
        if not 0 <= option < count:
            raise BadInput(
                f"decision {decision} of {space.id} has options 0..{count - 1}, not {option}"
            )
