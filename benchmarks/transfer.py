"""How well do tables of other devices or settings predict a new one from few measurements?

    python benchmarks/transfer.py --luts A.json B.json C.json ... --out docs/results/transfer

Takes full tables of one space, measured by `sgnas profile` on different devices, threads,
precisions or runtimes. Each in turn plays the new device: of it only k blocks and networks are
shown, chosen as `sgnas profile --transfer-from` chooses them, and the rest is predicted from the
other tables. Compared with what was really measured: block by block, and network by network with
what the full table says. Beside it: a table from the same blocks without any source, and the best
source as it is, calibrated on the same networks. Nothing is measured.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from sgnas_deploy import files, spaces, tables
from sgnas_deploy.errors import BadInput
from sgnas_deploy.tables.checking import LOW
from sgnas_deploy.tables.fit import evaluate
from sgnas_deploy.tables.format import MIN_NETWORKS, NetworkEntry
from sgnas_deploy.tables.partial import Known, Partial
from sgnas_deploy.tables.predictor import (
    block_times_s,
    costs_of,
    fit_costs,
    predictor,
)
from sgnas_deploy.tables.statistics import Floats, errors
from sgnas_deploy.tables.transfer import split

SAMPLES = (10, 14, 20, 40)
NETWORKS = 300


def spread(table: tables.LatencyTable, known: Known, count: int) -> tuple[NetworkEntry, ...]:
    """So many of the table's calibration networks, spread by the source's costs."""
    costs = costs_of(spaces.load(table.space), known.costs_s)
    by_cost = sorted(table.networks, key=lambda network: costs.total(network.options))
    places = np.linspace(0, len(by_cost) - 1, min(count, len(by_cost))).round().astype(int)
    return tuple(by_cost[int(place)] for place in places)


def shown(table: tables.LatencyTable, known: Sequence[Known], samples: int) -> tables.LatencyTable:
    """The table as if only so many samples of it had been measured."""
    blocks, networks = split(samples)
    networks = min(networks, len(table.networks))
    part = Partial(spaces.load(table.space), blocks, known).hiding(table)
    spread_out = spread(table, known[0], max(networks, MIN_NETWORKS))
    return part.model_copy(update={"networks": spread_out})


def compared(
    found: tables.LatencyTable, table: tables.LatencyTable, networks: Sequence[tuple[int, ...]]
) -> dict[str, float]:
    """Errors beside the full table, of hidden blocks and of networks."""
    times_s, guessed_s = block_times_s(table), block_times_s(found)
    ratio = np.array([guessed_s[key] / times_s[key] for key in found.estimates])
    model = predictor(found, LOW.percentile, LOW.level)
    beside = errors([model.predict_s(options) for options in networks], full_s(table, networks))
    return {
        "block_error_rms": float(np.sqrt(np.mean(np.square(ratio - 1)))),
        "network_mape": beside.mape,
        "network_maximum": beside.maximum,
        "network_spearman": beside.spearman,
        "leave_one_out": model.error,
        "margin": model.margin,
    }


def full_s(table: tables.LatencyTable, networks: Sequence[tuple[int, ...]]) -> Floats:
    """What the full table says of networks, seconds."""
    model = predictor(table, LOW.percentile, LOW.level)
    return np.array([model.predict_s(options) for options in networks])


def as_it_is(
    table: tables.LatencyTable,
    source: Mapping[str, float],
    entries: tuple[NetworkEntry, ...],
    networks: Sequence[tuple[int, ...]],
) -> float:
    """Mean error of a source's costs, calibrated on the new device's networks alone."""
    costs = costs_of(spaces.load(table.space), source)
    few = table.model_copy(update={"networks": entries})
    found = fit_costs(few, costs, LOW.percentile, level=LOW.level)
    totals = np.array([costs.total(options) for options in networks])
    return errors(evaluate(found.coefficients, totals), full_s(table, networks)).mape


def main(arguments: Sequence[str] | None = None) -> None:
    """Print every pair, and write them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--luts", type=Path, nargs="+", required=True, help="two tables or more")
    parser.add_argument("--samples", type=int, nargs="*", default=SAMPLES)
    parser.add_argument("--out", type=Path, help="folder for SPACE.json")
    chosen = parser.parse_args(arguments)

    measured = {path: tables.read(path) for path in chosen.luts}
    first = measured[chosen.luts[0]]
    if len({table.space for table in measured.values()}) > 1 or len(measured) < 2:
        raise BadInput("two tables or more of one space are needed")
    space = spaces.load(first.space)
    rng = np.random.default_rng(0)
    networks = [space.sample(rng) for _ in range(NETWORKS)]
    rows = []
    print("| new device | samples | source chosen | block error | networks: MAPE / max |", end="")
    print(" without source | best source as it is | leave-one-out | margin |")
    print("|---|---|---|---|---|---|---|---|---|")
    for path, table in measured.items():
        others = [Known.of(t, tables.sha256(p)) for p, t in measured.items() if p != path]
        known = [one for one in others if one.form == table.form] or others
        for samples in chosen.samples:
            found = shown(table, known, samples)
            row = compared(found, table, networks)
            assert found.estimation is not None
            sources = ", ".join(source.table for source in found.estimation.sources)
            plain = min(as_it_is(table, k.costs_s, found.networks, networks) for k in known)
            blocks = split(samples)[0]
            alone = None
            if blocks >= Partial.least(space):
                partial = Partial(space, blocks)
                times_s = block_times_s(table)
                estimates, estimation = partial.estimates({k: times_s[k] for k in partial.keys})
                kept = {k: e for k, e in table.blocks.items() if k not in estimates}
                lonely = found.model_copy(
                    update={"blocks": kept, "estimates": estimates, "estimation": estimation}
                )
                alone = compared(lonely, table, networks)["network_mape"]
            rows.append(
                {
                    "new": table.name,
                    "form": table.form,
                    "samples": samples,
                    "sources": sources,
                    **row,
                    "without_source_mape": alone,
                    "best_source_as_it_is_mape": plain,
                }
            )
            print(
                f"| {table.name} | {samples} | {sources} | {row['block_error_rms']:.1%} "
                f"| {row['network_mape']:.2%} / {row['network_maximum']:.1%} "
                f"| {'-' if alone is None else f'{alone:.2%}'} | {plain:.2%} "
                f"| {row['leave_one_out']:.2%} | {row['margin']:.1%} |"
            )
    if chosen.out:
        content = {"hashes": {t.name: tables.sha256(p) for p, t in measured.items()}, "rows": rows}
        files.write_text(chosen.out / f"{first.space}.json", json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
