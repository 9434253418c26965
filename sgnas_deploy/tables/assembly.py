"""A finished sitting becomes a table."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Literal

from sgnas_deploy import __version__, spaces
from sgnas_deploy.blocks import macs
from sgnas_deploy.tables.format import (
    BlockEntry,
    Estimate,
    Estimation,
    FormTrial,
    LatencyTable,
    NetworkEntry,
    Plan,
    weight_bytes,
)
from sgnas_deploy.tables.measuring import Sitting
from sgnas_deploy.tables.noise import noise_warnings
from sgnas_deploy.tables.plans import Quality
from sgnas_deploy.tables.predictor import predictor
from sgnas_deploy.tables.statistics import block_cost_s, spans
from sgnas_profilers.transports import Hello


def assemble(
    sitting: Sitting,
    hello: Hello,
    *,
    device: str,
    backend: str,
    precision: Literal["fp32", "fp16", "int8"],
    threads: int,
    form: str,
    quality: Quality,
    command: str,
) -> LatencyTable:
    """The table of a sitting that has run, with the warnings that its samples deserve.

    Raises:
        BadInput: the numbers allow no prediction.
    """
    job = sitting.job
    blocks = _blocks(sitting, precision)
    estimates: dict[str, Estimate] = {}
    estimation: Estimation | None = None
    if job.partial is not None:
        times_s = {key: block_cost_s(e.samples_s, job.statistic) for key, e in blocks.items()}
        estimates, estimation = job.partial.estimates(times_s)
    table = LatencyTable(
        space=job.space.id,
        device=device,
        backend=backend,
        precision=precision,
        batch=job.batch,
        threads=threads,
        form=form,
        quality=quality,
        statistic=job.statistic,
        seed=job.seed,
        block_plan=Plan.of(job.effort.block),
        network_plan=Plan.of(job.effort.network),
        settings=dict(hello.backend),
        environment=dict(hello.machine),
        conditions=spans(_states(sitting)),
        created=datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        command=command,
        tool_version=__version__,
        blocks=blocks,
        estimates=estimates,
        estimation=estimation,
        networks=_networks(sitting),
        form_trials=_trials(sitting),
    )
    warnings = (*noise_warnings(table), *predictor(table).warnings)
    return table.model_copy(update={"warnings": warnings})


def _blocks(sitting: Sitting, precision: str) -> dict[str, BlockEntry]:
    found: dict[str, BlockEntry] = {}
    measured = set(sitting.keys)
    for block in spaces.all_blocks(sitting.job.space):
        if block.key not in measured:
            continue
        records = sitting.block_records(block.key)
        found[block.key] = BlockEntry(
            samples_s=tuple(record.samples_s for record in records),
            inner_loops=tuple(record.inner_loops for record in records),
            warmup_runs=tuple(record.warmup_runs for record in records),
            weight_bytes=weight_bytes(block, precision),
            macs=macs(block),
        )
    return found


def _networks(sitting: Sitting) -> tuple[NetworkEntry, ...]:
    found: list[NetworkEntry] = []
    for options in sitting.networks:
        records = sitting.network_records(options)
        found.append(
            NetworkEntry(
                options=options,
                samples_s=tuple(record.samples_s for record in records),
                warmup_runs=tuple(record.warmup_runs for record in records),
            )
        )
    return tuple(found)


def _trials(sitting: Sitting) -> tuple[FormTrial, ...]:
    found: dict[tuple[str, tuple[int, ...]], list[tuple[float, ...]]] = {}
    for record in sitting.form_records():
        found.setdefault((record.form, record.options), []).append(record.samples_s)
    return tuple(
        FormTrial(form=form, options=options, samples_s=tuple(samples))
        for (form, options), samples in found.items()
    )


def _states(sitting: Sitting) -> list[Mapping[str, float | str]]:
    return [
        *(record.state for key in sitting.keys for record in sitting.block_records(key)),
        *(record.state for net in sitting.networks for record in sitting.network_records(net)),
    ]
