"""`sgnas doctor`: what of the toolchain works here, what is missing, how to get it."""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Final, Literal, TypeAlias

from sgnas_deploy import devices, files
from sgnas_deploy.errors import EnvironmentProblem, SgnasError
from sgnas_profilers import machine
from sgnas_profilers.backends import RunOptions, load

State: TypeAlias = Literal["ok", "missing", "note", "problem"]

MIN_PYTHON: Final = (3, 10)
MIN_FREE_BYTES: Final = 500_000_000
BASE: Final = ("numpy", "onnx", "pydantic", "typer", "rich")
TRAIN: Final = (
    ("torch", "torch"),
    ("torchvision", "torchvision"),
    ("timm", "timm"),
    ("safetensors", "safetensors"),
    ("scikit-learn", "sklearn"),
)
NOT_RUN: Final = "not yet run on hardware"
# Distribution and module of what TensorRT needs, and how to get it.
ACCELERATOR: Final = (
    ("tensorrt", "tensorrt", "pip install 'sgnas-deploy[tensorrt]'; on a Jetson it is JetPack's"),
    ("tensorrt_rtx", "tensorrt_rtx", "pip install 'sgnas-deploy[rtx]'"),
    ("cuda-bindings", "cuda", "pip install 'sgnas-deploy[tensorrt]'"),
    ("pycuda", "pycuda", "pip install 'sgnas-deploy[tensorrt]' (only where cuda-bindings is not)"),
)

FLAVOURS: Final = {"tensorrt": "tensorrt", "tensorrt_rtx": "rtx"}
"""Distributions of TensorRT, and the flavour that each is."""

BINDINGS: Final = ("cuda-bindings", "pycuda")

LOAD_S: Final = 60.0
"""How long a library may take to load."""

_TRY: Final = """
import json
from sgnas_profilers.errors import SgnasError
said = message = cure = None
try:
    {code}
except SgnasError as error:
    message, cure = error.message, error.cure
print(json.dumps([said, message, cure]))
"""

RENAMED: Final = {"tensorrt_rtx": "tensorrt_rtx_cu13_bindings"}
"""What a distribution is called that does not bear the name of its module."""


class Finding(files.FrozenModel):
    """One part of the toolchain.

    Attributes:
        name: what it is.
        state: `ok`, `missing` (an optional part), `note` (nothing is missing, but timings may
            suffer), or `problem` (something needed).
        detail: version, or what was seen.
        cure: how to get it, empty when it works.
    """

    name: str
    state: State
    detail: str
    cure: str = ""


class DoctorResult(files.FrozenModel):
    """All findings; `healthy` unless one is a problem."""

    healthy: bool
    findings: tuple[Finding, ...]


def doctor() -> DoctorResult:
    """Look, and change nothing (but for a file that is made and removed at once)."""
    findings = tuple(finding for look in LOOKS for finding in look())
    return DoctorResult(
        healthy=all(finding.state != "problem" for finding in findings), findings=findings
    )


def _python() -> Iterable[Finding]:
    fits = sys.version_info[:2] >= MIN_PYTHON
    wanted = ".".join(map(str, MIN_PYTHON))
    yield Finding(
        name="python",
        state="ok" if fits else "problem",
        detail=f"{platform.python_implementation()} {platform.python_version()}",
        cure="" if fits else f"install Python {wanted} or newer",
    )


def _base() -> Iterable[Finding]:
    return map(_importable, BASE)


def _importable(name: str) -> Finding:
    """A needed part is imported, because a broken installation has a version too."""
    try:
        importlib.import_module(name)
    except (ImportError, OSError) as error:
        cure = f"pip install --force-reinstall {name}"
        return _bad(name, f"cannot be imported: {error}", cure)
    return Finding(name=name, state="ok", detail=version(name) or "version unknown")


def _onnxruntime() -> Iterable[Finding]:
    try:
        found = load("onnxruntime").describe(RunOptions(1))
        import onnxruntime

        providers = ", ".join(onnxruntime.get_available_providers())
    except (SgnasError, ImportError, OSError) as error:
        message = error.message if isinstance(error, SgnasError) else str(error)
        yield Finding(
            name="onnxruntime",
            state="missing",
            detail=f"profile and validate cannot measure this CPU: {message}",
            cure="pip install 'sgnas-deploy[cpu]'",
        )
        return
    yield Finding(name="onnxruntime", state="ok", detail=f"{found['version']} ({providers})")


def _train() -> Iterable[Finding]:
    for name, module in TRAIN:
        yield _optional(name, module, "pip install 'sgnas-deploy[train]'", "", "for training")


def _accelerator() -> Iterable[Finding]:
    installed = set()
    for name, module, cure in ACCELERATOR:
        found = _optional(name, module, cure, f", {NOT_RUN}", f"for NVIDIA devices, {NOT_RUN}")
        if found.state == "ok":
            installed.add(name)
            if name in FLAVOURS:
                found = _loads(found, FLAVOURS[name])
        yield found
    if installed & set(BINDINGS):
        yield _cuda()
    path = shutil.which("trtexec") or _jetson_trtexec()
    yield Finding(
        name="trtexec",
        state="ok" if path else "missing",
        detail=f"{path}, {NOT_RUN}" if path else f"for NVIDIA devices, {NOT_RUN}",
        cure="" if path else "comes with TensorRT's archive or JetPack; put it on PATH",
    )


