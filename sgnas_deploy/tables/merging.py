"""Pooling the samples of two tables of the same space, machine and setting."""

from __future__ import annotations

from sgnas_deploy.tables.format import BlockEntry, LatencyTable, NetworkEntry


def pooled(first: LatencyTable, second: LatencyTable) -> LatencyTable:
    """A table with the passes and launches of both.

    A network that both calibrated on gets the launches of both; the others stand side by side.
    Form trials and command are the first's; the later time of creation is kept. That both may be
    pooled is the caller's business.
    """
    blocks = {key: _block(entry, second.blocks[key]) for key, entry in first.blocks.items()}
    networks = {network.options: network for network in first.networks}
    for network in second.networks:
        known = networks.get(network.options)
        networks[network.options] = network if known is None else _network(known, network)
    whole = first.model_dump()
    whole.update(
        blocks=blocks,
        networks=tuple(networks.values()),
        created=max(first.created, second.created),
        conditions={
            **{f"1.{name}": text for name, text in first.conditions.items()},
            **{f"2.{name}": text for name, text in second.conditions.items()},
        },
        warnings=tuple(dict.fromkeys((*first.warnings, *second.warnings))),
    )
    return LatencyTable.model_validate(whole)


def _block(first: BlockEntry, second: BlockEntry) -> BlockEntry:
    return first.model_copy(
        update={
            "samples_s": first.samples_s + second.samples_s,
            "inner_loops": first.inner_loops + second.inner_loops,
            "warmup_runs": first.warmup_runs + second.warmup_runs,
        }
    )


def _network(first: NetworkEntry, second: NetworkEntry) -> NetworkEntry:
    return first.model_copy(
        update={
            "samples_s": first.samples_s + second.samples_s,
            "warmup_runs": first.warmup_runs + second.warmup_runs,
        }
    )
