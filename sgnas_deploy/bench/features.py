"""What a cell says of itself before anything is measured: the inputs of the latency predictor.

Whether a runtime executes edges that lie on no path is not known beforehand, so every feature
exists twice: of the cell as its string spells it, and of what is left without dead edges. The
samples decide which tells more.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, final

import numpy as np
import numpy.typing as npt

from sgnas_deploy.blocks.cell import EDGES, OPERATIONS
from sgnas_deploy.spaces.cell import canonical

Floats = npt.NDArray[np.float64]
Options = tuple[int, ...]

Spelling: TypeAlias = Literal["written", "live"]
"""`written`: dead edges are executed; `live`: they are not."""

_WEIGHTS: Final = {
    "depth": (0.0, 0.0, 1.0, 1.0, 1.0),
    "convolutions": (0.0, 0.0, 1.0, 1.0, 0.0),
}
"""Operations that a path is the longer by."""


@final
@dataclass(frozen=True)
class Features:
    """Features of n cells.

    Attributes:
        counts: how many edges have each of the four operations that are one, (n, 4).
        edges: the same for each edge alone, (n, 24).
        shape: longest path counted in operations and in convolutions, sums of two edges or more,
            nodes that are reached, (n, 4).
    """

    counts: Floats
    edges: Floats
    shape: Floats

    @property
    def point(self) -> Floats:
        """Where a cell stands among others, (n, 8)."""
        return np.hstack([self.counts, self.shape])


def features(networks: Sequence[Options], spelling: Spelling) -> Features:
    """Features of cells, disconnected ones included.

    Args:
        networks: options as the strings spell them.
        spelling: which edges count.
    """
    own = [_one(options, spelling) for options in networks]
    counts, edges, shape = zip(*own, strict=True)
    return Features(np.array(counts), np.array(edges), np.array(shape))


@functools.cache
def _one(
    options: Options, spelling: Spelling
) -> tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...]]:
    none = OPERATIONS.index("none")
    if spelling == "live":
        options = canonical(options) or (none,) * len(EDGES)
    counts = tuple(float(options.count(o)) for o in range(len(OPERATIONS)) if o != none)
    edges = tuple(
        float(options[e] == o)
        for e in range(len(EDGES))
        for o in range(len(OPERATIONS))
        if o != none
    )
    ends = [target for (_, target), option in zip(EDGES, options, strict=True) if option != none]
    into = [ends.count(node) for node in (1, 2, 3)]
    sums = float(sum(max(0, n - 1) for n in into))
    reached = float(sum(n > 0 for n in into))
    return counts, edges, (*(_longest(options, w) for w in _WEIGHTS.values()), sums, reached)


def _longest(options: Options, weights: tuple[float, ...]) -> float:
    length = [0.0, -np.inf, -np.inf, -np.inf]
    for (source, target), option in zip(EDGES, options, strict=True):
        if option != OPERATIONS.index("none"):
            length[target] = max(length[target], length[source] + weights[option])
    return max(0.0, *length[1:])
