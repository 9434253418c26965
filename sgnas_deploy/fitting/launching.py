"""Launches for the closed loop, each kept in a journal as soon as it was made."""

from __future__ import annotations

from typing import Final, final

from sgnas_deploy.fitting.levels import Launch, Options
from sgnas_deploy.spaces import Space
from sgnas_deploy.tables import LatencyTable
from sgnas_deploy.tables.codec import rounded
from sgnas_deploy.tables.journal import Journal, NetworkRecord
from sgnas_deploy.tables.measuring import Bench, network_model

_KEPT_BYTES: Final = 1_000_000_000
"""Models that are kept: networks come back in every sweep of a round, those of earlier rounds
seldom do."""


@final
class Launcher:
    """Launches networks as `validate` does, one in a fresh process; leaves out what was done.

    Args:
        space: of the networks.
        table: says form, batch, precision and timing plan.
        bench: the device.
        journal: what was done before; every launch is added to it.
    """

    def __init__(self, space: Space, table: LatencyTable, bench: Bench, journal: Journal) -> None:
        self._space = space
        self._table = table
        self._bench = bench
        self._journal = journal
        self._plan = table.network_plan.timing
        self._done = {
            (record.number, record.options): record
            for record in journal.records
            if isinstance(record, NetworkRecord)
        }
        self._models: dict[Options, bytes] = {}
        self._bytes = 0

    def launch(self, options: Options, sweep: int) -> Launch:
        """One fresh process that times one network."""
        record = self._done.get((sweep, options))
        if record is None:
            with self._bench.process() as agent:
                found = agent.measure(self._model(options), self._plan)
            record = NetworkRecord(
                options=options,
                number=sweep,
                samples_s=tuple(rounded(sample) for sample in found.timing.samples_s),
                inner_loops=found.timing.inner_loops,
                warmup_runs=found.timing.warmup_runs,
                state=dict(found.state),
            )
            self._journal.append(record)
            self._done[sweep, options] = record
        return Launch(options, sweep, record.samples_s)

    def _model(self, options: Options) -> bytes:
        found = self._models.get(options)
        if found is None:
            found = model_of(self._space, self._table, options)
            self._models[options] = found
            self._bytes += len(found)
            while self._bytes > _KEPT_BYTES and len(self._models) > 1:
                self._bytes -= len(self._models.pop(next(iter(self._models))))
        return found


def model_of(space: Space, table: LatencyTable, options: Options) -> bytes:
    """A network as it is measured: the table's form and batch, arbitrary weights."""
    return network_model(space, options, table.form, table.batch, table.precision, table.backend)
