"""How well does a latency table predict networks that it was not fitted on?

    python benchmarks/latency_table.py --lut sgnas-work/luts/TABLE.json --json report.json

Measures test networks (evenly over the predicted range, fixed seed, none of them used in fitting)
and, apart from them, networks that were optimised against the table. Prints the errors of the
table beside those of multiply-accumulates and of a constant with the same calibration networks,
and beside the error of the measurement itself. Run it on the machine of the table, when it is
quiet.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sgnas_deploy import spaces, tables
from sgnas_deploy.events import NullReporter
from sgnas_deploy.pipeline.lut import transport_of
from sgnas_deploy.tables.checking import (
    LAUNCHES,
    Check,
    compare,
    fresh_networks,
    require_same_device,
)
from sgnas_deploy.tables.measuring import Bench, measure_networks, network_model
from sgnas_deploy.tables.predictor import macs_costs
from sgnas_deploy.tables.statistics import Errors, Floats

PERCENTILES = (5.0, 50.0)
BOOTSTRAPS = 10_000


def optimised_networks(table: tables.LatencyTable, count: int) -> tuple[tuple[int, ...], ...]:
    """Networks with the most multiply-accumulates at rising prices of predicted latency."""
    found = tables.predictor(table)
    scores = macs_costs(spaces.load(table.space)).options
    scale = sum(np.ptp(s) for s in scores) / sum(np.ptp(c) for c in found.option_costs)
    best = [
        tuple(
            int(np.argmax(s - price * c)) for s, c in zip(scores, found.option_costs, strict=True)
        )
        for price in np.geomspace(0.3, 3, 4 * count) * scale
    ]
    distinct = list(dict.fromkeys(best))
    places = np.linspace(0, len(distinct) - 1, min(count, len(distinct))).round().astype(int)
    return tuple(distinct[int(place)] for place in places)


def paired_bootstrap(first: Floats, second: Floats, measured: Floats) -> tuple[float, float]:
    """95 % interval of the difference in mean absolute relative error, first less second."""
    difference = np.abs(first / measured - 1) - np.abs(second / measured - 1)
    rng = np.random.default_rng(0)
    draws = rng.choice(difference, (BOOTSTRAPS, len(difference))).mean(axis=1)
    low, high = np.percentile(draws, [2.5, 97.5])
    return float(low), float(high)


def row(name: str, errors: Errors) -> str:
    """One line of the printed table."""
    return (
        f"| {name} | {errors.mape:.2%} | {errors.maximum:.1%} | {errors.bias:+.2%} "
        f"| {errors.spearman:.4f} |"
    )


def report(check: Check, title: str) -> None:
    """Print one percentile's figures."""
    found = check.predictor
    a0, a1, a2 = found.coefficients
    print(f"\n### {title}, p{check.percentile:g}, {len(check.measured)} networks\n")
    print("| prediction | MAPE | maximum | bias | Spearman |")
    print("|---|---|---|---|---|")
    print(row(f"table ({found.model})", check.table_errors))
    print(row("multiply-accumulates", check.macs_errors))
    print(row("constant", check.constant_errors))
    print(row("repeat (the floor)", check.repeat_errors))
    low, high = paired_bootstrap(check.table, check.macs, check.measured)
    print(f"\nTable less multiply-accumulates, MAPE: 95 % interval {low:+.2%} .. {high:+.2%}.")
    over = check.measured > check.table / (1 - found.margin)
    print(
        f"Margin {found.margin:.1%} (leave-one-out error {found.error:.2%}); "
        f"slower than margin allows: {int(over.sum())} of {len(over)}. "
        f"g(S) = {a0:.3g} s + {a1:.4g} S + {a2:.3g} S^2."
    )


def as_json(check: Check) -> dict[str, object]:
    """The same for a file, with every point."""
    errors = {
        "table": check.table_errors,
        "macs": check.macs_errors,
        "constant": check.constant_errors,
        "repeat": check.repeat_errors,
    }
    return {
        "percentile": check.percentile,
        "model": check.predictor.model,
        "margin": check.predictor.margin,
        "leave_one_out": check.predictor.error,
        **{name: vars(value) for name, value in errors.items()},
        "measured_s": check.measured.tolist(),
        "table_s": check.table.tolist(),
        "macs_s": check.macs.tolist(),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--lut", type=Path, required=True, help="the table's file")
    parser.add_argument("--networks", type=int, default=60, help="test networks")
    parser.add_argument("--optimised", type=int, default=12, help="networks fitted to the table")
    parser.add_argument("--launches", type=int, default=LAUNCHES, help="fresh processes")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, help="also write all points here")
    chosen = parser.parse_args(arguments)

    table = tables.read(chosen.lut)
    space = spaces.load(table.space)
    test = fresh_networks(table, chosen.networks, chosen.seed)
    optimised = tuple(n for n in optimised_networks(table, chosen.optimised) if n not in test)
    with Bench(transport_of(table), table.backend, table.threads) as bench:
        require_same_device(table, bench)
        samples_s = measure_networks(
            bench,
            lambda options: network_model(space, options, table.form, table.batch),
            (*test, *optimised),
            chosen.launches,
            table.network_plan.timing,
            chosen.seed,
            NullReporter(),
        )
    print(f"## {table.name} (form {table.form}, {table.quality}, {table.created})")
    written: dict[str, object] = {"table": table.name, "sha256": tables.sha256(chosen.lut)}
    for percentile in PERCENTILES:
        for title, networks in (("test networks", test), ("optimised networks", optimised)):
            found = compare(table, {n: samples_s[n] for n in networks}, percentile)
            report(found, title)
            written[f"{title}, p{percentile:g}"] = as_json(found)
    if chosen.json:
        chosen.json.write_text(json.dumps(written, indent=1) + "\n")


if __name__ == "__main__":
    main()
