"""What `sgnas retrain` shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group, RenderableType

from sgnas_cli.render import figures, parts

if TYPE_CHECKING:
    from sgnas_deploy.pipeline.retrain import RetrainResult


def retrained(result: RetrainResult) -> RenderableType:
    """Trained networks and their accuracy."""
    rows = [
        (
            one.name,
            figures.percent(one.supernet_accuracy),
            figures.percent(one.accuracy),
            f"{one.epochs}",
            figures.duration(one.seconds),
        )
        for one in result.models
    ]
    return Group(
        parts.table(
            ("model", "supernet\naccuracy %", "retrained\naccuracy %", "epochs", "took"), rows
        ),
        parts.facts(
            [
                ("data", result.data),
                ("files", f"{result.models[0].path.parent}" if result.models else ""),
            ]
        ),
    )
