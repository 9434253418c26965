"""`sgnas profile`."""

from __future__ import annotations

import typer

from sgnas_cli import options
from sgnas_cli.options import examples


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
    out: options.TableOut = None,
    fresh: options.Fresh = False,
    workdir: options.Workdir = options.WORKDIR,
    as_json: options.AsJson = False,
) -> None:
    """Measure the blocks of a space on a device.

    Writes the latency table that all else is built on.
    A run that was stopped goes on where it stopped.
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
        out=out,
        fresh=fresh,
    )
    with progress.listening() as reporter:
        result = pipeline.profile(request, reporter)
    output.show(result, render.profiled, as_json)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        epilog=examples(
            "sgnas profile --device cpu --space tiny --quality quick",
            "sgnas profile --device cpu --space imagenet --resolution 192 --threads 2",
        )
    )(profile)
