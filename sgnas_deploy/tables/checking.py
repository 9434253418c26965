"""A table against networks that it was not fitted on, beside the rivals it has to beat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, final

import numpy as np

from sgnas_deploy import spaces
from sgnas_deploy.errors import EnvironmentProblem
from sgnas_deploy.tables.calibration import Options, stratified
from sgnas_deploy.tables.fit import evaluate
from sgnas_deploy.tables.format import LatencyTable
from sgnas_deploy.tables.measuring import Bench, differing
from sgnas_deploy.tables.predictor import (
    Costs,
    Predictor,
    fit_costs,
    macs_costs,
    measured_s,
    predictor,
)
from sgnas_deploy.tables.statistics import Errors, Floats, errors, pooled_percentile_s

LAUNCHES: Final = 4


@final
@dataclass(frozen=True)
class Check:
    """Predictions and measurements of the same networks at one percentile, all in seconds.

    Attributes:
        percentile: of the hot runs.
        predictor: of the table.
        measured: shape (networks,).
        table: predicted by the table.
        macs: predicted by multiply-accumulates, fitted on the table's calibration networks.
        constant: the mean of the calibration networks.
        first: measured by the launches of odd number only.
        second: by those of even number only.
    """

    percentile: float
    predictor: Predictor
    measured: Floats
    table: Floats
    macs: Floats
    constant: Floats
    first: Floats
    second: Floats

    @property
    def table_errors(self) -> Errors:
        """Of the table."""
        return errors(self.table, self.measured)

    @property
    def macs_errors(self) -> Errors:
        """Of the multiply-accumulates."""
        return errors(self.macs, self.measured)

    @property
    def constant_errors(self) -> Errors:
        """Of the constant."""
        return errors(self.constant, self.measured)

    @property
    def repeat_errors(self) -> Errors:
        """Of one half of the launches as a prediction of the other half: the floor."""
        return errors(self.first, self.second)


def fresh_networks(table: LatencyTable, count: int, seed: int) -> tuple[Options, ...]:
    """Networks evenly over the predicted range, none of them a calibration network."""
    space = spaces.load(table.space)
    found = predictor(table)
    costs = Costs(found.option_costs, found.fixed_cost)
    places = (np.arange(count) + 0.5) / count
    used = {network.options for network in table.networks}
    return stratified(space, costs, places, seed, exclude=used)


def compare(
    table: LatencyTable,
    samples_s: Mapping[Options, Sequence[Sequence[float]]],
    percentile: float,
) -> Check:
    """Hold predictions against samples of fresh networks (two launches or more of each)."""
    space = spaces.load(table.space)
    found = predictor(table, percentile)
    by_macs = macs_costs(space)
    rival = fit_costs(table, by_macs, percentile, with_bytes=False)
    networks = list(samples_s)
    totals = np.array([by_macs.total(options) for options in networks])

    def measured(part: slice) -> Floats:
        return np.array(
            [pooled_percentile_s(samples_s[options][part], percentile) for options in networks]
        )

    return Check(
        percentile=percentile,
        predictor=found,
        measured=measured(slice(None)),
        table=np.array([found.predict_s(options) for options in networks]),
        macs=evaluate(rival.coefficients, totals),
        constant=np.full(len(networks), measured_s(table, percentile).mean()),
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