def _loads(found: Finding, flavour: str) -> Finding:
    """The same, or why the library that is installed does not load."""
    answer = _tried(f"from sgnas_profilers.trt import load; said = load.load({flavour!r}).version")
    if isinstance(answer, str):
        return found
    return Finding(
        name=found.name,
        state="missing",
        detail=f"{found.detail}; it does not load: {answer.message}",
        cure=answer.cure or f"install it anew, or leave it out: pip uninstall {found.name}",
    )


def _cuda() -> Finding:
    """Whether a GPU answers."""
    answer = _tried(
        "from sgnas_profilers import cuda; found = cuda.load(); device = found.device(); "
        "said = f'{device.name}, CUDA {device.runtime} of {device.driver}, {found.name}'"
    )
    if isinstance(answer, str):
        return Finding(name="CUDA", state="ok", detail=f"{answer}, {NOT_RUN}")
    return Finding(
        name="CUDA",
        state="missing",
        detail=f"{answer.message}, {NOT_RUN}",
        cure=answer.cure or "look at the GPU and its driver: nvidia-smi",
    )


def _tried(code: str) -> str | EnvironmentProblem:
    """Run code that loads a library; what it puts into `said`, or what is wrong.

    In a process of its own: a library that does not fit this machine can end the one that loads it.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-c", _TRY.format(code=code)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=LOAD_S,
            check=False,
        )
    except (OSError, subprocess.SubprocessError) as error:
        return EnvironmentProblem(f"trying it failed: {error}")
    lines = done.stdout.decode("utf-8", "replace").splitlines()
    try:
        said, message, cure = json.loads(lines[-1])
    except (IndexError, ValueError):
        # It ended without an answer: by a signal, most likely.
        return EnvironmentProblem(f"the process that loads it ended with {done.returncode}")
    return str(said) if message is None else EnvironmentProblem(message, cure)


def _jetson_trtexec() -> str | None:
    """JetPack puts it where PATH does not lead."""
    path = Path("/usr/src/tensorrt/bin/trtexec")
    return str(path) if path.is_file() else None


def _ssh() -> Iterable[Finding]:
    path = shutil.which("ssh")
    if path is None:
        cure = "install OpenSSH's client, such as: apt install openssh-client"
        yield Finding(
            name="ssh client", state="missing", detail="for devices on other hosts", cure=cure
        )
        return
    yield Finding(name="ssh client", state="ok", detail=f"{_ssh_version(path) or 'ssh'}, {path}")


def _ssh_version(path: str) -> str | None:
    """What the client calls itself: "OpenSSH_9.2p1 Debian-2, ..."; None where it does not."""
    try:
        done = subprocess.run(
            [path, "-V"], stdin=subprocess.DEVNULL, capture_output=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stderr.decode("utf-8", "replace").split(",")[0].strip() or None


def _disk() -> Iterable[Finding]:
    here = Path.cwd()
    free = shutil.disk_usage(here).free
    enough = free >= MIN_FREE_BYTES
    yield Finding(
        name="disk space",
        state="ok" if enough else "problem",
        detail=f"{free / 1e9:.1f} GB free in {here}",
        cure="" if enough else f"free {MIN_FREE_BYTES / 1e9:g} GB, or work in another folder",
    )


def _machine() -> Iterable[Finding]:
    state, facts = machine.state(), machine.fingerprint()
    cores = len(machine.usable_cpus())
    detail = f"{facts.get('cpu') or facts.get('arch', 'unknown')}, {cores} usable cores"
    yield Finding(name="processor", state="ok", detail=detail)
    governor = state.get("governor")
    steady = governor in (None, "performance")
    yield Finding(
        name="cpu governor",
        state="ok" if steady else "note",
        detail=str(governor or "not readable here")
        + ("" if steady else ": clocks change while measuring"),
        cure="" if steady else "sudo cpupower frequency-set --governor performance",
    )
    load_1min = state.get("load_1min")
    idle = not isinstance(load_1min, float) or load_1min < 0.5 * cores
    yield Finding(
        name="load",
        state="ok" if idle else "note",
        detail="not readable here" if load_1min is None else f"{load_1min} over the last minute",
        cure="" if idle else "end other programs before you measure",
    )


def _config() -> Iterable[Finding]:
    path = devices.registry_path()
    cure = f"make {path.parent} a folder that you may write to, or set XDG_CONFIG_HOME"
    folder = path.parent
    # The folder itself is made when it is needed; until then the nearest one above it counts.
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"x")
    except OSError as error:
        yield _bad("configuration", f"cannot write in {folder}: {error.strerror or error}", cure)
        return
    try:
        known = devices.all_devices()
    except SgnasError as error:
        yield _bad("configuration", error.message, error.cure or cure)
        return
    own = sum(not device.builtin for device in known)
    yield Finding(
        name="configuration",
        state="ok",
        detail=f"{path}: {own} registered device{'' if own == 1 else 's'}",
    )


LOOKS: Final[tuple[Callable[[], Iterable[Finding]], ...]] = (
    _python,
    _base,
    _onnxruntime,
    _train,
    _accelerator,
    _ssh,
    _disk,
    _machine,
    _config,
)


def _bad(name: str, detail: str, cure: str) -> Finding:
    return Finding(name=name, state="problem", detail=detail, cure=cure)


def _optional(name: str, module: str, cure: str, remark: str, purpose: str) -> Finding:
    """A part that is looked for and not imported: that would take seconds."""
    found = version(name) or version(RENAMED.get(name, name))
    if found or _is_there(module):
        return Finding(name=name, state="ok", detail=f"{found or 'version unknown'}{remark}")
    return Finding(name=name, state="missing", detail=purpose, cure=cure)


def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def version(name: str) -> str | None:
    """Version of an installed distribution, None where there is none of that name."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
