"""`sgnas generate`."""

from __future__ import annotations

import typer

from sgnas_cli import options
from sgnas_cli.options import examples


def generate(
    latency_ms: options.LatencyOrMax = None,
    count: options.Count = None,
    percentile: options.Percentile = 50.0,
    scores: options.Scores = "generator",
    margin: options.Margin = None,
    lut: options.Lut = None,
    workdir: options.Workdir = options.WORKDIR,
    as_json: options.AsJson = False,
) -> None:
    """Generate one architecture for each latency budget.

    All in one pass. Give either --latency-ms or --count. A budget below the fastest network is a
    clear no (exit code 1); one above the slowest gives the best network and a warning.
    """
    from sgnas_cli import output, parsing, progress, render
    from sgnas_deploy.pipeline import generate as pipeline

    asked = parsing.budgets(latency_ms, count)
    request = pipeline.GenerateRequest(
        workdir=workdir,
        lut=lut,
        budgets_s=asked.budgets_s,
        count=asked.count,
        maximum=asked.maximum,
        percentile=percentile,
        scores=scores,
        margin=margin,
    )
    with progress.listening() as reporter:
        result = pipeline.generate(request, reporter)
    output.show(result, render.generated, as_json)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        epilog=examples(
            "sgnas generate --latency-ms 10 --latency-ms 20",
            "sgnas generate --count 5 --percentile 95",
            "sgnas generate --latency-ms max --scores macs",
        )
    )(generate)
