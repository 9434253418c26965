"""What `sgnas fit` shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from sgnas_cli.render import figures, parts

if TYPE_CHECKING:
    from sgnas_deploy.pipeline.fit import FitResult, Fitted


def fitted(result: FitResult) -> RenderableType:
    """One line per budget, the reasons, what it rests on, and the verdict last."""
    reasons = [
        Text(f"{figures.ms(one.budget_s)} ms: {one.verdict}: {one.reason}")
        for one in result.budgets
        if one.reason
    ]
    errors = ", ".join(figures.percent(error) for error in result.round_errors)
    return Group(
        parts.table(
            (
                "architecture",
                "verdict",
                "budget\nms",
                "table\nms",
                f"p{result.percentile:g}\nms",
                "unused\n%",
                "launches",
                "MACs",
            ),
            [_row(one) for one in result.budgets],
            left=2,
        ),
        parts.facts(
            [
                ("latency", f"percentile {result.percentile:g} of a hot run, arbitrary weights"),
                ("unused", f"{figures.percent(result.unused)} % on average"),
                (
                    "kept free",
                    f"{figures.percent(result.headroom)} % of a budget: launches differ by "
                    f"{figures.percent(result.spread)} %, sittings by about "
                    f"{figures.percent(result.headroom_shift)} %",
                ),
                (
                    "measured",
                    f"{result.networks} networks in {result.launches} launches, "
                    f"{result.rounds} rounds (predictions off by {errors} %)",
                ),
                (
                    "range",
                    f"{figures.ms(result.fastest_s)} ms to {figures.ms(result.slowest_s)} ms",
                ),
                ("scores", result.scores),
                ("table", str(result.table)),
                ("took", figures.duration(result.seconds)),
            ]
        ),
        *reasons,
        parts.verdict(result.verdict),
    )


def _row(one: Fitted) -> tuple[str | Text, ...]:
    def ms(seconds: float | None) -> str:
        return figures.MISSING if seconds is None else figures.ms(seconds)

    return (
        one.name or figures.MISSING,
        parts.verdict(one.verdict),
        figures.ms(one.budget_s),
        ms(one.table_s),
        ms(one.measured_s),
        figures.percent(one.unused),
        str(one.launches),
        figures.MISSING if one.macs is None else figures.count(one.macs),
    )
