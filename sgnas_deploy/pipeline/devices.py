"""`sgnas devices list|add|remove|test`: the devices a user has named."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sgnas_deploy import devices, files, spaces, targets
from sgnas_deploy.devices import Device
from sgnas_deploy.emitter import DEFAULT_FORM, emit_block
from sgnas_deploy.errors import EnvironmentProblem
from sgnas_deploy.tables.plans import block_plan
from sgnas_deploy.verdict import conditions
from sgnas_profilers.backends import RunOptions
from sgnas_profilers.transports import Transport

__all__ = [
    "AddRequest",
    "Device",
    "DeviceTest",
    "DevicesResult",
    "add",
    "list_devices",
    "remove",
    "test",
]

PLAN: Final = block_plan(0.002, 20)


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
    python: str | None = None


def list_devices() -> DevicesResult:
    """All devices there are.

    Raises:
        BadInput: the registry is damaged.
    """
    return DevicesResult(registry=devices.registry_path(), devices=devices.all_devices())


def add(request: AddRequest) -> Device:
    """Register a device in the user's configuration.

    Raises:
        BadInput: the name is taken or not fit for a file name; no such backend; no such host.
    """
    return devices.register(
        request.name,
        request.host,
        request.backend,
        request.power_mode,
        request.notes,
        request.python,
    )


def remove(name: str) -> Device:
    """Forget a registered device.

    Returns:
        What it was.

    Raises:
        BadInput: there is none of that name, it is built in, or the registry is damaged.
    """
    return devices.unregister(name)


def test(
    name: str,
    host: str | None = None,  # noqa: PT028
    *,
    transport: Transport | None = None,  # noqa: PT028
) -> DeviceTest:
    """Start the agent on a device, time a small block, read the machine's state.

    Args:
        name: of the device.
        host: where it is; None for where it is known to be.
        transport: the way to it; None for the one that it needs.

    Raises:
        BadInput: there is no such device, or nothing says where it is.
    """
    target = targets.resolve(name, host=host)
    block = spaces.all_blocks(spaces.load("tiny"))[-1]
    try:
        way = transport or targets.transport(target)
        with way.start(target.backend, RunOptions(1)) as agent:
            hello = agent.hello
            found = agent.measure(emit_block(block, DEFAULT_FORM, 1), PLAN)
    except EnvironmentProblem as error:
        return DeviceTest(name=name, reachable=False, detail=str(error), environment={})
    fastest_s = min(found.timing.samples_s)
    return DeviceTest(
        name=name,
        reachable=True,
        detail=(
            f"block {block.key} takes {1e6 * fastest_s:.1f} us with "
            f"{hello.backend.get('runtime', target.backend)} {hello.backend.get('version', '')}"
        ).rstrip(),
        environment={
            **conditions.environment_of(hello.machine, hello.backend),
            **{
                f"state.{key}": value if isinstance(value, str) else f"{value:g}"
                for key, value in found.state.items()
            },
        },
        warnings=conditions.doubts([found.state]),
    )


test.__test__ = False  # type: ignore[attr-defined] # not for pytest, which collects such names
