"""`sgnas devices list|add|test`: the devices a user has named."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sgnas_deploy import files
from sgnas_deploy.errors import NotBuiltYet


class Device(files.FrozenModel):
    """A device by name.

    Attributes:
        name: what `--device` takes.
        transport: `local` or `ssh`.
        host: `USER@HOST` or an alias of the SSH configuration; None for `local`.
        backend: what executes there by default.
        power_mode: what the user says it runs in; recorded, not set.
        notes: free text.
        builtin: known without registration.
    """

    name: str
    transport: str
    host: str | None = None
    backend: str
    power_mode: str | None = None
    notes: str = ""
    builtin: bool = False


class DevicesResult(files.FrozenModel):
    """The built-in and the registered devices."""

    registry: Path
    devices: tuple[Device, ...]


class DeviceTest(files.FrozenModel):
    """What a device answered."""

    name: str
    reachable: bool
    detail: str
    environment: dict[str, str]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class AddRequest:
    """Flags of `sgnas devices add`."""

    name: str
    host: str | None
    backend: str | None
    power_mode: str | None
    notes: str


def list_devices() -> DevicesResult:
    """All devices there are."""
    raise NotBuiltYet("sgnas devices list is not built yet")


def add(request: AddRequest) -> Device:
    """Register a device in the user's configuration.

    Raises:
        BadInput: the name is built in, or not fit for a file name.
    """
    raise NotBuiltYet("sgnas devices add is not built yet")


def test(name: str) -> DeviceTest:
    """Start the agent on a device, time a small block, read the machine's state."""
    raise NotBuiltYet("sgnas devices test is not built yet")
