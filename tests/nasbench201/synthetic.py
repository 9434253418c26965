"""Tables of a benchmark with known truth. All figures are invented."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from sgnas_deploy.spaces.cell import canonical, canonical_networks, to_string

Options = tuple[int, ...]

EVERY = tuple(itertools.product(range(5), repeat=6))
_MS = (0.0, 0.05, 1.0, 2.5, 0.6)
_WORTH = (0.0, 2.0, 5.0, 8.0, 1.0)


@functools.cache
def latencies(dead_edges: bool, noise: float = 0.01, seed: int = 0) -> Mapping[Options, float]:
    """Seconds: an offset and a cost per edge that differs a little between edges."""
    rng = np.random.default_rng(seed)
    edge = 1 + 0.1 * rng.standard_normal(6)
    found = {}
    for options in EVERY:
        run = options if dead_edges else canonical(options) or (0,) * 6
        ms = 2 + sum(_MS[o] * edge[e] for e, o in enumerate(run))
        found[options] = float(ms * np.exp(noise * rng.standard_normal()) / 1e3)
    return found


@functools.cache
def accuracies() -> Mapping[Options, float]:
    """Percent: more of what is worth more, and a surplus for a skip from input to output."""
    found = {}
    for options in EVERY:
        own = canonical(options)
        value = 10.0
        if own is not None:
            value = 60 + sum(_WORTH[o] for o in own) * 0.7 + (3.0 if own[3] == 1 else 0.0)
        found[options] = value
    return found


def supernet_scores(noise: float = 0.01, seed: int = 0) -> np.ndarray:
    """Accuracy in a supernet: the truth, blurred, of each canonical network."""
    rng = np.random.default_rng(seed)
    truth = np.array([accuracies()[tuple(o)] for o in canonical_networks().tolist()])
    return np.clip(truth / 100 + noise * rng.standard_normal(len(truth)), 0, 1)


class Likes:
    """A generator that likes what is worth more, the more so the larger the budget."""

    def option_scores(self, shares: np.ndarray) -> tuple[np.ndarray, ...]:
        """The same for every edge."""
        worth = np.array(_WORTH)
        return tuple(np.outer(shares, worth) for _ in range(6))


def write_latencies(path: Path, values_s: Mapping[Options, float]) -> Path:
    """A CSV as a user has it."""
    rows = [f"{to_string(o)},{value * 1e3!r}" for o, value in values_s.items()]
    path.write_text("\n".join(["arch,latency_ms", *rows]) + "\n")
    return path


def write_accuracies(path: Path, **metrics: Mapping[Options, float]) -> Path:
    """A CSV as a user has it."""
    rows = [
        ",".join([to_string(o), *(repr(m[o]) if o in m else "" for m in metrics.values())])
        for o in EVERY
    ]
    path.write_text("\n".join([",".join(["arch", *metrics]), *rows]) + "\n")
    return path
