"""`sgnas report`."""

from __future__ import annotations

from typing import Annotated

import typer

from sgnas_cli import options
from sgnas_cli.options import examples


def report(
    out: options.ReportOut = None,
    terminal: Annotated[
        bool, typer.Option("--terminal", help="Also draw the main plots in the terminal.")
    ] = False,
    workdir: options.Workdir = options.WORKDIR,
    as_json: options.AsJson = False,
) -> None:
    """Write a workspace as one HTML page.

    Verdicts, accuracy against latency, predictions against measurements, the table, each network,
    training curves, environment and hashes. The page loads nothing and needs no network. What the
    workspace has not yet is named with the command that makes it.
    """
    from functools import partial

    from sgnas_cli import output, progress, render
    from sgnas_deploy.pipeline import report as pipeline

    request = pipeline.ReportRequest(workdir=workdir, out=out)
    with progress.listening() as reporter:
        result = pipeline.report(request, reporter)
    output.show(result, partial(render.reported, plots=terminal), as_json)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        epilog=examples(
            "sgnas report",
            "sgnas report --out report.html --terminal",
        )
    )(report)
