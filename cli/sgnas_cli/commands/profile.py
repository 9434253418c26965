"""`sgnas profile`."""

from __future__ import annotations

import typer

from sgnas_cli import options
from sgnas_cli.options import examples
from sgnas_profilers.errors import UNDECIDED


def profile(
    device: options.Device,
    space: options.Space = None,
    host: options.Host = None,
    backend: options.Backend = None,
    precision: options.Precision = "fp32",
    batch: options.Batch = 1,
    resolution: options.Resolution = None,
    threads: options.Threads = 1,
    form: options.Form = "auto",
    quality: options.Quality = "normal",
    max_blocks: options.MaxBlocks = None,
    transfer_from: options.TransferFrom = None,
    samples: options.Samples = None,
    target_error: options.TargetError = None,
    out: options.TableOut = None,
    fresh: options.Fresh = False,
    workdir: options.Workdir = options.WORKDIR,
    as_json: options.AsJson = False,
) -> None:
    """Measure the blocks of a space on a device.

    Writes the latency table that all else is built on.
    A run that was stopped goes on where it stopped.
    Exit code 3 when it was too noisy; the table is written all the same.
    """
    from sgnas_cli import output, progress, render
    from sgnas_deploy.pipeline import profile as pipeline

    request = pipeline.ProfileRequest(
        device=device,
        workdir=workdir,
        space=space,
        host=host,
        backend=backend,
        precision=precision,
        batch=batch,
        resolution=resolution,
        threads=threads,
        form=form,
        quality=quality,
        max_blocks=max_blocks,
        transfer_from=tuple(transfer_from or ()),
        samples=samples,
        target_error=target_error,
        out=out,
        fresh=fresh,
    )
    with progress.listening() as reporter:
        result = pipeline.profile(request, reporter)
    output.show(result, render.profiled, as_json)
    if result.too_noisy:
        raise typer.Exit(UNDECIDED)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        epilog=examples(
            "sgnas profile --device cpu --space tiny --quality quick",
            "sgnas profile --device cpu --space imagenet --resolution 192 --threads 2",
            "sgnas profile --device cpu --space imagenet --max-blocks 150",
            "sgnas profile --device NAME --transfer-from TABLE --samples 20",
        )
    )(profile)
