"""What `sgnas devices` shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from sgnas_cli.render import figures, parts

if TYPE_CHECKING:
    from sgnas_deploy.pipeline.devices import Device, DevicesResult, DeviceTest


def devices_listed(result: DevicesResult) -> RenderableType:
    """All devices."""
    rows = [
        (
            one.name,
            one.transport,
            one.host or figures.MISSING,
            one.backend,
            one.power_mode or figures.MISSING,
            "; ".join(text for text in ("built in" if one.builtin else "", one.notes) if text),
        )
        for one in result.devices
    ]
    columns = ("device", "reached by", "host", "backend", "power mode", "notes")
    return Group(
        parts.table(columns, rows, left=len(columns)),
        parts.facts([("registered in", str(result.registry))]),
    )


def device_added(device: Device) -> RenderableType:
    """A newly registered device."""
    return parts.facts(
        [
            ("device", device.name),
            ("reached by", device.transport),
            ("host", device.host or ""),
            ("backend", device.backend),
            ("python", device.python if device.host else ""),
            ("power mode", device.power_mode or ""),
            ("notes", device.notes),
            ("next", f"sgnas devices test {device.name}"),
        ]
    )


def device_removed(device: Device) -> RenderableType:
    """A device that is not registered any more."""
    return Text(f"{device.name} is not registered any more; its tables stay")


def device_tested(result: DeviceTest) -> RenderableType:
    """What a device answered."""
    word = (
        Text("works", style="bold green")
        if result.reachable
        else Text("does not answer", style="bold red")
    )
    return Group(
        Text.assemble(f"{result.name}: ", word, f": {result.detail}" if result.detail else ""),
        parts.facts(sorted(result.environment.items())),
        *parts.warnings(result.warnings),
    )
