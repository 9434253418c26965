"""What `sgnas profile` shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from sgnas_cli.render import figures, parts

if TYPE_CHECKING:
    from sgnas_deploy.pipeline.profile import ProfileResult


def profiled(result: ProfileResult) -> RenderableType:
    """A measured table; its warnings were said when they arose."""
    went_on = f", {result.resumed} of them from an interrupted run" if result.resumed else ""
    facts = parts.facts(
        [
            ("table", str(result.table)),
            ("sha256", figures.digest(result.sha256)),
            ("space", result.space),
            ("graph form", result.form),
            ("blocks", f"{result.blocks} measured{went_on}"),
            ("estimated", _estimated(result)),
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
    if not result.too_noisy:
        return facts
    text = "too noisy to be trusted: measure it again with --fresh when the machine is quieter"
    return Group(facts, Text(text, style="bold red"))


def _estimated(result: ProfileResult) -> str:
    if not result.estimated:
        return ""
    origin = f" from {', '.join(result.sources)}" if result.sources else " from the measured ones"
    error = figures.percent(result.estimate_error)
    return f"{result.estimated} blocks, predicted{origin}, error {error} %"
