"""Parts of a table as rows for spreadsheets and other programs. Times are in seconds."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping
from typing import Final, Literal, TypeAlias

from sgnas_deploy import spaces
from sgnas_deploy.blocks import macs
from sgnas_deploy.tables.format import LatencyTable, weight_bytes
from sgnas_deploy.tables.predictor import block_times_s, predictor
from sgnas_deploy.tables.statistics import LAUNCH_QUANTILE, pooled_percentile_s

Row: TypeAlias = dict[str, str | int | float]
What: TypeAlias = Literal["layers", "blocks", "networks"]
FileForm: TypeAlias = Literal["csv", "json"]


def layers(table: LatencyTable) -> list[Row]:
    """Each option of each decision: its blocks, what they take, and what it adds to S.

    `cost_s` is the option's part of S in `latency = g(S)` at the median; it differs from `time_s`
    where the calibration networks ask for a cost of weight bytes. The first row, with decision -1,
    is what every network has (stem and head).
    """
    space = spaces.load(table.space)
    times_s, found = block_times_s(table), predictor(table)
    fixed = space.fixed_blocks()
    rows: list[Row] = []
    for decision, option, label, blocks, cost_s in (
        (-1, 0, "fixed", fixed, found.fixed_cost),
        *(
            (
                decision,
                option,
                space.option_label(decision, option),
                space.option_blocks(decision, option),
                float(found.option_costs[decision][option]),
            )
            for decision, count in enumerate(space.option_counts)
            for option in range(count)
        ),
    ):
        rows.append(
            {
                "decision": decision,
                "option": option,
                "label": label,
                "blocks": " ".join(block.key for block in blocks),
                "time_s": sum(times_s[block.key] for block in blocks),
                "cost_s": cost_s,
                "macs": sum(macs(block) for block in blocks),
                "weight_bytes": sum(weight_bytes(block, table.precision) for block in blocks),
                "measured": int(all(block.key in table.blocks for block in blocks)),
            }
        )
    return rows


def blocks(table: LatencyTable) -> list[Row]:
    """Each block: its time, its passes, and whether it was measured (1) or estimated (0)."""
    times_s = block_times_s(table)
    rows: list[Row] = []
    for block in spaces.all_blocks(spaces.load(table.space)):
        entry, estimate = table.blocks.get(block.key), table.estimates.get(block.key)
        rows.append(
            {
                "block": block.key,
                "time_s": times_s[block.key],
                "macs": macs(block),
                "weight_bytes": weight_bytes(block, table.precision),
                "measured": int(entry is not None),
                "passes": len(entry.samples_s) if entry is not None else 0,
                "error": estimate.error if estimate is not None else 0.0,
            }
        )
    return rows


def networks(table: LatencyTable) -> list[Row]:
    """Each calibration network: what it took, and what the table predicts at the median."""
    found = predictor(table)
    return [
        {
            "options": " ".join(str(option) for option in network.options),
            "low_s": pooled_percentile_s(network.samples_s, LAUNCH_QUANTILE),
            "median_s": pooled_percentile_s(network.samples_s, 50.0),
            "predicted_median_s": found.predict_s(network.options),
            "residual": residual,
        }
        for network, residual in zip(table.networks, found.residuals, strict=True)
    ]


def as_csv(rows: list[Row]) -> str:
    """With a header, comma-separated, lines ended by LF."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def as_json(rows: list[Row]) -> str:
    """A list of objects, one a line."""
    return "[\n" + ",\n".join(json.dumps(row, allow_nan=False) for row in rows) + "\n]\n"


PARTS: Final[Mapping[What, Callable[[LatencyTable], list[Row]]]] = {
    "layers": layers,
    "blocks": blocks,
    "networks": networks,
}
FORMS: Final[Mapping[FileForm, Callable[[list[Row]], str]]] = {"csv": as_csv, "json": as_json}
