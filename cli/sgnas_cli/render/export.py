"""What `sgnas export` shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group, RenderableType

from sgnas_cli.render import figures, parts

if TYPE_CHECKING:
    from sgnas_deploy.models import Checks
    from sgnas_deploy.pipeline.export import ExportResult


def exported(result: ExportResult) -> RenderableType:
    """Exported files and how far their outputs are from the trained networks'."""
    compared = any(_labelled(one.checks) for one in result.files)
    batches = sorted({str(one.batch) for one in result.files})
    rows = [
        (
            one.name,
            *(() if compared else (one.form,)),
            figures.size(one.size_bytes),
            f"{one.parity_max_abs:.1e}{chr(10) if compared else ' of '}{one.parity_limit:.0e}",
            *(_on_data(one.checks) if compared else ()),
            figures.digest(one.sha256),
        )
        for one in result.files
    ]
    if compared:
        headings: tuple[str, ...] = (
            "model",
            "size",
            "difference,\nlimit",
            "same\nanswers",
            "top-1,\nof fp32",
            "loss,\nlimit",
            "sha256",
        )
    else:
        difference = "largest difference\nof a logit, limit"
        headings = ("model", "graph form", "size", difference, "sha256")
    sources = sorted({one.checks.source for one in result.files if one.checks is not None})
    return Group(
        parts.table(headings, rows, left=1 if compared else 2),
        parts.facts(
            [
                ("format", f"{result.format}, {result.precision}, batch {', '.join(batches)}"),
                *(("compared on", source) for source in sources),
                *(("file", str(one.path)) for one in result.files),
            ]
        ),
    )


def _labelled(checks: Checks | None) -> bool:
    return checks is not None and checks.accuracy is not None


def _on_data(checks: Checks | None) -> tuple[str, ...]:
    """What images of the data say; empty cells where there were none."""
    if checks is None or checks.accuracy is None or checks.accuracy_fp32 is None:
        return "", "", ""
    return (
        f"{checks.agreement:.1%}",
        f"{checks.accuracy:.1%}\n{checks.accuracy_fp32:.1%}",
        f"{checks.drop:.2%}\n{checks.max_drop:.1%}",
    )
