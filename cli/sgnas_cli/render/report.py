"""What `sgnas report` shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from sgnas_cli.render import figures, parts
from sgnas_cli.render import plots as draw

if TYPE_CHECKING:
    from sgnas_deploy.pipeline.report import ReportResult

_SHOWN = 26


def reported(result: ReportResult, plots: bool = False) -> RenderableType:
    """Where the page is, what it could not show, and the main plots where asked for."""
    lines: list[RenderableType] = []
    if plots:
        lines += _plots(result)
    lines += [
        Text(f"missing: {one.what}; make it with: {one.command}", "yellow")
        for one in result.missing
    ]
    lines.append(
        parts.facts(
            [
                ("report", parts.verbatim(str(result.path))),
                ("size", figures.size(result.size_bytes)),
                ("networks", str(len(result.networks))),
            ]
        )
    )
    return Group(*lines)


def _plots(result: ReportResult) -> list[RenderableType]:
    found: list[RenderableType] = []
    marks = [
        (1e3 * one.latency_s, 1e2 * one.accuracy, one.letter, draw.style_of(one.verdict))
        for one in result.networks
        if one.latency_s is not None and one.accuracy is not None
    ]
    if marks:
        budgets = sorted({1e3 * one.budget_s for one in result.networks if one.budget_s})
        found += [
            Text("accuracy against latency (┊ budgets)", "bold"),
            draw.scatter(marks, lines=budgets, x_title="ms", y_title="top-1, %"),
            Text(),
        ]
    pairs = [
        (1e3 * one.predicted_s, 1e3 * one.measured_s, one.letter, draw.style_of(one.verdict))
        for one in result.networks
        if one.predicted_s is not None and one.measured_s is not None
    ]
    dots = [(1e3 * x, 1e3 * y) for x, y in (*result.calibration, *result.fit)]
    if pairs or dots:
        found += [
            Text("predicted against measured (• calibration networks)", "bold"),
            draw.scatter(pairs, dots, diagonal=True, x_title="predicted, ms", y_title="ms"),
            Text(),
        ]
    if result.heat is not None:
        found += [
            Text("cost of each option (columns) of each layer (lines)", "bold"),
            draw.heat(result.heat.costs_s, result.heat.labels),
            Text(),
        ]
    if found:
        found += [
            parts.facts(
                (one.letter, f"{one.name}: {one.verdict or 'not measured'}")
                for one in result.networks[:_SHOWN]
            ),
            Text(),
        ]
    return found
