"""Networks that differ from a measured one in one layer.

What is off in the prediction of both is nearly the same, so the difference of their predictions,
added to what was measured, is much more certain than a prediction from the table alone.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

import numpy as np

from sgnas_deploy.fitting.levels import Floats, Options
from sgnas_deploy.tables import Predictor


def best_neighbour(
    model: Predictor,
    scores: Sequence[Floats],
    measured: Options,
    level: float,
    between: tuple[float, float],
    without: Collection[Options],
) -> Options | None:
    """The neighbour of highest score whose latency should lie in an interval.

    Args:
        model: the corrected prediction.
        scores: of the options, one array per decision, shape (options,).
        measured: the network that is changed.
        level: logarithm of its latency, in seconds.
        between: logarithms of the latencies wanted, the lower one excluded.
        without: networks that are not wanted.

    Returns:
        None where there is none. Of equal scores the faster one, then the first.
    """
    total = model.cost_of(measured)
    offset = level - math.log(model.predict_s(measured))
    best, found = (-math.inf, -math.inf), None
    for i, (costs, score) in enumerate(zip(model.option_costs, scores, strict=True)):
        own = measured[i]
        latency = np.log(model.latency_s(total - float(costs[own]) + costs)) + offset
        for o in np.flatnonzero((latency > between[0]) & (latency <= between[1])):
            worth = float(score[o] - score[own]), -float(latency[o])
            options = (*measured[:i], int(o), *measured[i + 1 :])
            if worth > best and options not in without:
                best, found = worth, options
    return found
