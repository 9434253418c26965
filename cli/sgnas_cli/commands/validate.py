"""`sgnas validate`."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from sgnas_cli import options
from sgnas_cli.options import examples
from sgnas_profilers.errors import NO, OK, UNDECIDED

EXIT_CODES: Final = {"PASS": OK, "FAIL": NO, "UNDECIDED": UNDECIDED}


def validate(
    models: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="MODEL",
            show_default=False,
            help="Files, or names in the workspace, NAME.plan for an engine (not yet run on "
            "hardware); none: all that `export` made last.",
        ),
    ] = None,
    latency_ms: options.Latency = None,
    device: options.DeviceOrTables = None,
    host: options.Host = None,
    percentile: options.PercentileOrArchitectures = None,
    confidence: options.Confidence = 0.95,
    data: options.DataToReport = None,
    max_seconds: options.MaxSeconds = 60.0,
    workdir: options.Workdir = options.WORKDIR,
    as_json: options.AsJson = False,
) -> None:
    """Measure networks against their latency budgets.

    Measures with the settings of the table that the architecture came from, and gives each a
    verdict. Exit code 0: all PASS; 1: one or more FAIL; 3: none failed, but one or more are
    UNDECIDED.
    """
    from sgnas_cli import output, parsing, progress, render
    from sgnas_deploy.pipeline import validate as pipeline

    request = pipeline.ValidateRequest(
        workdir=workdir,
        models=tuple(models or ()),
        budgets_s=tuple(parsing.seconds(text) for text in latency_ms or ()),
        device=device,
        host=host,
        percentile=percentile,
        confidence=confidence,
        data=data,
        max_seconds=max_seconds,
    )
    with progress.listening() as reporter:
        result = pipeline.validate(request, reporter)
    output.show(result, render.validated, as_json)
    raise typer.Exit(EXIT_CODES[result.verdict])


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        epilog=examples(
            "sgnas validate",
            "sgnas validate my-network.onnx --latency-ms 10 --percentile 95 --data digits",
        )
    )(validate)
