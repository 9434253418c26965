"""What `sgnas train supernet` and `sgnas train generator` show."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import RenderableType

from sgnas_cli.render import figures, parts

if TYPE_CHECKING:
    from sgnas_deploy.pipeline.train_generator import TrainGeneratorResult
    from sgnas_deploy.pipeline.train_supernet import TrainSupernetResult


def supernet_trained(result: TrainSupernetResult) -> RenderableType:
    """A trained supernet."""
    return parts.facts(
        [
            ("supernet", str(result.checkpoint)),
            ("sha256", figures.digest(result.sha256)),
            ("space", result.space),
            ("epochs", f"{result.epochs}{parts.resumed(result.resumed_at, 'epoch')}"),
            (
                "accuracy",
                f"{figures.percent(result.accuracy)} % mean of a few random sub-networks",
            ),
            ("took", figures.duration(result.seconds)),
        ]
    )


def generator_trained(result: TrainGeneratorResult) -> RenderableType:
    """A trained generator."""
    return parts.facts(
        [
            ("generator", str(result.checkpoint)),
            ("sha256", figures.digest(result.sha256)),
            *(("table", str(table)) for table in (result.table, *result.more_tables)),
            ("random devices", str(result.perturbed or "")),
            ("epochs", f"{result.epochs}{parts.resumed(result.resumed_at, 'epoch')}"),
            ("loss", f"{result.loss:.3f} cross-entropy of the last epoch"),
            (
                "budget error",
                f"{figures.percent(result.budget_error)} % mean distance of the expected latency "
                "to its target",
            ),
            ("took", figures.duration(result.seconds)),
        ]
    )
