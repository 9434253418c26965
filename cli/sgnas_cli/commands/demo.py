"""`sgnas demo`."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import typer

from sgnas_cli import options
from sgnas_cli.options import examples

WORKDIR: Final = Path("demo-work")
"""A workspace of its own, so that the demo never mixes with a user's work."""


def demo(
    fresh: options.Fresh = False,
    workdir: options.Workdir = WORKDIR,
    as_json: options.AsJson = False,
) -> None:
    """Do the whole job on this CPU, with a small space.

    Takes the space tiny and scikit-learn's handwritten digits: profiles this machine, trains the
    supernet and the generator, generates networks for three budgets over the feasible range,
    retrains and exports them, and measures each against its budget. It says before each step
    which command does the same. What was stopped goes on where it stopped.

    Exit code 0 when the job ran to its end, whatever the verdicts: they stand in the last table,
    and on a busy machine one may be FAIL or UNDECIDED. (`sgnas validate` ends with the verdict's
    code.)
    """
    from sgnas_cli import output, progress, render
    from sgnas_deploy.pipeline import demo as pipeline

    request = pipeline.DemoRequest(workdir=workdir, fresh=fresh)
    with progress.listening() as reporter:
        result = pipeline.demo(request, reporter)
    output.show(result, render.demonstrated, as_json)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(epilog=examples("sgnas demo", "sgnas demo --workdir elsewhere --fresh"))(demo)
