"""What `sgnas run` shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group, RenderableType

from sgnas_cli.render import figures, parts

if TYPE_CHECKING:
    from sgnas_deploy.pipeline.run import RunResult


def classified(result: RunResult) -> RenderableType:
    """Images and their likeliest classes."""
    rows = [
        (str(one.image) if rank == 0 else "", guess.label, figures.percent(guess.probability))
        for one in result.images
        for rank, guess in enumerate(one.guesses)
    ]
    return Group(
        parts.table(("image", "class", "probability\n%"), rows, left=2),
        parts.facts(
            [
                ("model", f"{result.model} ({figures.digest(result.sha256)})"),
                ("runtime", result.engine),
            ]
        ),
    )
