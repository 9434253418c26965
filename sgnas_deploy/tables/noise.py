"""How steady the machine was while a table was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from sgnas_deploy import spaces
from sgnas_deploy.tables.format import LatencyTable
from sgnas_deploy.tables.predictor import block_times_s, costs_of, predictor
from sgnas_deploy.tables.statistics import (
    LAUNCH_QUANTILE,
    block_cost_s,
    drift_of,
    pooled_percentile_s,
    repeat_gap,
    variation,
)

BLOCK_GAP: Final = 0.05
"""A block whose second-best pass lies further above its best is measured once more."""

NETWORK_GAP: Final = 0.03
"""The same for a network's launches."""

MEDIAN_GAP: Final = 0.05
"""So far may the median of all of a network's runs lie above that of its best launch."""

DRIFT_NETWORKS: Final = 3
DRIFT_WARNING: Final = 0.05
NOISY_SHARE: Final = 0.02

TOO_NOISY_SHARE: Final = 0.25
"""With more noisy blocks, or more than half of the networks unsteady, a table is too noisy."""

OTHERS_WARNING: Final = 0.10
STOLEN_WARNING: Final = 0.02
CLOCK_WARNING: Final = 0.05
HOT_C: Final = 85.0


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


def unsteady(launches: Sequence[Sequence[float]]) -> bool:
    """Whether a network's launches do not bear each other out.

    No second launch came close to the best by a low quantile, or the median of all runs lies
    above that of the best launch: then other work fell on a part of the launches.
    """
    low = repeat_gap([float(np.percentile(part, LAUNCH_QUANTILE)) for part in launches])
    best_s = min(float(np.median(part)) for part in launches)
    return low > NETWORK_GAP or pooled_percentile_s(launches, 50.0) > best_s * (1 + MEDIAN_GAP)


def unsteady_networks(table: LatencyTable) -> int:
    """How many calibration networks had launches that did not bear each other out."""
    return sum(unsteady(network.samples_s) for network in table.networks)


def noise_warnings(table: LatencyTable) -> tuple[str, ...]:
    """What of the measurement was not steady, one sentence each."""
    found: list[str] = []
    noisy = noisy_blocks(table)
    if len(noisy) > NOISY_SHARE * len(table.blocks):
        found.append(
            f"{len(noisy)} of {len(table.blocks)} blocks stayed noisy when measured once more "
            f"(no second pass within {BLOCK_GAP:.0%} of the best), such as {noisy[0]}"
        )
    if moved := unsteady_networks(table):
        found.append(
            f"{moved} of {len(table.networks)} calibration networks stayed unsteady when "
            f"measured once more (no second launch within {NETWORK_GAP:.0%} of the best, or a "
            f"median more than {MEDIAN_GAP:.0%} above the best launch's)"
        )
    changed = drift(table)
    if changed > DRIFT_WARNING:
        found.append(
            f"the machine changed its speed by {changed:.1%} during the measurement "
            "(other work, clocks or heat?)"
        )
    if why := causes(table.conditions, table.environment):
        if found:
            found.append("what may explain it: " + "; ".join(why))
        elif throttling := [text for text in why if THROTTLED in text]:
            found.append("; ".join(throttling))
    return tuple(found)


def too_noisy(table: LatencyTable) -> bool:
    """Whether the measurement was so noisy that the table should not be used."""
    return (
        len(noisy_blocks(table)) > TOO_NOISY_SHARE * len(table.blocks)
        or 2 * unsteady_networks(table) > len(table.networks)
        or predictor(table).margin_parts.warning != ""
    )


THROTTLED: Final = "the machine was slowed down"


def causes(conditions: Mapping[str, str], environment: Mapping[str, str]) -> tuple[str, ...]:
    """What was read of the machine that makes timings unsteady, a few words each.

    Args:
        conditions: of a table: `low..high` over the measurement, or texts.
        environment: of a table.
    """
    found: list[str] = []
    governors = conditions.get("governor") or environment.get("governor") or "performance"
    if governors != "performance":
        found.append(f"the CPU governor is {governors}, not performance")
    for name, text in sorted(conditions.items()):
        if name == "gpu_throttled" and "yes" in text.split(", "):
            found.append(f"{THROTTLED} ({name})")
        low, high = _span(text)
        if high is None or low is None:
            continue
        if name == "cpu_share_others" and high > OTHERS_WARNING:
            found.append(f"other processes used up to {high:.0%} of the machine")
        elif name == "cpu_share_stolen" and high > STOLEN_WARNING:
            found.append(f"the hypervisor took up to {high:.0%} of the machine away")
        elif name.startswith(("throttled", "over_current")) and high > low:
            found.append(f"{THROTTLED} {high - low:g} times ({name})")
        elif name.endswith("_mhz") and high > low * (1 + CLOCK_WARNING):
            found.append(f"the clock moved between {low:g} and {high:g} MHz ({name})")
        elif (name.startswith("temperature") or name == "gpu_c") and high > HOT_C:
            found.append(f"it got {high:g} degrees hot ({name})")
    ends = environment.get("gpu_min_mhz"), environment.get("gpu_max_mhz")
    if ends[0] != ends[1]:
        mode = environment.get("power_mode", "unknown")
        found.append(
            f"GPU clocks are not locked ({ends[0]} to {ends[1]} MHz, nvpmodel power mode {mode})"
        )
    return tuple(found)


def _span(text: str) -> tuple[float | None, float | None]:
    """Lowest and highest value of `low..high` or of one number; None for other texts."""
    try:
        low, *rest = (float(part) for part in text.split(".."))
    except ValueError:
        return None, None
    return (low, rest[0] if rest else low) if len(rest) < 2 else (None, None)
