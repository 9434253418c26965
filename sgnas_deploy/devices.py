"""The devices that `--device` knows: three built-in ones, and those that the user has registered.

The registry is a TOML file in the user's configuration folder. A new device is appended to it, so
that comments and order stay as the user left them.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field, ValidationError

from sgnas_deploy import files
from sgnas_deploy.errors import BadInput
from sgnas_profilers import backends

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

BUILT_BACKENDS: Final = frozenset({"onnxruntime", "null"})
PLANNED_BACKENDS: Final = frozenset({"openvino", "tensorrt", "trtexec"})

NAME: Final = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
# An option (-oProxyCommand=...), a blank or a quote must never reach ssh as a host.
HOST: Final = (
    r"^(?:[A-Za-z0-9_][A-Za-z0-9_.+-]*@)?"  # user
    r"(?:[A-Za-z0-9_][A-Za-z0-9_.-]*|[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*(?:%[A-Za-z0-9_.-]+)?)$"
)
_HEADER: Final = (
    "# Devices that sgnas knows; add more with: sgnas devices add NAME\nschema_version = 1\n"
)
_CURE: Final = "correct the file, or move it away and add the devices anew: sgnas devices add NAME"


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


class _Entry(files.FrozenModel):
    host: Annotated[str, Field(pattern=HOST, max_length=255)] | None = None
    backend: str
    power_mode: str | None = None
    notes: str = ""


class _Registry(files.FrozenModel):
    schema_version: Literal[1]
    devices: dict[Annotated[str, Field(pattern=NAME, max_length=64)], _Entry] = Field(
        default_factory=dict
    )


BUILTIN: Final = (
    Device(
        name="cpu",
        transport="local",
        backend="onnxruntime",
        notes="the CPU of this machine",
        builtin=True,
    ),
    Device(
        name="gpu",
        transport="local",
        backend="tensorrt",
        notes="the NVIDIA GPU of this machine (not built yet)",
        builtin=True,
    ),
    Device(
        name="jetson",
        transport="local",
        backend="tensorrt",
        notes="the Jetson that sgnas runs on (not built yet)",
        builtin=True,
    ),
)


def registry_path() -> Path:
    """Where the user's devices stand: `sgnas/devices.toml` in the configuration folder."""
    # The XDG base directory specification: a relative path there is to be ignored.
    base = Path(os.environ.get("XDG_CONFIG_HOME", ""))
    if not base.is_absolute():
        base = Path(os.path.expanduser("~/.config"))  # noqa: PTH111 - Path.home() may raise
    return base / "sgnas" / "devices.toml"


def known_backends() -> list[str]:
    """Backends that a device may name, built or planned."""
    return sorted({*backends.names(), *BUILT_BACKENDS, *PLANNED_BACKENDS})


def all_devices() -> tuple[Device, ...]:
    """The built-in devices and the registered ones.

    Raises:
        BadInput: the registry is damaged.
    """
    path = registry_path()
    return (*BUILTIN, *(_parse(_read(path), path) if path.exists() else ()))


def find(name: str) -> Device:
    """The device of that name.

    Raises:
        BadInput: there is none, or the registry is damaged.
    """
    for device in all_devices():
        if device.name == name:
            return device
    raise BadInput(
        f"unknown device {name!r}",
        "see the devices there are with: sgnas devices list",
    )


def register(
    name: str, host: str | None, backend: str | None, power_mode: str | None, notes: str
) -> Device:
    """Append a device to the registry.

    Args:
        name: what `--device` will take; becomes part of file names.
        host: where it is, None for this machine.
        backend: None for TensorRT on a host, ONNX Runtime on this machine.
        power_mode: what it runs in.
        notes: free text.

    Raises:
        BadInput: a name or host that cannot be used, or that is taken; an unknown backend.
        EnvironmentProblem: the registry cannot be written.
    """
    if not re.fullmatch(NAME, name) or len(name) > 64 or "--" in name:
        raise BadInput(
            f"{name!r} is no name for a device",
            "use up to 64 letters, digits, dots, underscores and single dashes, "
            "the first a letter or digit",
        )
    if host is not None and (not re.fullmatch(HOST, host) or len(host) > 255):
        raise BadInput(
            f"{host!r} is no host",
            "use USER@HOST, HOST, or an alias of your SSH configuration",
        )
    backend = backend or ("onnxruntime" if host is None else "tensorrt")
    if backend not in known_backends():
        raise BadInput(
            f"unknown backend {backend!r}", f"choose one of {', '.join(known_backends())}"
        )
    path = registry_path()
    for device in all_devices():
        if device.name == name:
            how = "built in" if device.builtin else f"registered already in {path}"
            raise BadInput(
                f"the device {name!r} is {how}",
                "choose another name"
                if device.builtin
                else "edit that file, or choose another name",
            )
    fields = {"host": host, "backend": backend, "power_mode": power_mode, "notes": notes or None}
    entry = f'\n[devices."{name}"]\n' + "".join(
        f"{key} = {_quoted(value)}\n" for key, value in fields.items() if value is not None
    )
    before = _read(path) if path.exists() else _HEADER
    text = before if before.endswith("\n") else before + "\n"
    added = {device.name: device for device in _parse(text + entry, path)}[name]
    files.write_text(path, text + entry)
    return added


def _read(path: Path) -> str:
    try:
        return files.read_bytes(path, "device registry").decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadInput(f"{path} is no text in UTF-8", _CURE) from error


def _parse(text: str, path: Path) -> tuple[Device, ...]:
    try:
        found = _Registry.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise BadInput(f"{path} is not valid TOML: {error}", _CURE) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise BadInput(
            f"{path} is not a valid device registry: {where}: {first['msg']}", _CURE
        ) from error
    names = {device.name for device in BUILTIN}
    for name, entry in found.devices.items():
        if name in names:
            raise BadInput(f"{path} names a device {name!r}, which is built in", _CURE)
        if entry.backend not in known_backends():
            raise BadInput(f"{path} gives {name!r} an unknown backend {entry.backend!r}", _CURE)
    return tuple(
        Device(
            name=name,
            transport="local" if entry.host is None else "ssh",
            host=entry.host,
            backend=entry.backend,
            power_mode=entry.power_mode,
            notes=entry.notes,
        )
        for name, entry in found.devices.items()
    )


def _quoted(text: str) -> str:
    """A TOML basic string (TOML 1.0, section String)."""
    escaped = []
    for char in text:
        if char in '"\\':
            escaped.append("\\" + char)
        elif ord(char) < 0x20 or ord(char) == 0x7F:
            escaped.append(f"\\u{ord(char):04X}")
        else:
            # Surrogates (an argument that was no UTF-8) cannot be written at all.
            escaped.append("\N{REPLACEMENT CHARACTER}" if 0xD800 <= ord(char) < 0xE000 else char)
    return f'"{"".join(escaped)}"'
