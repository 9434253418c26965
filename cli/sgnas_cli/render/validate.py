"""What `sgnas validate` shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from sgnas_cli.render import figures, parts

if TYPE_CHECKING:
    from sgnas_deploy.pipeline.validate import Validated, ValidateResult


def validated(result: ValidateResult) -> RenderableType:
    """Measurements, one line for a release note each, and the verdict last."""
    rows = [
        (
            one.name,
            parts.verdict(one.verdict),
            figures.ms(one.budget_s),
            figures.MISSING if one.predicted_s is None else figures.ms(one.predicted_s),
            figures.ms(one.p50_s),
            figures.ms(one.p95_s),
            figures.percent(one.unused),
            figures.percent(one.accuracy),
        )
        for one in result.networks
    ]
    reasons = [
        Text(f"{one.name}: {one.verdict}: {one.reason}") for one in result.networks if one.reason
    ]
    return Group(
        parts.table(
            (
                "model",
                "verdict",
                "budget\nms",
                "predicted\nms",
                "p50\nms",
                "p95\nms",
                "unused\n%",
                "accuracy\n%",
            ),
            rows,
            left=2,
        ),
        *(parts.verbatim(one.line) for one in result.networks),
        *(parts.verbatim(_sizes(one), "dim") for one in result.networks),
        *(parts.verbatim(f"report: {one.report}", "dim") for one in result.networks),
        *reasons,
        parts.verdict(result.verdict),
    )


def _sizes(one: Validated) -> str:
    text = f"{one.name}: file {figures.size(one.artefact_bytes)}"
    if one.peak_rss_bytes is not None:
        where = " on the host, the GPU's not in it" if one.on_gpu else ""
        text += f", peak memory of the process{where} {figures.size(one.peak_rss_bytes)}"
    return text
