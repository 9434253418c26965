"""Exact expected latency of a mixed-kernel layer whose sub-blocks choose independently.

A table of layer options is not additive over sub-blocks: three sub-blocks of kernel 3 do not cost
three times one. But sub-blocks of one kernel are interchangeable, so what matters is the
distribution over the multiset (n3, n5, n7). Six steps of a dynamic program over the 84 multisets of
at most six sub-blocks give it exactly, for any table, and with gradients.

Spaces that allow fewer multisets (1..6 active sub-blocks, 2..6 in the variant `paper`) condition on
the allowed ones: their probabilities are divided by their sum. The first sub-block is never
skipped, so with 1..6 that sum is 1.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import lru_cache
from typing import Final, TypeAlias, final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from sgnas_deploy.blocks.mb import KERNELS
from sgnas_deploy.generator.base import ExpectedLatency
from sgnas_deploy.generator.many import mean_latency_s
from sgnas_deploy.generator.scale import LatencyModel
from sgnas_deploy.spaces.mixed import SUB_BLOCKS

CHOICES: Final = len(KERNELS) + 1
"""Kernels 3, 5, 7, and skip: the last axis of gates."""

STATES: Final = tuple(
    counts
    for counts in itertools.product(range(SUB_BLOCKS + 1), repeat=len(KERNELS))
    if sum(counts) <= SUB_BLOCKS
)

Terms: TypeAlias = "tuple[tuple[int, ...], ...]"
"""Products of powers, each by the numbers of sub-blocks of each kernel."""

Polynomial: TypeAlias = "tuple[Terms, npt.NDArray[np.float64]]"
"""Terms, and their coefficients, shape (terms, budgets)."""

TINY: Final = 1e-300
"""Probability that stands in for zero where a logarithm is needed."""


@final
class Multisets(nn.Module):
    """The distribution over the multisets that a space allows.

    Args:
        allowed: (n3, n5, n7) in the order of the space's options.
    """

    def __init__(self, allowed: Sequence[tuple[int, int, int]]) -> None:
        super().__init__()
        index = {counts: i for i, counts in enumerate(STATES)}
        # Where each state comes from when a sub-block of kernel j is added; `len(STATES)` stands
        # for nowhere and has probability 0.
        before = [
            [index.get(_less(counts, j), len(STATES)) for counts in STATES]
            for j in range(len(KERNELS))
        ]
        self.before: Tensor
        self.register_buffer("before", torch.tensor(before), persistent=False)
        self.allowed: Tensor
        picked = torch.tensor([index[counts] for counts in allowed])
        self.register_buffer("allowed", picked, persistent=False)

    def forward(self, gates: Tensor) -> Tensor:
        """Probability of every option.

        Args:
            gates: probabilities (..., 6, 4) of kernel 3, 5, 7 and skip.

        Returns:
            Shape (..., options), float64; sums to 1.
        """
        gates = gates.double()
        state = gates.new_zeros((*gates.shape[:-2], len(STATES)))
        state[..., 0] = 1.0
        for sub_block in gates.unbind(dim=-2):
            *kernels, skip = sub_block.unsqueeze(-1).unbind(dim=-2)
            from_zero = nn.functional.pad(state, (0, 1))
            state = skip * state
            for j, probability in enumerate(kernels):
                state = state + probability * from_zero[..., self.before[j]]
        chosen: Tensor = state[..., self.allowed]
        return chosen / chosen.sum(dim=-1, keepdim=True).clamp_min(TINY)

    def log_probabilities(self, gates: Tensor) -> Tensor:
        """Logarithm of every option's probability, finite, shape (..., options)."""
        found: Tensor = self(gates)
        return found.clamp_min(TINY).log()


def log_probabilities(
    gates: npt.NDArray[np.float64], allowed: Sequence[tuple[int, int, int]]
) -> npt.NDArray[np.float64]:
    """What `Multisets.log_probabilities` gives for one layer and many budgets, much faster.

    The generating polynomial of six sub-blocks is multiplied out by pairs: two, two and two, then
    four, then six. Each coefficient is an array over the budgets.

    Args:
        gates: probabilities (n, 6, 4) of kernel 3, 5, 7 and skip.
        allowed: (n3, n5, n7) in the order of the space's options.

    Returns:
        Shape (n, options), finite.
    """
    by_choice = np.ascontiguousarray(gates.transpose(1, 2, 0))
    units = tuple(tuple(int(i == j) for i in range(len(KERNELS))) for j in range(CHOICES))
    factors = [(units, sub_block) for sub_block in by_choice]
    while len(factors) > 1:
        pairs = [_product(*factors[i : i + 2]) for i in range(0, len(factors) - 1, 2)]
        factors = pairs + factors[2 * len(pairs) :]
    ((terms, product),) = factors
    found: npt.NDArray[np.float64] = product[[terms.index(counts) for counts in allowed]]
    found /= np.maximum(found.sum(axis=0), TINY)
    np.log(np.maximum(found, TINY, out=found), out=found)
    return found.T


def _product(a: Polynomial, b: Polynomial) -> Polynomial:
    terms, pairs = _multiplied(a[0], b[0])
    found = np.empty((len(terms), a[1].shape[1]))
    part = np.empty(a[1].shape[1])
    for total, ((i, j), *others) in zip(found, pairs, strict=True):
        np.multiply(a[1][i], b[1][j], out=total)
        for k, m in others:
            total += np.multiply(a[1][k], b[1][m], out=part)
    return terms, found


@lru_cache
def _multiplied(a: Terms, b: Terms) -> tuple[Terms, tuple[tuple[tuple[int, int], ...], ...]]:
    """The terms of a product, and of each the pairs of terms whose coefficients it adds up."""
    found: dict[tuple[int, ...], list[tuple[int, int]]] = {}
    for (i, counts), (j, more) in itertools.product(enumerate(a), enumerate(b)):
        total = tuple(n + m for n, m in zip(counts, more, strict=True))
        found.setdefault(total, []).append((i, j))
    return tuple(found), tuple(tuple(pairs) for pairs in found.values())


@final
class ExpectedMixedLatency(ExpectedLatency):
    """Expected latency of networks whose sub-blocks choose independently.

    Layers are independent given the budget, so the expectation is exact, see `mean_latency_s`.

    Args:
        allowed: (n3, n5, n7) in the order of the space's options.
        model: the table's predictor.
    """

    def __init__(self, allowed: Sequence[tuple[int, int, int]], model: LatencyModel) -> None:
        super().__init__()
        self.multisets = Multisets(allowed)
        self.costs: Tensor
        self.register_buffer("costs", torch.from_numpy(np.stack(model.option_costs)).double())
        self.fixed = model.fixed_cost
        self.coefficients = model.coefficients

    def forward(self, gates: Tensor) -> Tensor:
        """Seconds, shape (B,), for gates (B, L, 6, 4)."""
        return mean_latency_s(self.multisets(gates), self.costs, self.fixed, self.coefficients)


def _less(counts: tuple[int, ...], kernel: int) -> tuple[int, ...]:
    return tuple(n - (i == kernel) for i, n in enumerate(counts))
