"""`sgnas export`."""

from __future__ import annotations

from typing import Annotated

import typer

from sgnas_cli import options
from sgnas_cli.options import examples


def export(
    models: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="MODEL",
            show_default=False,
            help="Files, or names in the workspace; none: all that `retrain` made last.",
        ),
    ] = None,
    format_: options.Format = "onnx",
    precision: options.PrecisionOrTables = None,
    workdir: options.Workdir = options.WORKDIR,
    as_json: options.AsJson = False,
) -> None:
    """Write trained networks as files that a device runs.

    The graph form is that of the table that the network was generated with. The outputs are
    compared with the trained network's; if they differ by more than the limit, nothing is
    written (exit code 1).
    """
    from sgnas_cli import output, progress, render
    from sgnas_deploy.pipeline import export as pipeline

    request = pipeline.ExportRequest(
        workdir=workdir, models=tuple(models or ()), format=format_, precision=precision
    )
    with progress.listening() as reporter:
        result = pipeline.export(request, reporter)
    output.show(result, render.exported, as_json)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        epilog=examples("sgnas export --format onnx", "sgnas export my-network --format onnx")
    )(export)
