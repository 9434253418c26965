"""Which sub-network is trained next: strictly fair draws (SGNAS, CVPR 2021, section 3.3).

In each pass, each layer takes its number of active sub-blocks from a shuffled cycle; the first
sub-block is always active, the others are drawn at random; each active sub-block takes its kernel
from a shuffled cycle of its own. A cycle goes on from pass to pass and from step to step, so at
any moment the counts of a layer's widths, and of a sub-block's kernels, differ by at most one.

Where this differs from the reference implementation: that one is not strictly fair (about half of
the sub-blocks that are active twice in a step repeat a kernel), and it never trains a width of
one sub-block. Ours does, except in the variant `paper`.
"""

from __future__ import annotations

from typing import Any, final

import numpy as np

from sgnas_deploy.blocks.mb import KERNELS
from sgnas_deploy.spaces.mixed import SUB_BLOCKS, MixedSpace
from sgnas_deploy.supernet.base import Choice

SKIP = len(KERNELS)
"""Choice index of a skipped sub-block; 0, 1 and 2 are the kernels."""


@final
class FairSampler:
    """Draws sub-networks of a mixed-kernel space.

    Args:
        space: the space; its `min_active` is the smallest width that is drawn.
        seed: decides all draws.
    """

    def __init__(self, space: MixedSpace, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._widths = list(range(space.min_active, SUB_BLOCKS + 1))
        layers = range(len(space.layers))
        # What is left of the current cycles; an empty one is refilled when it is needed.
        self._width_cycles: list[list[int]] = [[] for _ in layers]
        self._kernel_cycles: list[list[list[int]]] = [
            [[] for _ in range(SUB_BLOCKS)] for _ in layers
        ]

    def draw(self) -> Choice:
        """One sub-network: per layer and sub-block a kernel index 0..2, or 3 for skipped."""
        return tuple(self._layer(layer) for layer in range(len(self._width_cycles)))

    def _layer(self, layer: int) -> tuple[int, ...]:
        width = self._next(self._width_cycles[layer], self._widths)
        others = self._rng.permutation(np.arange(1, SUB_BLOCKS))[: width - 1]
        chosen = [SKIP] * SUB_BLOCKS
        for sub_block in (0, *(int(i) for i in others)):
            cycle = self._kernel_cycles[layer][sub_block]
            chosen[sub_block] = self._next(cycle, range(len(KERNELS)))
        return tuple(chosen)

    def _next(self, cycle: list[int], values: range | list[int]) -> int:
        if not cycle:
            cycle.extend(int(value) for value in self._rng.permutation(values))
        return cycle.pop()

    def state(self) -> dict[str, Any]:
        """The random state and what is left of every cycle."""
        return {
            "rng": self._rng.bit_generator.state,
            "widths": self._width_cycles,
            "kernels": self._kernel_cycles,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on where `state` was taken."""
        self._rng.bit_generator.state = state["rng"]
        self._width_cycles = [list(cycle) for cycle in state["widths"]]
        self._kernel_cycles = [[list(cycle) for cycle in layer] for layer in state["kernels"]]
