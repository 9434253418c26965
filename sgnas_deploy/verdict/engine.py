"""Engines in a verdict: they are opened as plans, and only where they belong."""

from __future__ import annotations

from typing import Final

from sgnas_deploy import artefacts, devices
from sgnas_deploy.errors import BadInput
from sgnas_deploy.models import ExportFile
from sgnas_profilers.transports import Hello
from sgnas_profilers.trt import plans

FORMAT: Final = artefacts.ENGINE
BACKENDS: Final = ("tensorrt", "trtexec")
"""What runs an engine."""


def check_format(name: str, export_format: str, batch: object, with_data: bool) -> None:
    """Refuse what cannot be done with an engine; other formats pass.

    Raises:
        BadInput: its batch is dynamic, or its accuracy is asked for.
    """
    if export_format != FORMAT:
        return
    if batch == "dynamic":
        raise BadInput(
            f"{name} is an engine with a dynamic batch, which is not timed",
            "export it with a fixed one: sgnas export --format tensorrt --batch 1",
        )
    if with_data:
        raise BadInput(
            f"{name} is an engine: its accuracy is not measured on this machine",
            "leave out --data, or measure that of the ONNX file: sgnas export --format onnx",
        )


def backend_of(device: str) -> str:
    """What runs engines on a device: its own backend if that can, else TensorRT through Python."""
    own = devices.find(device).backend
    return own if own in BACKENDS else BACKENDS[0]


def check_place(plan: bytes, export: ExportFile, hello: Hello) -> None:
    """Refuse an engine that is for another device, before it is sent there.

    Args:
        plan: the engine.
        export: its manifest.
        hello: how the device introduced itself.

    Raises:
        BadInput: naming the difference, and the command that builds it anew.
    """
    plans.check(
        plan,
        export.runtime,
        hello.backend,
        f"build it anew for this device: {artefacts.rebuild(export)}",
    )
