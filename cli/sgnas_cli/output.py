"""Printing: the result on stdout, talk on stderr."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import IO, TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from pydantic import BaseModel
    from rich.console import Console, RenderableType

    R = TypeVar("R", bound=BaseModel)


def console(file: IO[str] | None = None, width: int | None = None) -> Console:
    """A console that prints text as it is: no markup, no guesses at what to highlight."""
    from rich.console import Console

    return Console(file=file or sys.stdout, width=width, markup=False, highlight=False, emoji=False)


def show(result: R, render: Callable[[R], RenderableType], as_json: bool) -> None:
    """Print a result, for a program or for a person.

    A reader that has left (`sgnas lut show | head`) changes nothing about what was done: the
    command goes on and ends with its own exit code.
    """
    try:
        if as_json:
            sys.stdout.write(result.model_dump_json(indent=1) + "\n")
        else:
            # Not cropped: what a line without wrapping has beyond the width is worth reading.
            console().print(render(result), crop=False)
        sys.stdout.flush()
    except BrokenPipeError:
        close_stdout()


def show_error(message: str, cure: str | None, exit_code: int, as_json: bool) -> None:
    """Print an error: one sentence and its cure on stderr, with `as_json` also on stdout."""
    try:
        sys.stderr.write(f"error: {message}\n")
        if cure:
            sys.stderr.write(f"cure: {cure}\n")
        if as_json:
            error = {"error": message, "cure": cure, "exit_code": exit_code}
            sys.stdout.write(json.dumps(error, ensure_ascii=False) + "\n")
            sys.stdout.flush()
    except BrokenPipeError:
        close_stdout()


def close_stdout() -> None:
    """Send what is still to be flushed nowhere, so that the interpreter ends in silence."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
