"""How steady the machine was while a table was measured."""

from __future__ import annotations

from typing import Final

import numpy as np

from sgnas_deploy import spaces
from sgnas_deploy.tables.format import LatencyTable
from sgnas_deploy.tables.predictor import block_times_s, costs_of
from sgnas_deploy.tables.statistics import (
    LAUNCH_QUANTILE,
    block_cost_s,
    drift_of,
    repeat_gap,
    variation,
)

BLOCK_GAP: Final = 0.05
"""A block whose second-best pass lies further above its best is measured once more."""

NETWORK_GAP: Final = 0.03
"""The same for a network's launches."""

DRIFT_NETWORKS: Final = 3
DRIFT_WARNING: Final = 0.05
NOISY_SHARE: Final = 0.02
OTHERS_WARNING: Final = 0.10


def noise(table: LatencyTable) -> float:
    """Median coefficient of variation of a launch's single runs."""
    return float(
        np.median([variation(part) for network in table.networks for part in network.samples_s])
    )


def drift(table: LatencyTable) -> float:
    """Largest relative change between launches of the networks in the middle of the range."""
    costs = costs_of(spaces.load(table.space), block_times_s(table))
    middle = sum(costs.range) / 2
    by_distance = sorted(
        table.networks, key=lambda network: abs(costs.total(network.options) - middle)
    )
    return max(drift_of(network.samples_s) for network in by_distance[:DRIFT_NETWORKS])


def noisy_blocks(table: LatencyTable) -> tuple[str, ...]:
    """Keys of the blocks whose best pass no other pass came close to."""
    return tuple(
        key
        for key, entry in table.blocks.items()
        if repeat_gap([block_cost_s([part], table.statistic) for part in entry.samples_s])
        > BLOCK_GAP
    )


def unsteady_networks(table: LatencyTable) -> int:
    """How many calibration networks had a best launch that no other came close to."""
    return sum(
        repeat_gap([float(np.percentile(part, LAUNCH_QUANTILE)) for part in network.samples_s])
        > NETWORK_GAP
        for network in table.networks
    )


def noise_warnings(table: LatencyTable) -> tuple[str, ...]:
    """What of the measurement was not steady, one sentence each."""
    found: list[str] = []
    noisy = noisy_blocks(table)
    if len(noisy) > NOISY_SHARE * len(table.blocks):
        found.append(
            f"{len(noisy)} of {len(table.blocks)} blocks stayed noisy when measured once more "
            f"(no second pass within {BLOCK_GAP:.0%} of the best), such as {noisy[0]}"
        )
    if unsteady := unsteady_networks(table):
        found.append(
            f"{unsteady} of {len(table.networks)} calibration networks stayed unsteady when "
            f"measured once more (no second launch within {NETWORK_GAP:.0%} of the best)"
        )
    changed = drift(table)
    if changed > DRIFT_WARNING:
        found.append(
            f"the machine changed its speed by {changed:.1%} during the measurement "
            "(other work, clocks or heat?)"
        )
    return tuple(found)
