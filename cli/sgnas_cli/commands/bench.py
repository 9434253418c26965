"""`sgnas bench nasbench201`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sgnas_cli import options
from sgnas_cli.options import examples

_Accuracies = Annotated[
    Path,
    typer.Option(
        "--accuracies",
        metavar="FILE",
        help="CSV with a column arch (the cells' strings) and one per metric, such as "
        "cifar10_test. Read after everything is chosen.",
    ),
]
_Latencies = Annotated[
    Path,
    typer.Option(
        "--latencies",
        metavar="FILE",
        help="CSV with arch,latency_ms: whole networks on one device. Rows may be missing.",
    ),
]
_Samples = Annotated[
    int,
    typer.Option(
        "--samples", metavar="K", min=4, help="So many latencies may be looked up beforehand."
    ),
]
_Budgets = Annotated[
    int,
    typer.Option(
        "--budgets",
        metavar="N",
        min=1,
        max=1000,
        help="How many budgets, evenly over the device's range.",
    ),
]
_Trained = Annotated[
    Path | None,
    typer.Option(
        "--trained",
        metavar="DIR",
        help="Another generator and supernet's scores. [default: those shipped with sgnas]",
    ),
]


def nasbench201(
    accuracies: _Accuracies,
    latencies: _Latencies,
    samples: _Samples = 50,
    budgets: _Budgets = 10,
    seed: options.Seed = 0,
    trained: _Trained = None,
    as_json: options.AsJson = False,
) -> None:
    """Generate for budgets on NAS-Bench-201, then look up what it is worth.

    The predictor is fitted to K latencies; no accuracy is read before every budget has its
    network. Random search and evolution get the same predictor and the same supernet.
    """
    from sgnas_cli import output, progress, render
    from sgnas_deploy.pipeline import bench as pipeline

    request = pipeline.BenchRequest(
        accuracies=accuracies,
        latencies=latencies,
        samples=samples,
        budgets=budgets,
        seed=seed,
        trained=trained,
    )
    with progress.listening() as reporter:
        result = pipeline.bench(request, reporter)
    output.show(result, render.benched, as_json)


def register(app: typer.Typer) -> None:
    """Add the group and its command."""
    group = typer.Typer(
        no_args_is_help=True,
        rich_markup_mode=None,
        help="Try the method on public tables of a benchmark.",
        epilog=examples(
            "sgnas bench nasbench201 --accuracies acc.csv --latencies tx2.csv",
        ),
    )
    group.command(
        "nasbench201",
        epilog=examples(
            "sgnas bench nasbench201 --accuracies acc.csv --latencies tx2.csv",
            "sgnas bench nasbench201 --accuracies a.csv --latencies b.csv --samples 20",
        ),
    )(nasbench201)
    app.add_typer(group, name="bench")
