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
from sgnas_profilers.transports.ssh import DEFAULT_PYTHON, HOST, PYTHON

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

NAME: Final = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
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
        python: the interpreter on the host, which must have the backend's runtime.
        power_mode: what the user says it runs in; checked where the device tells, never set.
        notes: free text.
        builtin: known without registration.
    """

    name: str
    transport: str
    host: str | None = None
    backend: str
    python: str = DEFAULT_PYTHON
    power_mode: str | None = None
    notes: str = ""
    builtin: bool = False


class _Entry(files.FrozenModel):
    host: Annotated[str, Field(pattern=HOST, max_length=255)] | None = None
    backend: str
    python: Annotated[str, Field(pattern=PYTHON, max_length=255)] = DEFAULT_PYTHON
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
        notes="the NVIDIA GPU of this machine (not yet run on hardware)",
        builtin=True,
    ),
    Device(
        name="jetson",
        transport="local",
        backend="tensorrt",
        notes="the Jetson that sgnas runs on, or that --host names (not yet run on hardware)",
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
    """Backends that a device may name."""
    return backends.names()


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


def checked_host(host: str) -> str:
    """The host, once it is one.

    Raises:
        BadInput: it is none.
    """
    if not re.fullmatch(HOST, host) or len(host) > 255:
        raise BadInput(
            f"{host!r} is no host",
            "use USER@HOST, HOST, or an alias of your SSH configuration",
        )
    return host


def register(
    name: str,
    host: str | None,
    backend: str | None,
    power_mode: str | None,
    notes: str,
    python: str | None = None,
) -> Device:
    """Append a device to the registry.

    Args:
        name: what `--device` will take; becomes part of file names.
        host: where it is, None for this machine.
        backend: None for TensorRT on a host, ONNX Runtime on this machine.
        power_mode: what it runs in.
        notes: free text.
        python: the interpreter on the host; None for `python3`.

    Raises:
        BadInput: a name, host or interpreter that cannot be used; a name that is taken; an unknown
            backend.
        EnvironmentProblem: the registry cannot be written.
    """
    if not re.fullmatch(NAME, name) or len(name) > 64 or "--" in name:
        raise BadInput(
            f"{name!r} is no name for a device",
            "use up to 64 letters, digits, dots, underscores and single dashes, "
            "the first a letter or digit",
        )
    if host is not None:
        checked_host(host)
    if python is not None and host is None:
        raise BadInput(
            "--python is for a device on another host", "add --host, or leave out --python"
        )
    if python is not None and (not re.fullmatch(PYTHON, python) or len(python) > 255):
        raise BadInput(
            f"{python!r} is no name or path of a Python",
            "use letters, digits, slashes, dots, dashes and underscores, such as "
            "/home/me/venv/bin/python",
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
                else f"edit that file, choose another name, or first: sgnas devices remove {name}",
            )
    fields = {
        "host": host,
        "backend": backend,
        "python": python,
        "power_mode": power_mode,
        "notes": notes or None,
    }
    entry = f'\n[devices."{name}"]\n' + "".join(
        f"{key} = {_quoted(value)}\n" for key, value in fields.items() if value is not None
    )
    before = _read(path) if path.exists() else _HEADER
    text = before if before.endswith("\n") else before + "\n"
    added = {device.name: device for device in _parse(text + entry, path)}[name]
    files.write_text(path, text + entry)
    return added


def unregister(name: str) -> Device:
    """Take a device out of the registry; the rest of the file stays as it is.

    Returns:
        The device.

    Raises:
        BadInput: there is none of that name, it is built in, or the file is written in a way that
            nothing can be cut out of.
        EnvironmentProblem: the registry cannot be written.
    """
    device = find(name)
    path = registry_path()
    if device.builtin:
        raise BadInput(f"the device {name!r} is built in", "leave it: it costs nothing")
    lines = _read(path).splitlines(keepends=True)
    starts = [i for i, line in enumerate(lines) if _table_of(line) == ("devices", name)]
    if len(starts) != 1:
        raise BadInput(
            f"the device {name!r} has no table of its own in {path}", "edit that file by hand"
        )
    begin = starts[0]
    # What lies before the next table's header may be that one's comment: only values go.
    end = begin + 1
    while end < len(lines) and re.match(r"\s*[A-Za-z]", lines[end]):
        end += 1
    if begin and not lines[begin - 1].strip():
        begin -= 1
    text = "".join(lines[:begin] + lines[end:])
    try:
        left = {one.name: one for one in _parse(text, path)}
    except BadInput:
        left = {}
    kept = {one.name: one for one in all_devices() if not one.builtin and one.name != name}
    if left != kept:
        raise BadInput(f"{name!r} cannot be cut out of {path}", "edit that file by hand")
    files.write_text(path, text)
    return device


def _table_of(line: str) -> tuple[str, ...] | None:
    """Names in a table's header; None where the line is none."""
    if not line.lstrip().startswith("["):
        return None
    try:
        found: object = tomllib.loads(line)
    except tomllib.TOMLDecodeError:
        return None
    names: list[str] = []
    while isinstance(found, dict) and len(found) == 1:
        (name,) = found
        names.append(name)
        found = found[name]
    return tuple(names)


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
            python=entry.python,
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
