"""What `sgnas lut show|check|diff|merge|export|migrate` show."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from sgnas_cli.render import figures, parts
from sgnas_cli.render.scatter import scatter

if TYPE_CHECKING:
    from sgnas_deploy.pipeline.lut import (
        DiffResult,
        ExportedTable,
        MergeResult,
        MigrateResult,
        ShowResult,
        TableSummary,
    )
    from sgnas_deploy.pipeline.lut_check import Agreement, CheckResult, ReadingReport


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
            ("estimated", _estimated(found)),
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


def _estimated(found: TableSummary) -> str:
    if not found.estimated:
        return ""
    origin = f" from {', '.join(found.sources)}" if found.sources else " from the measured ones"
    error = figures.percent(found.estimate_error)
    return f"{found.estimated} blocks, predicted{origin}, error {error} %"


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


def _row(name: str, one: Agreement) -> tuple[str, ...]:
    return (
        name,
        figures.percent(one.mape, 2),
        figures.percent(one.maximum),
        figures.percent(one.bias, 2),
        f"{one.spearman:.4f}",
    )


def _difference(found: ReadingReport) -> str:
    low, high = found.table_less_macs
    interval = f"{low * 100:+.2f} .. {high * 100:+.2f} points"
    if high < 0:
        said = "better"
    elif low > 0:
        said = "worse"
    else:
        said = "no difference can be shown"
    near = "; MACs are within half a point of measuring twice" if found.macs_near_floor else ""
    return f"{said}, 95 % interval of the mean errors' difference {interval}{near}"


def _reading(found: ReadingReport, networks: int, optimised: int) -> RenderableType:
    of = "the best launch" if found.best_launch else "all launches"
    rows = [
        _row("this table", found.table),
        _row("MACs alone", found.macs),
        _row("a constant", found.constant),
        _row("measuring twice", found.repeat),
    ]
    if found.optimised is not None and found.optimised_repeat is not None:
        rows += [
            _row("table, optimised networks", found.optimised),
            _row("measuring those twice", found.optimised_repeat),
        ]
    facts = [("table less MACs", _difference(found))]
    if found.optimised is not None:
        facts.append(
            (
                "margin",
                f"{figures.percent(found.margin)} % of a budget; {found.optimised_over} of "
                f"{optimised} optimised networks are slower than it allows",
            )
        )
    facts += [("missed", text) for text in found.missed]
    facts += [("out of reach", f"measuring twice: {text}") for text in found.out_of_reach]
    return Group(
        Text(f"{networks} networks, percentile {found.percentile:g} of {of}", style="bold"),
        parts.table(
            ("prediction by", "mean error\n%", "largest\n%", "bias\n%", "rank\ncorrelation"), rows
        ),
        parts.facts(facts),
        Text(),
    )


def table_checked(result: CheckResult) -> RenderableType:
    """How far predictions are from fresh measurements, beside simpler predictions."""
    networks, optimised = len(result.networks), len(result.optimised)
    marks = "o test network" + (", x optimised network" if optimised else "")
    if result.too_noisy:
        verdict = Text(
            "undecided: measuring twice differs by more than the margin", style="bold yellow"
        )
    elif result.passed:
        verdict = Text("passed: the mean error is within the margin", style="bold green")
    else:
        verdict = Text("not passed: the mean error is beyond the margin", style="bold red")
    readings = [result.low]
    if (result.asked.percentile, result.asked.best_launch) != (
        result.low.percentile,
        result.low.best_launch,
    ):
        readings.append(result.asked)
    return Group(
        *(_reading(found, networks, optimised) for found in readings),
        *(
            parts.verbatim(line)
            for line in scatter(result.low.points, result.low.optimised_points).splitlines()
        ),
        Text(marks),
        Text(),
        parts.facts(
            [
                ("table", str(result.path)),
                ("networks", f"{networks}, none of which the table was fitted on"),
                ("launches", f"{result.launches} of each, more of unsteady ones"),
                ("took", figures.duration(result.seconds)),
            ]
        ),
        *parts.warnings(result.warnings),
        verdict,
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


def table_exported(result: ExportedTable) -> RenderableType:
    """What was written."""
    return parts.facts([("file", str(result.out)), ("rows", str(result.rows))])


def table_migrated(result: MigrateResult) -> RenderableType:
    """From which version to which."""
    return parts.facts(
        [
            ("table", str(result.table)),
            ("sha256", figures.digest(result.sha256)),
            ("version", f"{result.now}, was {result.before}"),
        ]
    )
