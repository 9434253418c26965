"""The prior pool: random architectures whose predicted latency lies near chosen targets."""

from __future__ import annotations

from typing import Final

import numpy as np

from sgnas_deploy.generator.scale import LatencyModel, Scale
from sgnas_deploy.spaces import Space

SAMPLES: Final = 200
"""Random architectures that each prior is the nearest of."""


def draw(
    space: Space, model: LatencyModel, scale: Scale, count: int, seed: int
) -> tuple[tuple[tuple[int, ...], ...], tuple[float, ...]]:
    """A pool whose targets lie in the middle of `count` equal parts of the range.

    Args:
        space: the search space.
        model: the table's predictor.
        scale: its feasible range.
        count: size of the pool.
        seed: of the random architectures.

    Returns:
        The architectures, and the shares of the range that their latencies stand for.
    """
    rng = np.random.default_rng(seed)
    samples = [space.sample(rng) for _ in range(SAMPLES * count)]
    shares = scale.share(np.array([model.predict_s(options) for options in samples]))
    targets = (np.arange(count) + 0.5) / count
    nearest = [int(np.abs(shares - target).argmin()) for target in targets]
    return tuple(samples[i] for i in nearest), tuple(float(shares[i]) for i in nearest)
