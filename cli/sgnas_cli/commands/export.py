"""`sgnas export`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from sgnas_cli import options
from sgnas_cli.options import examples

if TYPE_CHECKING:
    from sgnas_deploy.models import Batch


def export(
    models: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="MODEL",
            show_default=False,
            help="Files, or names in the workspace; none: all that `retrain` made last.",
        ),
    ] = None,
    format_: options.Format = "onnx",
    precision: options.PrecisionOrTables = None,
    batch: options.ExportBatch = None,
    calibration: options.CalibrationData = None,
    max_drop: options.MaxDrop = None,
    flavour: options.Flavour = None,
    device: options.EngineDevice = None,
    host: options.Host = None,
    workspace_mib: options.WorkspaceMib = None,
    optimisation_level: options.OptimisationLevel = None,
    hardware_compatibility: options.HardwareCompatibility = None,
    compute_capability: options.ComputeCapability = None,
    workdir: options.Workdir = options.WORKDIR,
    as_json: options.AsJson = False,
) -> None:
    """Write trained networks as files that a device runs.

    The graph form is that of the table that the network was generated with. The outputs are
    compared with the trained network's, in fp16 and int8 on images of its data; if they or the
    accuracy differ by more than the limit, nothing is written (exit code 1).
    """
    from sgnas_cli import output, progress, render
    from sgnas_deploy.pipeline import export as pipeline

    request = pipeline.ExportRequest(
        workdir=workdir,
        models=tuple(models or ()),
        format=format_,
        precision=precision,
        batch=_batch(batch),
        calibration=calibration,
        max_drop=max_drop,
        flavour=flavour,
        device=device,
        host=host,
        workspace_bytes=None if workspace_mib is None else workspace_mib << 20,
        optimisation_level=optimisation_level,
        hardware_compatibility=hardware_compatibility,
        compute_capabilities=tuple(compute_capability or ()),
    )
    with progress.listening() as reporter:
        result = pipeline.export(request, reporter)
    output.show(result, render.exported, as_json)


def _batch(text: str | None) -> Batch | None:
    if text is None:
        return None
    if text == "dynamic":
        return "dynamic"
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise typer.BadParameter(
            f"{text!r} is neither a number of images nor 'dynamic'", param_hint="--batch"
        )
    return number


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        epilog=examples(
            "sgnas export --format onnx",
            "sgnas export my-network --format onnx",
            "sgnas export --format tensorrt --flavour rtx",
        )
    )(export)
