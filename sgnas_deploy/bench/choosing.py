"""Which networks are worth a measurement: those that the least is known of, one after another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from sgnas_deploy.bench.features import Floats, Options, features
from sgnas_deploy.bench.surrogate import SPELLINGS, squared_distances

POOL: Final = 4000
"""Random networks that are chosen from, where a table has more."""
EDGE: Final = 0.2
SMOOTH: Final = 1.0
LENGTH: Final = 2.0
NOISE: Final = 0.3


def choose(networks: Sequence[Options], count: int, seed: int) -> tuple[Options, ...]:
    """Networks whose latencies tell most about all others.

    Each next one is that of the largest remaining variance of a Gaussian process that knows of
    counts, edges and shape, with and without dead edges (a greedy D-optimal design). Latencies are
    not looked at.

    Args:
        networks: what can be measured.
        count: how many, at most.
        seed: of the pool.
    """
    rng = np.random.default_rng(seed)
    pool = [networks[int(i)] for i in rng.permutation(len(networks))[:POOL]]
    basis = _points(pool)
    variance = np.einsum("ij,ij->i", basis[0], basis[0]) + SMOOTH**2
    chosen: list[int] = []
    columns = np.zeros((len(pool), 0))
    for _ in range(min(count, len(pool))):
        variance[chosen] = -np.inf
        index = int(np.argmax(variance))
        column = _covariance(basis, index) - columns @ columns[index]
        column /= np.sqrt(max(column[index] + NOISE**2, 1e-12))
        columns = np.column_stack([columns, column])
        variance = variance - column**2
        chosen.append(index)
    return tuple(pool[i] for i in chosen)


def _points(networks: Sequence[Options]) -> tuple[Floats, Floats]:
    """What the linear part is a product of, and where the smooth part measures distances."""
    linear, smooth = [], []
    for spelling in SPELLINGS:
        own = features(networks, spelling)
        linear += [own.counts / 2, EDGE * own.edges, own.shape / 4]
        smooth.append(own.point)
    return np.hstack(linear), np.hstack(smooth)


def _covariance(basis: tuple[Floats, Floats], index: int) -> Floats:
    linear, smooth = basis
    distance = squared_distances(smooth, smooth[index : index + 1])[:, 0]
    found: Floats = linear @ linear[index] + SMOOTH**2 * np.exp(-0.5 * distance / LENGTH**2)
    return found
