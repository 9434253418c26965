"""What `sgnas generate` shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group, RenderableType

from sgnas_cli.render import figures, parts

if TYPE_CHECKING:
    from sgnas_deploy.pipeline.generate import GenerateResult


def generated(result: GenerateResult) -> RenderableType:
    """Architectures and what was predicted of them; warnings were said when they arose."""
    rows = [
        (
            one.name,
            figures.ms(one.budget_s),
            figures.ms(one.predicted_s),
            figures.percent(one.unused),
            figures.percent(one.supernet_accuracy),
            figures.count(one.params),
            figures.count(one.macs),
        )
        for one in result.architectures
    ]
    folder = result.architectures[0].path.parent if result.architectures else None
    return Group(
        parts.table(
            (
                "architecture",
                "budget\nms",
                "predicted\nms",
                "unused\n%",
                "supernet\naccuracy %",
                "params",
                "MACs",
            ),
            rows,
        ),
        parts.facts(
            [
                ("latency", f"percentile {result.percentile:g} of a hot run"),
                ("margin", f"{figures.percent(result.margin)} % of a budget, counted as unused"),
                (
                    "feasible",
                    f"{figures.ms(result.fastest_s)} ms to {figures.ms(result.slowest_s)} ms, "
                    "margin included",
                ),
                ("scores", _scores(result)),
                ("table", str(result.table)),
                ("files", f"{folder}" if folder else ""),
                ("took", figures.duration(result.seconds)),
            ]
        ),
        parts.facts([(one.name, one.spelling or "") for one in result.architectures]),
    )


def _scores(result: GenerateResult) -> str:
    if result.unseen:
        return f"{result.generator}, which reads the table and was not trained on it"
    return result.scores
