"""`sgnas train supernet` and `sgnas train generator`."""

from __future__ import annotations

import typer

from sgnas_cli import options
from sgnas_cli.options import examples


def supernet(
    data: options.Data,
    space: options.Space = None,
    epochs: options.Epochs = None,
    batch: options.ImagesAStep = None,
    precision: options.TrainingPrecision = "fp32",
    seed: options.Seed = 0,
    fresh: options.Fresh = False,
    workdir: options.Workdir = options.WORKDIR,
    as_json: options.AsJson = False,
) -> None:
    """Train the unified supernet of a space.

    A training that was stopped goes on where it stopped.
    """
    from sgnas_cli import output, progress, render
    from sgnas_deploy.pipeline import train_supernet as pipeline

    request = pipeline.TrainSupernetRequest(
        data=data,
        workdir=workdir,
        space=space,
        epochs=epochs,
        batch=batch,
        precision=precision,
        seed=seed,
        fresh=fresh,
    )
    with progress.listening() as reporter:
        result = pipeline.train_supernet(request, reporter)
    output.show(result, render.supernet_trained, as_json)


def generator(
    lut: options.Lut = None,
    data: options.DataOrSupernets = None,
    epochs: options.Epochs = None,
    batch: options.ImagesAStep = None,
    percentile: options.Percentile = 50.0,
    budgets: options.Budgets = 8,
    precision: options.TrainingPrecision = "fp32",
    seed: options.Seed = 0,
    fresh: options.Fresh = False,
    workdir: options.Workdir = options.WORKDIR,
    as_json: options.AsJson = False,
) -> None:
    """Train the architecture generator.

    On a trained supernet and a measured latency table. A training that was stopped
    goes on where it stopped.
    """
    from sgnas_cli import output, progress, render
    from sgnas_deploy.pipeline import train_generator as pipeline

    request = pipeline.TrainGeneratorRequest(
        workdir=workdir,
        lut=lut,
        data=data,
        epochs=epochs,
        batch=batch,
        percentile=percentile,
        budgets=budgets,
        precision=precision,
        seed=seed,
        fresh=fresh,
    )
    with progress.listening() as reporter:
        result = pipeline.train_generator(request, reporter)
    output.show(result, render.generator_trained, as_json)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    train = typer.Typer(
        no_args_is_help=True,
        rich_markup_mode=None,
        help="Train the supernet, then the generator.",
        epilog=examples("sgnas train supernet --space tiny --data digits", "sgnas train generator"),
    )
    train.command(
        epilog=examples(
            "sgnas train supernet --space tiny --data digits",
            "sgnas train supernet --space cifar --data cifar-10-batches-bin --epochs 50",
        )
    )(supernet)
    train.command(
        epilog=examples(
            "sgnas train generator",
            "sgnas train generator --lut tiny--cpu--onnxruntime-fp32-b1-t1",
        )
    )(generator)
    app.add_typer(train, name="train")
