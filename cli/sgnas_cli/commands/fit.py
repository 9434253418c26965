"""`sgnas fit`."""

from __future__ import annotations

from typing import Final

import typer

from sgnas_cli import options
from sgnas_cli.options import examples
from sgnas_profilers.errors import NO, OK, UNDECIDED

EXIT_CODES: Final = {"PASS": OK, "FAIL": NO, "UNDECIDED": UNDECIDED}


def fit(
    latency_ms: options.Budget = None,
    count: options.Count = None,
    device: options.DeviceOrTables = None,
    host: options.Host = None,
    percentile: options.Percentile = 50.0,
    scores: options.Scores = "generator",
    rounds: options.Rounds = 3,
    confidence: options.Confidence = 0.95,
    margin: options.HeadRoom = None,
    max_seconds: options.MaxSeconds = 60.0,
    fresh: options.Fresh = False,
    lut: options.Lut = None,
    workdir: options.Workdir = options.WORKDIR,
    as_json: options.AsJson = False,
) -> None:
    """Generate for latency budgets, measure, correct, and generate again.

    Goes on until each network was measured within its budget and uses 95 % of it, or says why
    not. Latency needs no trained weights: arbitrary ones are measured. `retrain` then trains the
    architectures. Exit code 0: all PASS; 1: a budget has a clear no; 3: none has, but one or more
    are UNDECIDED.
    """
    from sgnas_cli import output, parsing, progress, render
    from sgnas_deploy.pipeline import fit as pipeline

    asked = parsing.budgets(latency_ms, count, measured=True)
    request = pipeline.FitRequest(
        workdir=workdir,
        lut=lut,
        budgets_s=asked.budgets_s,
        count=asked.count,
        device=device,
        host=host,
        percentile=percentile,
        scores=scores,
        rounds=rounds,
        confidence=confidence,
        margin=margin,
        max_seconds=max_seconds,
        fresh=fresh,
    )
    with progress.listening() as reporter:
        result = pipeline.fit(request, reporter)
    output.show(result, render.fitted, as_json)
    raise typer.Exit(EXIT_CODES[result.verdict])


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        epilog=examples(
            "sgnas fit --latency-ms 10 --latency-ms 20",
            "sgnas fit --count 5 --scores macs",
        )
    )(fit)
