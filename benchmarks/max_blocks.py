"""How good is a table of which only N blocks were measured?

    python benchmarks/max_blocks.py --lut FULL.json --out docs/results/max_blocks

Hides blocks of a full table, predicts them from the others as `sgnas profile --max-blocks N` does,
and compares: block by block with what was measured, and network by network with what the full table
says. With `--check`, the report of `benchmarks/latency_table.py` for the same table, also with
measured networks. Nothing is measured.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sgnas_deploy import files, spaces, tables
from sgnas_deploy.errors import BadInput
from sgnas_deploy.tables.checking import LOW
from sgnas_deploy.tables.partial import Partial
from sgnas_deploy.tables.predictor import block_times_s, predictor
from sgnas_deploy.tables.statistics import errors

NETWORKS = 300
SHARES = (0.05, 0.08, 0.12, 0.18, 0.25, 0.35, 0.5)


def hidden(table: tables.LatencyTable, count: int) -> tables.LatencyTable:
    """The table as if only so many blocks had been measured."""
    return Partial(spaces.load(table.space), count).hiding(table)


def point(table: tables.LatencyTable, count: int, report: Any | None) -> dict[str, float]:
    """One point of the curve; all errors are relative."""
    space = spaces.load(table.space)
    part = hidden(table, count)
    times_s = block_times_s(table)
    relative = np.array([e.cost_s / times_s[key] - 1 for key, e in part.estimates.items()])
    full, found = (predictor(t, LOW.percentile, LOW.level) for t in (table, part))
    rng = np.random.default_rng(0)
    networks = [space.sample(rng) for _ in range(NETWORKS)]
    beside = errors(
        [found.predict_s(options) for options in networks],
        [full.predict_s(options) for options in networks],
    )
    stated = part.estimation.error if part.estimation is not None else 0.0
    result = {
        "blocks": count,
        "share": count / len(times_s),
        "block_error_rms": float(np.sqrt(np.mean(np.square(relative)))),
        "block_error_stated": stated,
        "full_table_mape": beside.mape,
        "full_table_maximum": beside.maximum,
        "leave_one_out": found.error,
        "margin": found.margin,
    }
    if report is not None:
        measured = [m for _, m in report["low"]["points"]]
        against = errors(
            [found.predict_s(tuple(options)) for options in report["networks"]], measured
        )
        result.update(measured_mape=against.mape, measured_maximum=against.maximum)
    return result


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the curve, and write it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--lut", type=Path, required=True, help="a full table's file")
    parser.add_argument("--check", type=Path, help="report of latency_table.py for it")
    parser.add_argument("--blocks", type=int, nargs="*", help="numbers of blocks")
    parser.add_argument("--out", type=Path, help="folder for SPACE.json")
    chosen = parser.parse_args(arguments)

    table = tables.read(chosen.lut)
    if table.estimates:
        raise BadInput(f"{chosen.lut} was not measured as a whole")
    report = json.loads(chosen.check.read_text()) if chosen.check else None
    if report is not None and report["sha256"] != tables.sha256(chosen.lut):
        raise BadInput(f"{chosen.check} is the report of another table than {chosen.lut}")
    least = Partial.least(spaces.load(table.space))
    counts = chosen.blocks or [round(share * len(table.blocks)) for share in SHARES]
    rows = [point(table, count, report) for count in counts if least <= count < len(table.blocks)]
    print(f"## {table.name}: {len(table.blocks)} blocks\n")
    print("| blocks | error of a hidden block (rms) | stated | networks, beside the full table:")
    print("MAPE / max | leave-one-out | margin |" + (" against measured |" if report else ""))
    for row in rows:
        print(
            f"| {row['blocks']:.0f} ({row['share']:.0%}) | {row['block_error_rms']:.1%} "
            f"| {row['block_error_stated']:.1%} "
            f"| {row['full_table_mape']:.2%} / {row['full_table_maximum']:.1%} "
            f"| {row['leave_one_out']:.2%} | {row['margin']:.1%} |"
            + (f" {row['measured_mape']:.2%} / {row['measured_maximum']:.1%} |" if report else "")
        )
    if chosen.out:
        content = {"table": table.name, "sha256": tables.sha256(chosen.lut), "curve": rows}
        path = chosen.out / f"{table.space}.json"
        files.write_text(path, json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
