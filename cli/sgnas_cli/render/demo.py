"""What `sgnas demo` shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from sgnas_cli.render import figures, parts

if TYPE_CHECKING:
    from sgnas_deploy.pipeline.demo import DemoResult


def demonstrated(result: DemoResult) -> RenderableType:
    """Each budget from question to verdict."""
    rows = [
        (
            parts.verdict(row.verdict),
            figures.ms(row.budget_s),
            figures.ms(row.predicted_s),
            figures.ms(row.p50_s),
            figures.ms(row.p95_s),
            figures.percent(row.unused),
            figures.percent(row.supernet_accuracy),
            figures.percent(row.accuracy),
            figures.count(row.params),
            figures.count(row.macs),
        )
        for row in result.rows
    ]
    columns = (
        "verdict",
        "budget\nms",
        "predicted\nms",
        "p50\nms",
        "p95\nms",
        "unused\n%",
        "supernet\n%",
        "retrained\n%",
        "params",
        "MACs",
    )
    took = ", ".join(f"{name} {figures.duration(seconds)}" for name, seconds in result.stages)
    total = figures.duration(sum(seconds for _, seconds in result.stages))
    return Group(
        parts.table(columns, rows, gap=1),
        Text(
            f"Budget and verdict speak of p50, the median of a hot run; of each budget "
            f"{figures.percent(result.margin)} % is kept back as a safety margin. Supernet and "
            "retrained: accuracy on images that nothing was trained on."
        ),
        Text(f"Took {total}: {took}."),
        Text.assemble("Verdict: ", parts.verdict(result.verdict)),
        parts.verbatim(f"Everything is in {result.workdir}"),
    )
