"""`sgnas run`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sgnas_cli import options
from sgnas_cli.options import examples


def run(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="An exported file, or its name in the workspace. Engines (.plan): not yet run on "
            "hardware.",
        ),
    ],
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="Image files.")],
    top: options.Top = 5,
    threads: options.Threads = 1,
    workdir: options.Workdir = options.WORKDIR,
    as_json: options.AsJson = False,
) -> None:
    """Classify images with an exported network.

    The image is prepared as the description beside the exported file says. The file must be the
    one that its description was written for; an engine must also be that of the trained network
    beside it, and for this machine. What was exported in several formats is named by its file.
    """
    from sgnas_cli import output, progress, render
    from sgnas_deploy.pipeline import run as pipeline

    request = pipeline.RunRequest(
        model=model, images=tuple(images), workdir=workdir, top=top, threads=threads
    )
    with progress.listening() as reporter:
        result = pipeline.run(request, reporter)
    output.show(result, render.classified, as_json)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        epilog=examples(
            "sgnas run my-network photo.jpg",
            "sgnas run my-network.onnx one.png two.png --top 1 --json",
        )
    )(run)
