"""From what the user names (`--device`, `--backend`, `--host`) to the way to that device."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, final

from sgnas_deploy import devices
from sgnas_deploy.devices import Device
from sgnas_deploy.errors import BadInput, EnvironmentProblem
from sgnas_profilers import backends, jetson
from sgnas_profilers.backends import RunOptions
from sgnas_profilers.transports import Agent, Hello, Transport
from sgnas_profilers.transports.local import LocalTransport
from sgnas_profilers.transports.ssh import DEFAULT_PYTHON, SshTransport
from sgnas_profilers.transports.stream import StreamAgent

SSH_CONFIG: Final = "SGNAS_SSH_CONFIG"
"""Names an SSH configuration that is used instead of the user's own."""


@final
@dataclass(frozen=True)
class Target:
    """A device, and how it is reached.

    Attributes:
        device: its name, as it stands in tables.
        backend: what executes there.
        host: where it is; None for this machine.
        transport_name: `local` or `ssh`.
        power_mode: what the user says that it runs in; None where nothing was said.
        python: the interpreter there (over SSH).
    """

    device: str
    backend: str
    host: str | None
    transport_name: str
    power_mode: str | None = None
    python: str = DEFAULT_PYTHON


def resolve(device: str, backend: str | None = None, host: str | None = None) -> Target:
    """What the user's words come to.

    Args:
        device: a built-in or registered name.
        backend: None for the device's own.
        host: `USER@HOST`; None for where the device is known to be.

    Raises:
        BadInput: an unknown device or backend, a host that is none, or that the device cannot have;
            a Jetson that is neither here nor said to be elsewhere.
    """
    found = devices.find(device)
    where = found.host if host is None else _checked(found, devices.checked_host(host))
    if where is None and found.builtin and found.name == "jetson" and not jetson.is_here():
        raise BadInput(
            "this machine is no Jetson",
            "say where it is: --device jetson --host USER@HOST, or register it: "
            "sgnas devices add NAME --host USER@HOST",
        )
    chosen = backend or found.backend
    if chosen not in backends.names():
        raise BadInput(
            f"unknown backend {chosen!r}", f"choose one of: {', '.join(backends.names())}"
        )
    return Target(
        device=found.name,
        backend=chosen,
        host=where,
        transport_name="local" if where is None else "ssh",
        power_mode=found.power_mode,
        python=found.python,
    )


def _checked(found: Device, host: str) -> str:
    """Two devices under one name would write one table."""
    if found.host is not None or found.name == "jetson":
        return host
    what = found.notes if found.builtin else "registered as this machine"
    raise BadInput(
        f"the device {found.name!r} is {what}: it is not on another host",
        f"give that one a name: sgnas devices add NAME --host {host} --backend {found.backend}",
    )


def transport(target: Target) -> Transport:
    """The way to a target; nothing is started yet."""
    way: Transport
    if target.host is None:
        way = LocalTransport()
    else:
        way = SshTransport(target.host, python=target.python, ssh_command=ssh_command())
    return way if target.power_mode is None else _Stated(way, target)


def ssh_command() -> tuple[str, ...]:
    """The user's SSH client, with his configuration or the one that `SGNAS_SSH_CONFIG` names."""
    config = os.environ.get(SSH_CONFIG)
    return ("ssh", "-F", str(Path(config).absolute())) if config else ("ssh",)


@final
@dataclass(frozen=True)
class _Stated:
    """A transport to a device whose power mode the user has stated: checked, else recorded."""

    way: Transport
    target: Target

    @property
    def name(self) -> str:
        return self.way.name

    def start(self, backend: str, options: RunOptions) -> Agent:
        agent = self.way.start(backend, options)
        try:
            hello = self._checked(agent.hello)
        except BaseException:
            agent.close()
            raise
        assert isinstance(agent, StreamAgent)
        agent.hello = hello
        return agent

    def _checked(self, hello: Hello) -> Hello:
        stated = self.target.power_mode
        assert stated is not None
        read = hello.machine.get("power_mode")
        if read is None:
            return replace(hello, machine={**hello.machine, "power_mode": stated})
        if _plain(stated) not in map(_plain, (read, hello.machine.get("power_mode_id", ""))):
            raise EnvironmentProblem(
                f"the device {self.target.device!r} is registered in power mode {stated} and runs "
                f"in {read}",
                f"set it there (sudo nvpmodel -m NUMBER), or correct {devices.registry_path()}",
            )
        return hello


def _plain(mode: str) -> str:
    """A power mode however it is written: MODE_15W, 15W and "15 W" are one."""
    return re.sub(r"[^a-z0-9]", "", mode.casefold()).removeprefix("mode")
