"""A table against networks that it was not fitted on, beside the rivals it has to beat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, final

import numpy as np

from sgnas_deploy import spaces
from sgnas_deploy.errors import EnvironmentProblem
from sgnas_deploy.tables.calibration import Options, stratified
from sgnas_deploy.tables.fit import evaluate
from sgnas_deploy.tables.format import LatencyTable
from sgnas_deploy.tables.measuring import Bench, differing
from sgnas_deploy.tables.optimising import best_network
from sgnas_deploy.tables.predictor import (
    Costs,
    Level,
    Predictor,
    fit_costs,
    macs_costs,
    measured_s,
    predictor,
)
from sgnas_deploy.tables.statistics import (
    LAUNCH_QUANTILE,
    Errors,
    Floats,
    best_launch_s,
    errors,
    pooled_percentile_s,
)

LAUNCHES: Final = 4
BOOTSTRAPS: Final = 10_000

NEAR_FLOOR: Final = 0.005
"""Multiply-accumulates with a mean error so close to the repeat error leave nothing to win."""


@final
@dataclass(frozen=True)
class Reading:
    """What a network's launches are read as; the same for table, rivals and measurement.

    Attributes:
        percentile: of hot runs.
        best_launch: of the best launch alone; else of all launches together.
    """

    percentile: float
    best_launch: bool = False

    @property
    def level(self) -> Level:
        """From launches and a percentile to seconds."""
        return best_launch_s if self.best_launch else pooled_percentile_s

    @property
    def targets(self) -> Targets | None:
        """What is expected of a table on a quiet CPU; None where nothing was set."""
        if self == LOW:
            return Targets(mape=0.02, maximum=0.05, bias=0.01, spearman=0.99)
        if self == Reading(50.0):
            return Targets(mape=0.03, maximum=0.08)
        return None


LOW: Final = Reading(LAUNCH_QUANTILE, best_launch=True)
"""The steadiest reading of a network on a machine that others use too."""


@final
@dataclass(frozen=True)
class Targets:
    """Errors not to exceed, relative, and a rank correlation to reach."""

    mape: float
    maximum: float
    bias: float | None = None
    spearman: float | None = None

    def missed(self, found: Errors) -> tuple[str, ...]:
        """What is beyond them, a few words each; empty when all are met."""
        texts = [
            f"mean error {found.mape:.2%} is above {self.mape:.0%}" * (found.mape > self.mape),
            f"largest error {found.maximum:.1%} is above {self.maximum:.0%}"
            * (found.maximum > self.maximum),
        ]
        if self.bias is not None and abs(found.bias) > self.bias:
            texts.append(f"bias {found.bias:+.2%} is beyond {self.bias:.0%}")
        if self.spearman is not None and found.spearman < self.spearman:
            texts.append(f"rank correlation {found.spearman:.4f} is below {self.spearman:g}")
        return tuple(text for text in texts if text)


@final
@dataclass(frozen=True)
class Check:
    """Predictions and measurements of the same networks by one reading, all in seconds.

    Attributes:
        reading: of the launches.
        predictor: of the table.
        measured: shape (networks,).
        table: predicted by the table.
        macs: predicted by multiply-accumulates, fitted on the table's calibration networks.
        constant: the mean of the calibration networks.
        first: measured by the launches of odd number only.
        second: by those of even number only.
    """

    reading: Reading
    predictor: Predictor
    measured: Floats
    table: Floats
    macs: Floats
    constant: Floats
    first: Floats
    second: Floats

    @cached_property
    def table_errors(self) -> Errors:
        """Of the table."""
        return errors(self.table, self.measured)

    @cached_property
    def macs_errors(self) -> Errors:
        """Of the multiply-accumulates."""
        return errors(self.macs, self.measured)

    @cached_property
    def constant_errors(self) -> Errors:
        """Of the constant."""
        return errors(self.constant, self.measured)

    @cached_property
    def repeat_errors(self) -> Errors:
        """Of one half of the launches as a prediction of the other half: the floor."""
        return errors(self.first, self.second)

    @cached_property
    def table_less_macs(self) -> tuple[float, float]:
        """95 % interval of the table's mean error less that of the multiply-accumulates."""
        return paired_bootstrap(self.table, self.macs, self.measured)

    @property
    def macs_near_floor(self) -> bool:
        """Whether multiply-accumulates are about as good as measuring twice: nothing to win."""
        return self.macs_errors.mape - self.repeat_errors.mape <= NEAR_FLOOR

    @property
    def over_margin(self) -> int:
        """How many networks are slower than the table's margin allows for."""
        return int((self.measured > self.table / (1 - self.predictor.margin)).sum())

    @property
    def missed(self) -> tuple[str, ...]:
        """Targets that the table misses."""
        targets = self.reading.targets
        return targets.missed(self.table_errors) if targets else ()

    @property
    def out_of_reach(self) -> tuple[str, ...]:
        """Targets that measuring the same networks twice misses, so that no prediction can."""
        targets = self.reading.targets
        return targets.missed(self.repeat_errors) if targets else ()


