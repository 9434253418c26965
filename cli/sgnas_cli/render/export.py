"""What `sgnas export` shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group, RenderableType

from sgnas_cli.render import figures, parts

if TYPE_CHECKING:
    from sgnas_deploy.pipeline.export import ExportResult


def exported(result: ExportResult) -> RenderableType:
    """Exported files and how far their outputs are from the trained networks'."""
    rows = [
        (
            one.name,
            one.form,
            figures.size(one.size_bytes),
            f"{one.parity_max_abs:.1e} of {one.parity_limit:.0e}",
            figures.digest(one.sha256),
        )
        for one in result.files
    ]
    return Group(
        parts.table(
            ("model", "graph form", "size", "largest difference\nof a logit, limit", "sha256"),
            rows,
            left=2,
        ),
        parts.facts(
            [
                ("format", f"{result.format}, {result.precision}"),
                *(("file", str(one.path)) for one in result.files),
            ]
        ),
    )
