"""Commands that several processes run together: only the first one speaks."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import typer

if TYPE_CHECKING:
    from pydantic import BaseModel
    from rich.console import RenderableType

    from sgnas_deploy.events import Reporter

    R = TypeVar("R", bound=BaseModel)


def together(
    job: Callable[[Reporter], R], render: Callable[[R], RenderableType], as_json: bool
) -> None:
    """Do a job and show its result, in the first process alone where there are several.

    What goes wrong is told by the process that it went wrong in; the others end in silence.
    """
    from sgnas_cli import output, progress
    from sgnas_deploy.events import NullReporter
    from sgnas_deploy.training import ranks

    try:
        if ranks.here().number:
            job(NullReporter())
            return
        with progress.listening() as reporter:
            result = job(reporter)
    except ranks.Followed as error:
        raise typer.Exit(error.exit_code) from None
    output.show(result, render, as_json)
