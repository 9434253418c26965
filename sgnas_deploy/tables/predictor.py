"""From a table to predictions: `latency = g(sum of per-block costs)`, its inverse, its margin."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias, final

import numpy as np
import numpy.typing as npt

from sgnas_deploy import spaces
from sgnas_deploy.blocks import macs
from sgnas_deploy.errors import BadInput
from sgnas_deploy.spaces import Space
from sgnas_deploy.tables.fit import Fit, Model, evaluate, fit
from sgnas_deploy.tables.format import LatencyTable, weight_bytes
from sgnas_deploy.tables.margin import UNKNOWN_SELECTION, Margin, margin, optimised, selection_bias
from sgnas_deploy.tables.statistics import Floats, block_cost_s, pooled_percentile_s

Level: TypeAlias = Callable[[Sequence[Sequence[float]], float], float]
"""From launches (samples of each, seconds) and a percentile to seconds."""

ERROR_WARNING: Final = 0.05
"""A leave-one-out error beyond this is worth a word."""

ONE_SIDED_95: Final = 1.645
"""Standard deviations that a normally distributed error exceeds upwards with 5 % probability."""


@final
@dataclass(frozen=True)
class Costs:
    """Additive costs of a space's choices.

    Attributes:
        options: one array a decision, the cost of each of its options.
        fixed: cost of what every network has (stem and head).
        networks: the space's networks where not every combination is one, see `Space.networks`.
    """

    options: tuple[Floats, ...]
    fixed: float
    networks: npt.NDArray[np.int64] | None = None

    def total(self, options: Sequence[int]) -> float:
        """Cost of a network, the fixed part included."""
        chosen = zip(self.options, options, strict=True)
        return self.fixed + sum(float(costs[option]) for costs, option in chosen)

    @property
    def range(self) -> tuple[float, float]:
        """Cost of the cheapest and of the dearest network."""
        cheapest, dearest = self.extremes
        return self.total(cheapest), self.total(dearest)

    @property
    def extremes(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Options of the cheapest and of the dearest network."""
        if self.networks is None:
            return (
                tuple(int(costs.argmin()) for costs in self.options),
                tuple(int(costs.argmax()) for costs in self.options),
            )
        totals = sum(costs[own] for costs, own in zip(self.options, self.networks.T, strict=True))
        found = (self.networks[np.argmin(totals)], self.networks[np.argmax(totals)])
        return tuple(found[0].tolist()), tuple(found[1].tolist())


def costs_of(space: Space, by_key: Mapping[str, float]) -> Costs:
    """Costs of a space's choices from costs of its blocks."""
    return Costs(
        options=tuple(
            np.array(
                [
                    sum(by_key[block.key] for block in space.option_blocks(decision, option))
                    for option in range(count)
                ]
            )
            for decision, count in enumerate(space.option_counts)
        ),
        fixed=sum(by_key[block.key] for block in space.fixed_blocks()),
        networks=space.networks(),
    )


def macs_costs(space: Space) -> Costs:
    """Multiply-accumulates instead of measured times: the rival that a table has to beat."""
    return costs_of(space, {block.key: float(macs(block)) for block in spaces.all_blocks(space)})


@final
@dataclass(frozen=True)
class Predictor:
    """Predicts a percentile of a network's hot runs; sums and latencies are in seconds.

    The sum S of a network is `fixed_cost` plus one entry of `option_costs` per decision, so a
    solver that keeps S <= total_cost(budget) keeps latency_s(S) <= budget.

    Attributes:
        space: identifier of the space.
        percentile: which percentile of a hot run is predicted.
        margin: share of a budget to keep back, so that a prediction's error does not break it.
        error: mean absolute leave-one-out error over the calibration networks, relative.
        model: which form g has.
        coefficients: (a0, a1, a2): g(S) = a0 + a1 S + a2 S^2, a1 > 0, a2 >= 0.
        option_costs: one array a decision, the cost of each of its options.
        fixed_cost: of stem and head.
        residuals: measured / predicted - 1 of each calibration network, predicted without it.
        margin_parts: where the margin comes from.
        warnings: what the user should know before trusting it.
    """

    space: str
    percentile: float
    margin: float
    error: float
    model: Model
    coefficients: tuple[float, float, float]
    option_costs: tuple[Floats, ...]
    fixed_cost: float
    residuals: tuple[float, ...]
    margin_parts: Margin
    warnings: tuple[str, ...]

    def latency_s(self, total_cost: Floats | float) -> Floats:
        """g: predicted latency of a sum of costs; strictly monotone, any shape."""
        return evaluate(self.coefficients, total_cost)

    def total_cost(self, latency_s: Floats | float) -> Floats:
        """The largest sum whose predicted latency does not exceed `latency_s`; any shape.

        Below `coefficients[0]` it is negative: no network is that fast.
        """
        a0, a1, a2 = self.coefficients
        wanted = np.asarray(latency_s, dtype=np.float64)
        y = np.where(np.isposinf(wanted), a0, wanted)
        above = np.maximum(y - a0, 0)
        root = 2 * above / (a1 + np.sqrt(a1 * a1 + 4 * a2 * above))
        total = np.where(y >= a0, root, (y - a0) / a1)
        # Rounding may land just above: the promise is "not above the budget", to the last bit.
        for _ in range(8):
            over = evaluate(self.coefficients, total) > y
            if not over.any():
                break
            total = np.where(over, np.nextafter(total, -np.inf), total)
        return np.where(np.isposinf(wanted), np.inf, total)

    def cost_of(self, options: Sequence[int]) -> float:
        """Cost of a network, the fixed part included."""
        return Costs(self.option_costs, self.fixed_cost).total(options)

    def predict_s(self, options: Sequence[int]) -> float:
        """Predicted latency of a network."""
        return float(self.latency_s(self.cost_of(options)))

    @property
    def range_s(self) -> tuple[float, float]:
        """Predicted latency of the fastest and of the slowest network."""
        networks = spaces.load(self.space).networks()
        low, high = Costs(self.option_costs, self.fixed_cost, networks).range
        return float(self.latency_s(low)), float(self.latency_s(high))


