"""How well does a latency table predict networks that it was not fitted on?

    python benchmarks/latency_table.py --lut TABLE.json --out docs/results/latency_table

Does what `sgnas lut check` does (60 test networks evenly over the predicted range, fixed seed, none
of them used in fitting; 12 networks optimised against the table apart from them) and writes
`SPACE.json`, with every point, and `SPACE.md`. Run it on the machine of the table when it is quiet.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from sgnas_deploy import files, tables
from sgnas_deploy.events import NullReporter
from sgnas_deploy.pipeline.lut_check import (
    Agreement,
    CheckRequest,
    CheckResult,
    ReadingReport,
    check,
)


def row(name: str, errors: Agreement) -> str:
    """One line of a Markdown table."""
    return (
        f"| {name} | {errors.mape:.2%} | {errors.maximum:.1%} | {errors.bias:+.2%} "
        f"| {errors.spearman:.4f} |"
    )


def reading(found: ReadingReport, networks: int, optimised: int) -> list[str]:
    """One percentile's figures."""
    of = "best launch" if found.best_launch else "all launches"
    low, high = found.table_less_macs
    lines = [
        f"### Percentile {found.percentile:g}, {of}: {networks} networks",
        "",
        "| prediction by | MAPE | maximum | bias | Spearman |",
        "|---|---|---|---|---|",
        row(f"the table ({found.model})", found.table),
        row("multiply-accumulates", found.macs),
        row("a constant", found.constant),
        row("measuring twice (the floor)", found.repeat),
    ]
    if found.optimised is not None and found.optimised_repeat is not None:
        lines += [
            row(f"the table, {optimised} optimised networks", found.optimised),
            row("measuring those twice", found.optimised_repeat),
        ]
    lines += [
        "",
        f"Table less multiply-accumulates, mean error: 95 % interval {low * 100:+.2f} .. "
        f"{high * 100:+.2f} points"
        + (
            "; multiply-accumulates are within half a point of the floor." * found.macs_near_floor
            or "."
        ),
        f"Margin {found.margin:.1%}; leave-one-out error {found.leave_one_out:.2%}; optimised "
        f"networks slower than the margin allows: {found.optimised_over} of {optimised}.",
    ]
    lines += ["Targets missed: " + "; ".join(found.missed) + "."] * bool(found.missed)
    lines += [
        "Out of reach here, as measuring twice misses it too: "
        + "; ".join(found.out_of_reach)
        + "."
    ] * bool(found.out_of_reach)
    return [*lines, ""]


def markdown(result: CheckResult, table: tables.LatencyTable) -> str:
    """The report for the docs."""
    cpu = table.environment.get("cpu", "unknown machine")
    counts = len(result.networks), len(result.optimised)
    lines = [
        f"## {result.name}",
        "",
        f"{cpu}; {table.backend} {table.settings.get('version', '')}, graph form {table.form}, "
        f"{table.quality}; table measured {result.measured}; {result.launches} launches of each "
        f"network; took {result.seconds:.0f} s.",
        "",
        *reading(result.low, *counts),
        *reading(result.asked, *counts),
        *(f"Warning: {text}" for text in result.warnings),
    ]
    return "\n".join(lines).rstrip() + "\n"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--lut", type=Path, required=True, help="the table's file")
    parser.add_argument("--networks", type=int, default=60, help="test networks")
    parser.add_argument("--optimised", type=int, default=12, help="networks fitted to the table")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, help="folder for SPACE.json and SPACE.md")
    chosen = parser.parse_args(arguments)

    request = CheckRequest(
        lut=str(chosen.lut),
        networks=chosen.networks,
        optimised=chosen.optimised,
        seed=chosen.seed,
    )
    result = check(request, NullReporter())
    table = tables.read(chosen.lut)
    text = markdown(result, table)
    print(text)
    if chosen.out:
        # A path of this machine says nothing to a reader; the hash says which table it was.
        shown = result.model_copy(update={"path": Path(chosen.lut.name)})
        name = table.space if table.threads == 1 else f"{table.space}-t{table.threads}"
        files.write_text(chosen.out / f"{name}.json", shown.model_dump_json(indent=1) + "\n")
        files.write_text(chosen.out / f"{name}.md", text)


if __name__ == "__main__":
    main()
