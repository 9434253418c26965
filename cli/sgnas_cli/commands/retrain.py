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
    inherit: options.Inherit = False,
    seed: options.Seed = 0,
    fresh: options.Fresh = False,
    workdir: options.Workdir = options.WORKDIR,
    as_json: options.AsJson = False,
) -> None:
    """Train generated architectures to the end.

    One after another. A training that was stopped goes on where it stopped; finished networks
    are kept.
    """
    from sgnas_cli import output, progress, render
    from sgnas_deploy.pipeline import retrain as pipeline

    request = pipeline.RetrainRequest(
        workdir=workdir,
        architectures=tuple(architectures or ()),
        data=data,
        epochs=epochs,
        batch=batch,
        inherit=inherit,
        seed=seed,
        fresh=fresh,
    )
    with progress.listening() as reporter:
        result = pipeline.retrain(request, reporter)
    output.show(result, render.retrained, as_json)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        epilog=examples("sgnas retrain", "sgnas retrain my-network.json --data photos --epochs 100")
    )(retrain)
