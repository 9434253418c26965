"""Tables made without measuring: times follow a formula, noise is seeded."""

from __future__ import annotations

import functools

import numpy as np

from sgnas_deploy import spaces
from sgnas_deploy.blocks import Block, macs
from sgnas_deploy.tables.calibration import calibration_networks
from sgnas_deploy.tables.codec import rounded
from sgnas_deploy.tables.format import (
    BlockEntry,
    LatencyTable,
    NetworkEntry,
    Plan,
    weight_bytes,
)
from sgnas_deploy.tables.partial import Partial
from sgnas_deploy.tables.plans import EFFORTS
from sgnas_deploy.tables.predictor import block_times_s, macs_costs


def block_s(block: Block) -> float:
    """Seconds of an isolated block: a start, its operations, its weights."""
    return 2e-6 + macs(block) / 20e9 + weight_bytes(block, "fp32") / 40e9


def network_s(space: spaces.Space, options: tuple[int, ...], extra_s: float = -3e-6) -> float:
    """Seconds of a network: a little less than its blocks."""
    return extra_s + 0.95 * sum(block_s(block) for _, block in space.network_blocks(options))


@functools.cache
def table(
    space: str = "tiny", noise: float = 0.01, passes: int = 2, networks: int = 9, seed: int = 0
) -> LatencyTable:
    found = spaces.load(space)
    rng = np.random.default_rng(seed)

    def samples(true_s: float, shape: tuple[int, int]) -> tuple[tuple[float, ...], ...]:
        drawn = true_s * np.exp(noise * rng.standard_normal(shape))
        return tuple(tuple(rounded(float(value)) for value in row) for row in drawn)

    chosen = calibration_networks(found, macs_costs(found), networks, seed)
    return LatencyTable(
        space=found.id,
        device="cpu",
        backend="onnxruntime",
        precision="fp32",
        batch=1,
        threads=1,
        form="concat",
        quality="quick",
        seed=seed,
        block_plan=Plan.of(EFFORTS["quick"].block),
        network_plan=Plan.of(EFFORTS["quick"].network),
        settings={"runtime": "fake", "threads": "1"},
        environment={"cpu": "fake"},
        created="2026-01-31T12:00:00Z",
        command="sgnas profile --device cpu",
        tool_version="0",
        blocks={
            block.key: BlockEntry(
                samples_s=samples(block_s(block), (passes, 3)),
                inner_loops=(4,) * passes,
                warmup_runs=(8,) * passes,
                weight_bytes=weight_bytes(block, "fp32"),
                macs=macs(block),
            )
            for block in spaces.all_blocks(found)
        },
        networks=tuple(
            NetworkEntry(
                options=options,
                samples_s=samples(network_s(found, options), (passes, 40)),
                warmup_runs=(20,) * passes,
            )
            for options in chosen
        ),
    )


def part(whole: LatencyTable, count: int) -> LatencyTable:
    """The table as if only so many blocks had been measured."""
    partial = Partial(spaces.load(whole.space), count)
    times_s = block_times_s(whole)
    estimates, estimation = partial.estimates({key: times_s[key] for key in partial.keys})
    blocks = {key: entry for key, entry in whole.blocks.items() if key not in estimates}
    return LatencyTable.model_validate(
        {
            **whole.model_dump(),
            "blocks": blocks,
            "estimates": estimates,
            "estimation": estimation,
        }
    )