def paired_bootstrap(first: Floats, second: Floats, measured: Floats) -> tuple[float, float]:
    """95 % interval of the difference in mean absolute relative error, first less second.

    Args:
        first: predictions of n networks, seconds.
        second: other predictions of the same networks, seconds.
        measured: what they took, seconds.
    """
    difference = np.abs(first / measured - 1) - np.abs(second / measured - 1)
    rng = np.random.default_rng(0)
    draws = rng.choice(difference, (BOOTSTRAPS, len(difference))).mean(axis=1)
    low, high = np.percentile(draws, [2.5, 97.5])
    return float(low), float(high)


def fresh_networks(table: LatencyTable, count: int, seed: int) -> tuple[Options, ...]:
    """Networks evenly over the predicted range, none of them a calibration network."""
    space = spaces.load(table.space)
    found = predictor(table)
    costs = Costs(found.option_costs, found.fixed_cost, space.networks())
    places = (np.arange(count) + 0.5) / count
    used = {network.options for network in table.networks}
    return stratified(space, costs, places, seed, exclude=used)


def optimised_networks(
    table: LatencyTable, count: int, exclude: Sequence[Options] = ()
) -> tuple[Options, ...]:
    """Networks with the most multiply-accumulates at rising prices of predicted latency.

    They are what a solver would choose, and so they carry the selection bias (see `margin`).
    Fewer where there are not so many, besides those to exclude and the calibration networks.
    """
    found, space = predictor(table), spaces.load(table.space)
    scores = macs_costs(space).options
    scale = sum(float(np.ptp(s)) for s in scores) / sum(
        float(np.ptp(c)) for c in found.option_costs
    )
    best = [
        best_network(scores, found.option_costs, float(price), space.networks())
        for price in np.geomspace(0.3, 3, 8 * count) * scale
    ]
    used = {*exclude, *(network.options for network in table.networks)}
    distinct = [options for options in dict.fromkeys(best) if options not in used]
    places = np.linspace(0, len(distinct) - 1, min(count, len(distinct))).round().astype(int)
    return tuple(distinct[int(place)] for place in places)


def compare(
    table: LatencyTable,
    samples_s: Mapping[Options, Sequence[Sequence[float]]],
    reading: Reading,
) -> Check:
    """Hold predictions against samples of fresh networks (two launches or more of each)."""
    space = spaces.load(table.space)
    level, percentile = reading.level, reading.percentile
    found = predictor(table, percentile, level)
    by_macs = macs_costs(space)
    rival = fit_costs(table, by_macs, percentile, level=level)
    networks = list(samples_s)
    totals = np.array([by_macs.total(options) for options in networks])

    def measured(part: slice) -> Floats:
        return np.array([level(samples_s[options][part], percentile) for options in networks])

    return Check(
        reading=reading,
        predictor=found,
        measured=measured(slice(None)),
        table=np.array([found.predict_s(options) for options in networks]),
        macs=evaluate(rival.coefficients, totals),
        constant=np.full(len(networks), measured_s(table, percentile, level).mean()),
        first=measured(slice(0, None, 2)),
        second=measured(slice(1, None, 2)),
    )


def require_same_device(table: LatencyTable, bench: Bench) -> None:
    """Refuse to compare a table with measurements of another machine or setting.

    Raises:
        EnvironmentProblem: what differs, by name.
    """
    found = [
        *differing(table.settings, bench.hello.backend),
        *differing(table.environment, bench.hello.machine),
    ]
    if found:
        names = ", ".join(f"{name} ({then} then, {now} now)" for name, then, now in found)
        raise EnvironmentProblem(
            f"the table {table.name} was measured under other conditions: {names}",
            f"restore them, or measure a table for this machine with: {table.command}",
        )
