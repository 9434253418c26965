"""The application and its error boundary: every way a command can end has one exit code."""

from __future__ import annotations

import errno
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from typing import Annotated, Final, cast

import typer
import typer.core
import typer.main

from sgnas_cli.commands import (
    bench,
    demo,
    devices,
    doctor,
    export,
    fit,
    generate,
    lut,
    profile,
    report,
    retrain,
    train,
    validate,
)
from sgnas_cli.commands import run as run_command
from sgnas_cli.options import examples
from sgnas_cli.output import close_stdout, show_error
from sgnas_deploy.errors import SgnasError
from sgnas_profilers.errors import BUG, ENVIRONMENT, INTERRUPTED, MISUSE, OK

_MACHINE: Final = frozenset(
    getattr(errno, name)
    for name in (
        *("EACCES", "EPERM", "EROFS", "ENOSPC", "EDQUOT", "EFBIG"),
        *("EIO", "EMFILE", "ENFILE", "ENOMEM", "EAGAIN", "ENAMETOOLONG"),
    )
)
"""What the operating system may refuse without a fault of ours; any other OSError is a bug."""


_ORDER: Final = (
    *("demo", "profile", "train", "generate", "fit", "retrain", "export", "validate"),
    *("report", "run"),
    *("lut", "devices", "doctor", "bench"),
)


class _InOrder(typer.core.TyperGroup):
    """Lists the commands in the order of the job."""

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]
        """Names of the commands."""
        return [name for name in _ORDER if name in self.commands]


app = typer.Typer(
    name="sgnas",
    cls=_InOrder,
    no_args_is_help=True,
    add_completion=False,
    # Plain help: it needs no rich, so it is fast, and it reads the same in a log.
    rich_markup_mode=None,
    help="Search, retrain and deploy vision networks that keep a measured latency budget.",
    epilog=examples(
        "sgnas demo                                   the whole job, in minutes",
        "sgnas profile --device cpu --space tiny      or step by step: measure,",
        "sgnas train supernet --data digits           train,",
        "sgnas train generator",
        "sgnas generate --count 3                     search,",
        "sgnas retrain",
        "sgnas export --format onnx",
        "sgnas validate                               and measure again",
    ),
)


def _version(wanted: bool) -> None:
    if wanted:
        from sgnas_deploy import __version__

        typer.echo(f"sgnas {__version__}")
        raise typer.Exit


@app.callback()
def _sgnas(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    del version  # the callback has answered


for _command in (
    demo,
    profile,
    train,
    generate,
    fit,
    retrain,
    export,
    validate,
    report,
    run_command,
    lut,
    devices,
    doctor,
    bench,
):
    _command.register(app)


def run(arguments: Sequence[str]) -> int:
    """Run one command line and print its error, if any.

    Args:
        arguments: without the program's name.

    Returns:
        The exit code: 0 done or PASS, 1 a clear no, 2 misuse, 3 UNDECIDED, 4 environment,
        70 a bug of ours, 130 stopped.
    """
    as_json = "--json" in arguments
    try:
        # Not `command.main()`: it would turn Ctrl-C and usage errors into its own words.
        command = typer.main.get_command(app)
        with command.make_context("sgnas", list(arguments)) as context:
            command.invoke(context)
    except typer.Exit as error:
        return error.exit_code
    except typer.TyperException as error:
        return _usage(error, as_json)
    except SgnasError as error:
        show_error(error.message, error.cure, error.exit_code, as_json)
        return error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        show_error("stopped; what was finished is kept", None, INTERRUPTED, as_json)
        return INTERRUPTED
    except BrokenPipeError:
        close_stdout()
        return ENVIRONMENT
    except MemoryError:
        return _environment("there is not enough memory", "take a smaller --batch", as_json)
    except OSError as error:
        if error.errno not in _MACHINE:
            return _bug(error, as_json)
        where = f": {error.filename}" if error.filename else ""
        return _environment(
            f"{error.strerror}{where}",
            "see to space and permissions there, then run the same command again",
            as_json,
        )
    except Exception as error:
        return _bug(error, as_json)
    return OK


def _usage(error: typer.TyperException, as_json: bool) -> int:
    # "Value error" is pydantic's word, which typer checks values with.
    message = error.format_message().rstrip(".").replace(": Value error, ", ": ")
    context = cast("typer.Context | None", getattr(error, "ctx", None))
    path = context.command_path if context else "sgnas"
    if message.startswith(f"Usage: {path}"):  # no arguments at all: the message is the help
        typer.echo(message, err=True)
        return MISUSE
    show_error(message[:1].lower() + message[1:], f"see: {path} --help", MISUSE, as_json)
    return MISUSE


def _environment(message: str, cure: str, as_json: bool) -> int:
    show_error(message, cure, ENVIRONMENT, as_json)
    return ENVIRONMENT


def _bug(error: Exception, as_json: bool) -> int:
    traceback.print_exception(error)
    show_error(
        f"{type(error).__name__}: {error}",
        "this is a bug of ours, please report it with the lines above",
        BUG,
        as_json,
    )
    return BUG


def _stop_like_ctrl_c(names: Sequence[str] = ("SIGTERM", "SIGHUP")) -> None:
    """Clean up when told to end, or when the terminal goes away, as at Ctrl-C."""
    for name in names:
        number = getattr(signal, name, None)
        # What was ignored on purpose (nohup) stays ignored.
        if number is not None and signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, signal.default_int_handler)


def main() -> None:
    """Entry point of `sgnas`."""
    _stop_like_ctrl_c()
    # Read by torch's thread pool when it is loaded. Its threads spin long while they wait for one
    # another; beside another busy process that stalls a training by ten times and more. A short
    # spin costs nothing on a quiet machine.
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    sys.exit(run(sys.argv[1:]))
