"""A better predictor from networks that were measured near the budgets.

Two steps, both additive in the blocks, so that the solver stays exact:

1. The table's `g` is fitted again, on its own calibration networks (moved to this sitting's speed)
   and on all networks measured now.
2. What is left is laid on the blocks: each option's cost gets a factor `1 + e`, with `e` normally
   distributed around 0 beforehand, and the measured networks say what it is. An optimised network
   has mostly blocks that looked cheaper than they are (selection bias), so its measurement makes
   just these dearer, and networks that share many of its blocks, the next candidates for the same
   budget, are corrected most.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, final

import numpy as np

from sgnas_deploy.fitting.levels import Floats, Levels, Options
from sgnas_deploy.tables import LatencyTable, Predictor, predictor
from sgnas_deploy.tables.format import NetworkEntry
from sgnas_deploy.tables.statistics import pooled_percentile_s

BLOCK_ERRORS: Final = (0.02, 0.04, 0.08, 0.15)
"""Standard deviation of the relative error of a block's cost, beforehand; which, the measured
networks say."""

OWN_ERRORS: Final = (0.003, 0.006, 0.012, 0.024)
"""The same of a whole network, beyond its blocks: what no sum explains."""

MOST: Final = 0.3
"""No option's cost is changed by more than this share."""


@final
@dataclass(frozen=True)
class Corrected:
    """The corrected prediction.

    Attributes:
        model: for the solver.
        believed: logarithm of the latency of each measured network: its measurement and its
            prediction, each as far as it is certain.
        error: standard deviation of `believed`, relative.
    """

    model: Predictor
    believed: Mapping[Options, float]
    error: Mapping[Options, float]


def corrected(
    table: LatencyTable, percentile: float, found: Levels, anchors: Sequence[Options]
) -> Corrected:
    """Correct a table's predictor by what was measured now.

    Args:
        table: the table.
        percentile: of a hot run.
        found: levels of this sitting.
        anchors: calibration networks of the table that were measured in this sitting too, one or
            more: they say how much slower the machine is than it was.
    """
    base = predictor(_moved(table, percentile, found, anchors), percentile)
    networks = list(found.of)
    weights = np.array([_shares(base, options) for options in networks])
    rest = np.array([found.of[o] - np.log(base.predict_s(o)) for o in networks])
    noise = np.array([found.error(o) ** 2 for o in networks])
    block, signal = _signal(weights @ weights.T, rest, noise)
    gain = np.linalg.inv(signal + np.diag(noise))
    factors = block**2 * weights.T @ (gain @ rest)
    after = signal @ (gain @ rest) - rest
    variance = np.diag(signal - signal @ gain @ signal)
    model = _with_factors(base, 1 + np.clip(factors, -MOST, MOST))
    return Corrected(
        model=model,
        believed={o: found.of[o] + float(a) for o, a in zip(networks, after, strict=True)},
        error={o: float(np.sqrt(max(v, 0.0))) for o, v in zip(networks, variance, strict=True)},
    )


def _signal(shared: Floats, rest: Floats, noise: Floats) -> tuple[float, Floats]:
    """How far predictions are off beforehand: the likeliest of a few settings.

    Where networks differ much from any sum of their blocks, as on a machine whose caches they
    overflow, a measurement is to be believed more than a prediction, and elsewhere less.

    Args:
        shared: of every two networks, how much of their latency depends on the same blocks.
        rest: measured over predicted, logarithms.
        noise: variances of the measurements.

    Returns:
        Standard deviation of a block's error, and covariances of the networks' errors.
    """
    best: tuple[float, float, Floats] | None = None
    for block, own in itertools.product(BLOCK_ERRORS, OWN_ERRORS):
        signal = block**2 * shared + own**2 * np.eye(len(rest))
        lower = np.linalg.cholesky(signal + np.diag(noise))
        white = np.linalg.solve(lower, rest)
        likelihood = float(-0.5 * white @ white - np.log(np.diag(lower)).sum())
        if best is None or likelihood > best[0]:
            best = likelihood, block, signal
    assert best is not None
    return best[1:]


def _moved(
    table: LatencyTable, percentile: float, found: Levels, anchors: Sequence[Options]
) -> LatencyTable:
    """The table with its networks at this sitting's speed, and those measured now beside them."""
    then = {n.options: np.log(pooled_percentile_s(n.samples_s, percentile)) for n in table.networks}
    known = sorted((float(then[o]), found.of[o] - float(then[o])) for o in set(anchors))
    at, shift = zip(*known, strict=True)
    entries = [
        _entry(options, float(level + np.interp(level, at, shift)))
        for options, level in then.items()
        if options not in found.of
    ]
    entries += [_entry(options, level) for options, level in found.of.items()]
    return table.model_copy(update={"networks": tuple(entries)})


def _entry(options: Options, level: float) -> NetworkEntry:
    """A network whose every percentile is the one in question."""
    return NetworkEntry(options=options, samples_s=((float(np.exp(level)),),), warmup_runs=(0,))


def _shares(model: Predictor, options: Options) -> Floats:
    """By how much the latency changes, relative, with each option's relative cost."""
    sizes = [len(costs) for costs in model.option_costs]
    found = np.zeros(sum(sizes))
    slope = model.coefficients[1] + 2 * model.coefficients[2] * max(model.cost_of(options), 0.0)
    start = 0
    for costs, option, size in zip(model.option_costs, options, sizes, strict=True):
        found[start + option] = slope * float(costs[option])
        start += size
    return found / model.predict_s(options)


def _with_factors(model: Predictor, factors: Floats) -> Predictor:
    costs, start = [], 0
    for old in model.option_costs:
        new = old * factors[start : start + len(old)]
        new.setflags(write=False)
        costs.append(new)
        start += len(old)
    return dataclasses.replace(model, option_costs=tuple(costs))
