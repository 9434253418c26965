"""What `sgnas lut show|check|diff|merge` show."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from sgnas_cli.render import figures, parts

if TYPE_CHECKING:
    from sgnas_deploy.pipeline.lut import (
        Agreement,
        CheckResult,
        DiffResult,
        MergeResult,
        ShowResult,
        TableSummary,
    )


def _summary(found: TableSummary) -> RenderableType:
    fastest, slowest = found.range_s
    facts = parts.facts(
        [
            ("table", Text(str(found.path), style="bold")),
            ("sha256", figures.digest(found.sha256)),
            ("space", found.space),
            ("device", found.device),
            ("graph form", found.form),
            ("measured", f"{found.blocks} blocks, {found.networks} networks, {found.created}"),
            ("range", f"{figures.ms(fastest)} ms to {figures.ms(slowest)} ms"),
            (
                "error",
                f"{figures.percent(found.error)} %, margin {figures.percent(found.margin)} %",
            ),
            ("made with", found.command),
        ]
    )
    return Group(
        facts,
        Text("\nSettings"),
        parts.facts(sorted(found.settings.items())),
        Text("\nMachine"),
        parts.facts(sorted(found.environment.items())),
    )


def tables_shown(result: ShowResult) -> RenderableType:
    """One block of facts a table; of many, one line each."""
    if not result.tables:
        return Text("there is no table yet; run: sgnas profile --device cpu")
    if len(result.tables) == 1:
        return _summary(result.tables[0])
    rows = [
        (
            found.path.stem,
            f"{found.blocks}",
            figures.ms(found.range_s[0]),
            figures.ms(found.range_s[1]),
            figures.percent(found.margin),
            found.created[:10],
        )
        for found in result.tables
    ]
    columns = ("table", "blocks", "fastest\nms", "slowest\nms", "margin\n%", "measured on")
    folders = dict.fromkeys(str(found.path.parent) for found in result.tables)
    return Group(
        parts.table(columns, rows),
        parts.facts([("in", folder) for folder in folders]),
    )


def table_checked(result: CheckResult) -> RenderableType:
    """How far predictions are from fresh measurements, beside simpler predictions."""

    def row(name: str, one: Agreement) -> tuple[str, ...]:
        return (
            name,
            figures.percent(one.mape),
            figures.percent(one.maximum),
            figures.percent(one.bias),
            f"{one.spearman:.3f}",
        )

    return Group(
        parts.table(
            (
                "prediction by",
                "mean error\n%",
                "largest\n%",
                "bias\n%",
                "rank\ncorrelation",
            ),
            [
                row("this table", result.table),
                row("MACs alone", result.macs),
                row("a constant", result.constant),
                row("measuring twice", result.repeat),
            ],
        ),
        parts.facts(
            [
                ("table", str(result.path)),
                ("networks", f"{result.networks}, none of which the table was fitted on"),
                ("latency", f"percentile {result.percentile:g} of a hot run"),
            ]
        ),
        Text("passed: the mean error is within the margin", style="bold green")
        if result.passed
        else Text("not passed: the mean error is beyond the margin", style="bold red"),
    )


def tables_compared(result: DiffResult) -> RenderableType:
    """What differs between two tables."""
    found: list[RenderableType] = [
        parts.facts([("first", str(result.first)), ("second", str(result.second))]),
        Text(),
    ]
    if result.settings:
        found.append(parts.table(("differs in", "first", "second"), result.settings, left=3))
    found.append(
        Text(
            f"{result.common} common blocks, {result.only_first} only in the first, "
            f"{result.only_second} only in the second"
        )
    )
    if result.ratios:
        quantiles = ("5 %", "25 %", "50 %", "75 %", "95 %")
        ratios = [f"{ratio:.3f}" for ratio in result.ratios]
        found.append(
            parts.table(("second / first, quantile", *quantiles), [("of the blocks", *ratios)])
        )
    return Group(*found)


def tables_merged(result: MergeResult) -> RenderableType:
    """The joined table."""
    return parts.facts(
        [
            ("table", str(result.table)),
            ("sha256", figures.digest(result.sha256)),
            ("measured", f"{result.blocks} blocks, {result.networks} networks"),
        ]
    )
