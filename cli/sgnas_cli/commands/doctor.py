"""`sgnas doctor`."""

from __future__ import annotations

import typer

from sgnas_cli import options
from sgnas_cli.options import examples
from sgnas_profilers.errors import ENVIRONMENT


def doctor(as_json: options.AsJson = False) -> None:
    """Tell what works here, and what is missing.

    And how to get it.     Changes nothing. Exit code 4 when something needed does not work.
    """
    from sgnas_cli import output, render
    from sgnas_deploy.pipeline import doctor as pipeline

    result = pipeline.doctor()
    output.show(result, render.diagnosed, as_json)
    if not result.healthy:
        raise typer.Exit(ENVIRONMENT)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(epilog=examples("sgnas doctor"))(doctor)
