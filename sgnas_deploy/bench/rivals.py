"""What the generator is held against: random search and evolution, scored by the supernet.

Both search anew for every budget. They see the same predicted latencies as the generator, and of
accuracy nothing but the supernet's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import numpy.typing as npt

from sgnas_deploy.blocks.cell import OPERATIONS
from sgnas_deploy.spaces.cell import canonical

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

POPULATION: Final = 20
TOURNAMENT: Final = 5
TRIES: Final = 50
"""Mutations of one parent that are tried until one keeps the budget and is new."""


def random_search(
    scores: Floats, allowed: Bools, evaluations: int, rng: np.random.Generator
) -> int:
    """The best of random networks within the budget.

    Args:
        scores: of each network, in the supernet.
        allowed: which networks keep the budget, at least one.
        evaluations: how many are looked at.
        rng: draws them.

    Returns:
        Its index.
    """
    within = np.flatnonzero(allowed)
    seen = rng.choice(within, size=min(evaluations, within.size), replace=False)
    return int(seen[scores[seen].argmax()])


def evolution(
    networks: Ints, scores: Floats, allowed: Bools, evaluations: int, rng: np.random.Generator
) -> int:
    """Regularised evolution (Real et al., AAAI 2019) within the budget.

    Args:
        networks: options of each network, shape (n, decisions).
        scores: of each, in the supernet.
        allowed: which keep the budget, at least one.
        evaluations: how many are looked at.
        rng: decides everything.

    Returns:
        Index of the best one seen.
    """
    within = np.flatnonzero(allowed)
    index = {tuple(options): i for i, options in enumerate(networks.tolist())}
    first = rng.choice(within, size=min(POPULATION, evaluations, within.size), replace=False)
    population: list[int] = [int(i) for i in first]
    seen = dict.fromkeys(population)
    while len(seen) < min(evaluations, within.size):
        contest = rng.choice(population, size=min(TOURNAMENT, len(population)), replace=False)
        parent = int(contest[scores[contest].argmax()])
        child = _child(tuple(networks[parent].tolist()), index, allowed, seen, rng)
        if child is None:
            # Around this parent all is known: a newcomer instead.
            unseen = within[~np.isin(within, list(seen))]
            child = int(rng.choice(unseen))
        seen[child] = None
        population = [*population, child][-POPULATION:]
    return max(seen, key=lambda i: (scores[i], -i))


def _child(
    parent: tuple[int, ...],
    index: Mapping[tuple[int, ...], int],
    allowed: Bools,
    seen: Mapping[int, None],
    rng: np.random.Generator,
) -> int | None:
    """A network that differs in one edge (and in what that makes dead), allowed and new."""
    for _ in range(TRIES):
        edge = int(rng.integers(len(parent)))
        changed = list(parent)
        changed[edge] = int(rng.integers(len(OPERATIONS)))
        options = canonical(tuple(changed))
        if options is None:
            continue
        found = index[options]
        if allowed[found] and found not in seen:
            return found
    return None