@final
@dataclass(frozen=True)
class Extras:
    """What may have a price of its own beside the blocks' times.

    Attributes:
        sizes: weight bytes.
        light: the part of the times that is of blocks without weights.
    """

    sizes: Costs
    light: Costs


def extras_of(space: Space, precision: str, times_s: Mapping[str, float]) -> Extras:
    """Weight bytes of a space's choices, and the times of its blocks that have none."""
    sizes = {b.key: float(weight_bytes(b, precision)) for b in spaces.all_blocks(space)}
    light_s = {key: 0.0 if sizes[key] else time_s for key, time_s in times_s.items()}
    return Extras(costs_of(space, sizes), costs_of(space, light_s))


def block_times_s(table: LatencyTable, passes: slice = slice(None)) -> dict[str, float]:
    """Time of each block by the table's statistic, over all passes or some of them.

    Estimated blocks have their estimates.
    """
    measured = {
        key: block_cost_s(entry.samples_s[passes], table.statistic)
        for key, entry in table.blocks.items()
    }
    return {**measured, **{key: found.cost_s for key, found in table.estimates.items()}}


def measured_s(
    table: LatencyTable, percentile: float, level: Level = pooled_percentile_s
) -> Floats:
    """Level of each calibration network."""
    return np.array([level(network.samples_s, percentile) for network in table.networks])


def fit_costs(
    table: LatencyTable,
    costs: Costs,
    percentile: float,
    extras: Extras | None = None,
    level: Level = pooled_percentile_s,
) -> Fit:
    """Fit g for any costs on the table's calibration networks.

    Args:
        table: whose networks calibrate.
        costs: of its space's choices.
        percentile: of a network's hot runs.
        extras: what may have a price of its own; None where nothing may.
        level: what a network's launches come to.
    """
    return fit(
        [costs.total(network.options) for network in table.networks],
        [extras.sizes.total(n.options) if extras else 0.0 for n in table.networks],
        [float(value) for value in measured_s(table, percentile, level)],
        [extras.light.total(n.options) for n in table.networks] if extras else None,
    )


def predictor(
    table: LatencyTable, percentile: float = 50.0, level: Level = pooled_percentile_s
) -> Predictor:
    """Fit a table's predictor.

    Args:
        table: the measured table.
        percentile: of a network's hot runs, between 0 and 100 (neither included).
        level: what a network's launches come to at a percentile: that of all runs together, or
            that of the best launch.

    Raises:
        BadInput: an impossible percentile, or a table whose numbers allow no prediction.
    """
    if not 0 < percentile < 100:
        raise BadInput(
            f"a percentile of {percentile:g} is not possible", "take one between 0 and 100"
        )
    space = spaces.load(table.space)
    times_s = block_times_s(table)
    times = costs_of(space, times_s)
    extras = extras_of(space, table.precision, times_s)
    found = fit_costs(table, times, percentile, extras, level)
    costs = Costs(
        options=tuple(
            t + found.s_per_byte * b + found.light * light
            for t, b, light in zip(
                times.options, extras.sizes.options, extras.light.options, strict=True
            )
        ),
        fixed=times.fixed
        + found.s_per_byte * extras.sizes.fixed
        + found.light * extras.light.fixed,
        networks=times.networks,
    )
    if float(evaluate(found.coefficients, costs.range[0])) <= 0:
        raise BadInput(
            f"the table {table.name} predicts that the fastest network takes no time",
            "measure it anew on a quieter machine with: sgnas profile --fresh",
        )
    parts = margin(found.residuals, selection_of(table, space))
    warnings = [parts.warning] if parts.warning else []
    if found.error > ERROR_WARNING:
        warnings.append(
            f"predictions of calibration networks err by {found.error:.1%} on average "
            "(each left out of the fit once)"
        )
    for array in costs.options:
        array.setflags(write=False)
    return Predictor(
        space=table.space,
        percentile=percentile,
        margin=parts.share,
        error=found.error,
        model=found.model,
        coefficients=found.coefficients,
        option_costs=costs.options,
        fixed_cost=costs.fixed,
        residuals=found.residuals,
        margin_parts=parts,
        warnings=tuple(warnings),
    )


def selection_of(table: LatencyTable, space: Space) -> float:
    """The table's own estimate of the selection bias, see `margin`.

    Noise of measured blocks makes some look cheap. What is estimated is no more often too low than
    too high, but an optimised network is unlike those that calibrate, so that their residuals do
    not say how far its estimates are off: their standard deviation is added.
    """
    scores = macs_costs(space).options
    found = UNKNOWN_SELECTION
    if min(len(entry.samples_s) for entry in table.blocks.values()) >= 2:
        halves = [costs_of(space, block_times_s(table, slice(i, None, 2))) for i in (0, 1)]
        found = selection_bias(halves[0].options, halves[1].options, scores, halves[0].networks)
    if table.estimates:
        times_s = block_times_s(table)
        errors_s = dict.fromkeys(times_s, 0.0)
        errors_s.update({k: (e.cost_s * e.error) ** 2 for k, e in table.estimates.items()})
        costs, variances = costs_of(space, times_s), costs_of(space, errors_s)
        spreads = [
            np.sqrt(variances.total(chosen)) / costs.total(chosen)
            for chosen in optimised(costs.options, scores, costs.networks)
        ]
        found += ONE_SIDED_95 * float(np.mean(spreads)) if spreads else 0.0
    return found
