"""What `sgnas profile` shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import RenderableType

from sgnas_cli.render import figures, parts

if TYPE_CHECKING:
    from sgnas_deploy.pipeline.profile import ProfileResult


def profiled(result: ProfileResult) -> RenderableType:
    """A measured table; its warnings were said when they arose."""
    went_on = f", {result.resumed} of them from an interrupted run" if result.resumed else ""
    return parts.facts(
        [
            ("table", str(result.table)),
            ("sha256", figures.digest(result.sha256)),
            ("space", result.space),
            ("graph form", result.form),
            ("blocks", f"{result.blocks} measured{went_on}"),
            ("networks", f"{result.networks} to calibrate the prediction"),
            (
                "range",
                f"{figures.ms(result.fastest_s)} ms (fastest network) to "
                f"{figures.ms(result.slowest_s)} ms (slowest)",
            ),
            (
                "error",
                f"{figures.percent(result.error)} % mean, each network left out once",
            ),
            ("margin", f"{figures.percent(result.margin)} % of a budget is kept back"),
            (
                "noise",
                f"{figures.percent(result.noise)} % between samples, "
                f"{figures.percent(result.drift)} % largest drift",
            ),
            ("took", figures.duration(result.seconds)),
        ]
    )
