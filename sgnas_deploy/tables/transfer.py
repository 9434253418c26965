"""A table of a new device from ten to twenty measurements and the tables of other devices.

Measured are a few blocks, which say how the new device differs from the others (`partial`), and
a few whole networks, which calibrate as in any table. It goes in stages, each with more samples,
until the predictions of networks, each left out of the fit once, were good enough twice in a row:
once may be luck. What was measured in an earlier stage is not measured again.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Final

import numpy as np

from sgnas_deploy.events import Note, Reporter, Warned
from sgnas_deploy.tables.calibration import Options, calibration_networks
from sgnas_deploy.tables.format import MIN_NETWORKS, LatencyTable
from sgnas_deploy.tables.journal import Journal
from sgnas_deploy.tables.measuring import Bench, Job, Sitting
from sgnas_deploy.tables.partial import Partial
from sgnas_deploy.tables.predictor import costs_of, predictor

FEWEST: Final = 10
"""Samples of the first stage."""

STEP: Final = 2
"""Samples that each further stage adds."""

MOST_NETWORKS: Final = 10
NETWORK_SHARE: Final = 0.4
"""Share of the samples that are whole networks."""

GOOD_STAGES: Final = 2


def split(samples: int) -> tuple[int, int]:
    """How many blocks and how many networks make up so many samples, 9 or more."""
    networks = min(MOST_NETWORKS, max(MIN_NETWORKS, round(NETWORK_SHARE * samples)))
    return samples - networks, networks


def stages(samples: int) -> Iterator[int]:
    """Numbers of samples after each stage; the last is `samples`."""
    yield from range(min(FEWEST, samples), samples, STEP)
    yield samples


def spread_networks(job: Job, partial: Partial, count: int) -> tuple[Options, ...]:
    """Calibration networks by the other devices' costs, so ordered that every start is spread."""
    costs = costs_of(job.space, partial.elsewhere_s)
    found = calibration_networks(job.space, costs, max(count, MIN_NETWORKS), job.seed)
    totals = np.log([costs.total(options) for options in found])
    order = [0, len(found) - 1]
    while len(order) < len(found):
        distance = np.abs(totals[:, None] - totals[order]).min(axis=1)
        distance[order] = -1.0
        order.append(int(np.argmax(distance)))
    return tuple(found[i] for i in order)


def transfer(
    job: Job,
    bench: Bench,
    journal: Journal,
    reporter: Reporter,
    *,
    samples: int,
    target_error: float,
    finish: Callable[[Sitting, str], LatencyTable],
) -> LatencyTable:
    """Measure until the predictions are good enough, at most so many samples.

    Args:
        job: with a `partial` that knows other tables; its count is set here.
        bench: the device.
        journal: keeps what was measured.
        reporter: listens.
        samples: blocks and networks in all, 9 or more.
        target_error: mean absolute relative error of networks to stop at.
        finish: makes a table of a sitting that has run, and its graph form.

    Returns:
        The table of the last stage.
    """
    partial = job.partial
    if partial is None:
        raise ValueError("a transfer needs tables to start from")
    ordered = spread_networks(job, partial, split(samples)[1])
    good = 0
    table: LatencyTable | None = None
    for number in stages(samples):
        blocks, networks = split(number)
        partial.count = min(blocks, len(partial.order))
        sitting = Sitting(
            dataclasses.replace(job, networks=ordered[:networks]), bench, journal, reporter
        )
        table = finish(sitting, sitting.run())
        error = predictor(table).error
        reporter.event(
            Note(
                f"{partial.count} blocks and {networks} networks: predictions of networks err by "
                f"{error:.1%}, of blocks by {_block_error(table):.1%} (each left out once)"
            )
        )
        good = good + 1 if error <= target_error else 0
        if good >= GOOD_STAGES:
            break
    if table is None:
        raise AssertionError("there is always a stage")
    if good == 0:
        reporter.event(
            Warned(
                f"after {samples} samples predictions still err by more than {target_error:.1%}; "
                "measure more of them, or the whole table"
            )
        )
    return table


def _block_error(table: LatencyTable) -> float:
    return table.estimation.error if table.estimation is not None else 0.0
