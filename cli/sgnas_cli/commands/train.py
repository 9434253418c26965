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
    precision: options.TrainingPrecision = None,
    accumulate: options.Accumulate = None,
    checkpoint_seconds: options.CheckpointSeconds = 20.0,
    recipe: options.Recipe = None,
    log: options.Logs = None,
    evaluate_every: options.EvaluateEvery = None,
    workers: options.Workers = None,
    seed: options.Seed = 0,
    fresh: options.Fresh = False,
    workdir: options.Workdir = options.WORKDIR,
    as_json: options.AsJson = False,
) -> None:
    """Train the unified supernet of a space.

    A training that was stopped goes on where it stopped. Several processes, started by torchrun,
    share every batch.
    """
    from sgnas_cli import processes, render
    from sgnas_deploy.pipeline import train_supernet as pipeline

    request = pipeline.TrainSupernetRequest(
        data=data,
        workdir=workdir,
        space=space,
        epochs=epochs,
        batch=batch,
        precision=precision,
        accumulate=accumulate,
        checkpoint_s=checkpoint_seconds,
        recipe=recipe,
        logs=tuple(log or ()),
        evaluate_every=evaluate_every,
        workers=workers,
        seed=seed,
        fresh=fresh,
    )
    processes.together(
        lambda reporter: pipeline.train_supernet(request, reporter),
        render.supernet_trained,
        as_json,
    )


def generator(
    lut: options.TrainingLuts = None,
    any_device: options.AnyDevice = None,
    perturbed: options.Perturbed = None,
    data: options.DataOrSupernets = None,
    epochs: options.Epochs = None,
    batch: options.ImagesAStep = None,
    percentile: options.Percentile = 50.0,
    budgets: options.Budgets = None,
    precision: options.TrainingPrecision = None,
    accumulate: options.Accumulate = None,
    checkpoint_seconds: options.CheckpointSeconds = 20.0,
    recipe: options.Recipe = None,
    log: options.Logs = None,
    workers: options.Workers = None,
    seed: options.Seed = 0,
    fresh: options.Fresh = False,
    workdir: options.Workdir = options.WORKDIR,
    as_json: options.AsJson = False,
) -> None:
    """Train the architecture generator.

    On a trained supernet and measured latency tables. It reads the table, and
    `sgnas generate` takes it for every table that has no generator of its own, tables
    to come included; with --one-table it knows one by heart, as published. A training
    that was stopped goes on where it stopped. Several processes, started by torchrun,
    share every batch.
    """
    from sgnas_cli import processes, render
    from sgnas_deploy.pipeline import train_generator as pipeline

    request = pipeline.TrainGeneratorRequest(
        workdir=workdir,
        luts=tuple(lut or ()),
        any_device=any_device,
        perturbed=perturbed,
        data=data,
        epochs=epochs,
        batch=batch,
        percentile=percentile,
        budgets=budgets,
        precision=precision,
        accumulate=accumulate,
        checkpoint_s=checkpoint_seconds,
        recipe=recipe,
        logs=tuple(log or ()),
        workers=workers,
        seed=seed,
        fresh=fresh,
    )
    processes.together(
        lambda reporter: pipeline.train_generator(request, reporter),
        render.generator_trained,
        as_json,
    )


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
            "sgnas train supernet --data imagenet --precision bf16 --accumulate 4",
        )
    )(supernet)
    train.command(
        epilog=examples(
            "sgnas train generator",
            "sgnas train generator --lut a.json --lut b.json",
            "sgnas train generator --one-table --lut tiny--cpu--onnxruntime-fp32-b1-t1",
        )
    )(generator)
    app.add_typer(train, name="train")
