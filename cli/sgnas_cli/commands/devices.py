"""`sgnas devices [list|add|remove|test]`."""

from __future__ import annotations

from typing import Annotated

import typer

from sgnas_cli import options
from sgnas_cli.options import examples
from sgnas_profilers.errors import ENVIRONMENT


def _list(as_json: bool) -> None:
    from sgnas_cli import output, render
    from sgnas_deploy.pipeline import devices as pipeline

    output.show(pipeline.list_devices(), render.devices_listed, as_json)


def devices(context: typer.Context, as_json: options.AsJson = False) -> None:
    """List, add, remove and test the devices that --device knows.

    Without a subcommand: list.
    """
    if context.invoked_subcommand is None:
        _list(as_json)


def list_(as_json: options.AsJson = False) -> None:
    """List the built-in and the registered devices."""
    _list(as_json)


def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What `--device` will take.")],
    host: options.Host = None,
    backend: options.Backend = None,
    power_mode: Annotated[
        str | None,
        typer.Option(
            "--power-mode",
            metavar="MODE",
            help="What it runs in; checked where the device tells, recorded in tables, not set.",
        ),
    ] = None,
    python: Annotated[
        str | None,
        typer.Option(
            "--python",
            metavar="PYTHON",
            help="The interpreter on the host, 3.8 or newer, that has the runtime. "
            "[default: python3]",
        ),
    ] = None,
    notes: Annotated[str, typer.Option("--notes", metavar="TEXT", help="Free text.")] = "",
    as_json: options.AsJson = False,
) -> None:
    """Register a device under a name.

    It is known in all workspaces of this user.
    """
    from sgnas_cli import output, render
    from sgnas_deploy.pipeline import devices as pipeline

    request = pipeline.AddRequest(
        name=name, host=host, backend=backend, power_mode=power_mode, notes=notes, python=python
    )
    output.show(pipeline.add(request), render.device_added, as_json)


def remove(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A registered device.")],
    as_json: options.AsJson = False,
) -> None:
    """Forget a registered device.

    Tables that were measured on it stay.
    """
    from sgnas_cli import output, render
    from sgnas_deploy.pipeline import devices as pipeline

    output.show(pipeline.remove(name), render.device_removed, as_json)


def try_(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A device, such as cpu.")],
    host: options.Host = None,
    as_json: options.AsJson = False,
) -> None:
    """Look whether a device answers.

    Starts the agent there, times a small block and reads the machine's state.

    Exit code 4 when the device does not answer.
    """
    from sgnas_cli import output, render
    from sgnas_deploy.pipeline import devices as pipeline

    result = pipeline.test(name, host)
    output.show(result, render.device_tested, as_json)
    if not result.reachable:
        raise typer.Exit(ENVIRONMENT)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(rich_markup_mode=None)
    group.callback(
        invoke_without_command=True, epilog=examples("sgnas devices", "sgnas devices test cpu")
    )(devices)
    group.command("list", epilog=examples("sgnas devices list --json"))(list_)
    group.command(
        epilog=examples(
            "sgnas devices add orin --host me@orin --power-mode MAXN",
            "sgnas devices add pi --host me@pi --backend onnxruntime --python python3.11",
        )
    )(add)
    group.command(epilog=examples("sgnas devices remove pi"))(remove)
    group.command(
        "test",
        epilog=examples("sgnas devices test cpu", "sgnas devices test jetson --host me@orin"),
    )(try_)
    app.add_typer(group, name="devices")
