"""`sgnas retrain`."""

from __future__ import annotations

from typing import Annotated

import typer

from sgnas_cli import options
from sgnas_cli.options import examples


def retrain(
    architectures: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="ARCH",
            show_default=False,
            help="Files, or names in the workspace; none: all that `generate` made last.",
        ),
    ] = None,
    data: options.DataOrSupernets = None,
    epochs: options.Epochs = None,
    batch: options.ImagesAStep = None,
    precision: options.TrainingPrecision = None,
    accumulate: options.Accumulate = None,
    compiled: options.Compile = False,
    checkpoint_seconds: options.CheckpointSeconds = 20.0,
    recipe: options.Recipe = None,
    log: options.Logs = None,
    evaluate_every: options.EvaluateEvery = None,
    workers: options.Workers = None,
    inherit: options.Inherit = False,
    seed: options.Seed = 0,
    fresh: options.Fresh = False,
    workdir: options.Workdir = options.WORKDIR,
    as_json: options.AsJson = False,
) -> None:
    """Train generated architectures to the end.

    One after another. A training that was stopped goes on where it stopped; finished networks
    are kept. Several processes, started by torchrun, share every batch.
    """
    from sgnas_cli import processes, render
    from sgnas_deploy.pipeline import retrain as pipeline

    request = pipeline.RetrainRequest(
        workdir=workdir,
        architectures=tuple(architectures or ()),
        data=data,
        epochs=epochs,
        batch=batch,
        precision=precision,
        accumulate=accumulate,
        compiled=compiled,
        checkpoint_s=checkpoint_seconds,
        recipe=recipe,
        logs=tuple(log or ()),
        evaluate_every=evaluate_every,
        workers=workers,
        inherit=inherit,
        seed=seed,
        fresh=fresh,
    )
    processes.together(
        lambda reporter: pipeline.retrain(request, reporter), render.retrained, as_json
    )


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        epilog=examples("sgnas retrain", "sgnas retrain my-network.json --data photos --epochs 100")
    )(retrain)
