"""TensorRT's own command, for boards that have no Python TensorRT. Not yet run on hardware.

trtexec is found in `SGNAS_TRTEXEC`, on the PATH, or where JetPack puts it. One run of it warms up
and times many queries in a row; they are handed out one by one, in the order in which they were
taken, and when they are used up trtexec runs again. What is read is `computeMs` of its
`--exportTimes`: the GPU's own time of a query by CUDA events, without copies, warm-up left out.

One line of flags gives the same measurement in TensorRT 10 and 11, whose defaults differ: a CUDA
graph, no transfers, busy waiting. Where trtexec reports that a graph cannot be captured it goes on
without; a table has one mode, so such a model is refused, with the way to measure everything
without graphs: `SGNAS_CUDA_GRAPHS=0`.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import shutil
import subprocess
import tempfile
from collections import deque
from pathlib import Path
from typing import Callable, Mapping, final

from sgnas_profilers._system import System
from sgnas_profilers.backends import Backend, Option, RunOptions, Session
from sgnas_profilers.backends.tensorrt import GRAPHS_VARIABLE
from sgnas_profilers.cuda import smi
from sgnas_profilers.errors import BadInput, EnvironmentProblem
from sgnas_profilers.timing import Clock
from sgnas_profilers.trt import audit, onnx_file
from sgnas_profilers.trt.build import platform_name
from sgnas_profilers.trt.options import BuildOptions, from_request

PROGRAM_VARIABLE = "SGNAS_TRTEXEC"
_JETPACK = "/usr/src/tensorrt/bin/trtexec"
WARM_UP_MS = 500
DURATION_S = 3
LEAST_QUERIES = 100
HELP_TIMEOUT_S = 60.0
RUN_TIMEOUT_S = 1500.0
"""Below the time after which a silent agent counts as dead."""

_GRAPH_FAILED = re.compile(r"CUDA graph capture (?:has )?failed|fail\w* to capture", re.IGNORECASE)
_VERSION = re.compile(r"TensorRT v(\d{4,})\]")
_MEMORY = re.compile(r"out of memory|OutOfMemory|bad_alloc", re.IGNORECASE)
_NO_GPU = re.compile(
    r"no CUDA-capable|insufficient driver|CUDA initialization|cudaError", re.IGNORECASE
)


@final
class TrtexecSession:
    """A model in a folder of its own, and the queries that trtexec has timed of it.

    Args:
        program: path of trtexec.
        model: ONNX file or plan.
        artefact: which of them it is.
        flags: what every run gets.
    """

    def __init__(self, program: str, model: bytes, artefact: str, flags: tuple[str, ...]) -> None:
        self._program = program
        self._flags = flags
        self._folder = tempfile.TemporaryDirectory(prefix="sgnas-trtexec-")
        root = Path(self._folder.name)
        self._plan = root / "model.plan"
        self._onnx = root / "model.onnx"
        self._times = root / "times.json"
        self._built = artefact == "plan"
        self._ready_s: deque[float] = deque()
        try:
            (self._plan if self._built else self._onnx).write_bytes(model)
        except OSError as error:
            self.close()
            raise EnvironmentProblem(f"the model cannot be stored: {error}") from error

    def time_s(self, loops: int, clock: Clock) -> float:
        """Seconds of the next `loops` queries. The clock is not read: trtexec has its own."""
        total_s = 0.0
        for _ in range(loops):
            if not self._ready_s:
                self._ready_s.extend(self._run())
            total_s += self._ready_s.popleft()
        return total_s

    def close(self) -> None:
        """Remove the folder."""
        self._folder.cleanup()

    def _run(self) -> list[float]:
        """Let trtexec time the model; seconds of each query."""
        source = (
            [f"--loadEngine={self._plan}"]
            if self._built
            else [f"--onnx={self._onnx}", f"--saveEngine={self._plan}", "--stronglyTyped"]
        )
        output = run(self._program, [*source, *self._flags, f"--exportTimes={self._times}"])
        if "--useCudaGraph" in self._flags and _GRAPH_FAILED.search(output):
            raise BadInput(
                "trtexec could not capture a CUDA graph of the model, and timed it without",
                "measure everything without graphs: "
                f"set {GRAPHS_VARIABLE}=0 on the device and profile anew",
            )
        self._built = self._built or self._plan.exists()
        try:
            text = self._times.read_bytes()
        except OSError as error:
            raise EnvironmentProblem(f"trtexec wrote no times: {error}") from error
        return parse_times(text)


@final
class TrtexecBackend:
    """Times and builds by trtexec.

    Args:
        find: finds the program; tests give a fake.
    """

    artefacts = ("onnx", "plan")

    def __init__(self, find: Callable[[], str] | None = None) -> None:
        self._find = find or find_program
        self._version: tuple[str, str] | None = None

    def describe(self, options: RunOptions) -> dict[str, str]:
        """Version, flags, and how it is timed."""
        version = self._version_text()
        return {
            "runtime": "trtexec",
            "version": version,
            "provider": "CUDA",
            "threads": str(options.threads),
            "flavour": "tensorrt",
            "platform": platform_name(),
            **smi.identity(System()),
            "mode": "graph" if _graphs() else "enqueue",
            # Two generations: what a flag leaves out is on by default in 11, and off in 10.
            "defaults": f"tensorrt-{version.split('.')[0]}",
            "flags": " ".join(self._flags()),
            "timing": "trtexec computeMs",
            "caches": "warm",
            "strongly_typed": "1",
        }

    def open(self, model: bytes, options: RunOptions) -> Session:
        """Store a model; it is built and timed when it is first asked for."""
        program = self._program()
        if options.artefact == "onnx":
            for put in onnx_file.check(model).inputs:
                if None in put.shape:
                    raise BadInput(
                        f"the model's input {put.name!r} has no fixed shape: {list(put.shape)}",
                        "export it with a fixed batch and resolution",
                    )
        return TrtexecSession(program, model, options.artefact, tuple(self._flags()))

    def build(
        self,
        model: bytes,
        options: Mapping[str, Option],
        progress: Callable[[str, float], None],
    ) -> tuple[bytes, dict[str, str]]:
        """Build an engine for this board.

        trtexec shows no network, so that the precision is looked up in the ONNX file, and the
        engine is not inspected. It tells no progress, and no compute capability either.
        """
        wanted = from_request(options)
        if wanted.flavour == "rtx":
            raise BadInput("trtexec is of the flavour tensorrt", "leave the flavour out")
        wanted.check_flavour("tensorrt")
        program, version = self._program(), self._version_text()
        checked = onnx_file.check(model)
        found = audit.of_onnx(checked)
        if wanted.precision is not None:
            audit.check(found, wanted.precision, "the ONNX file", wanted.keep)
        progress("building by trtexec", 0.0)
        with tempfile.TemporaryDirectory(prefix="sgnas-trtexec-") as folder:
            onnx, plan = Path(folder, "model.onnx"), Path(folder, "model.plan")
            onnx.write_bytes(model)
            flags = [f"--onnx={onnx}", f"--saveEngine={plan}", "--stronglyTyped", "--skipInference"]
            run(program, [*flags, *_build_flags(wanted, checked.inputs)])
            try:
                data = plan.read_bytes()
            except OSError as error:
                raise EnvironmentProblem(f"trtexec wrote no engine: {error}") from error
        progress("building by trtexec", 1.0)
        facts = {
            "flavour": "tensorrt",
            "version": version,
            "platform": platform_name(),
            "compute_capability": smi.identity(System()).get(
                "compute_capability", "of the board it was built on"
            ),
            "precision": wanted.precision or found.main,
            "precision_audit": f"{found}, read from the ONNX file",
            "engine_audit": "not made: trtexec was not asked for an inspection",
            "hardware_compatibility": wanted.hardware_compatibility or "none",
            "builder": "trtexec",
            "onnx_sha256": hashlib.sha256(model).hexdigest(),
            "plan_sha256": hashlib.sha256(data).hexdigest(),
        }
        return data, facts

    def _program(self) -> str:
        return self._find()

    def _flags(self) -> list[str]:
        """What every timing gets: valid for TensorRT 10 and 11."""
        flags = ["--noDataTransfers", "--useSpinWait"]
        if _graphs():
            flags.insert(0, "--useCudaGraph")
        elif int(self._version_text().split(".")[0]) >= 11:
            flags.insert(0, "--noCudaGraph")  # there graphs are the default
        return [
            *flags,
            f"--warmUp={WARM_UP_MS}",
            f"--duration={DURATION_S}",
            f"--iterations={LEAST_QUERIES}",
        ]

    def _version_text(self) -> str:
        """From the line that every run begins with; asked for once."""
        program = self._program()
        if self._version is None or self._version[0] != program:
            self._version = (program, parse_version(run(program, ["--help"], HELP_TIMEOUT_S)))
        return self._version[1]


def backend() -> Backend:
    """Return the backend of this file."""
    return TrtexecBackend()


def find_program() -> str:
    """Where trtexec is.

    Raises:
        EnvironmentProblem: nowhere; or `SGNAS_TRTEXEC` names something else.
    """
    named = os.environ.get(PROGRAM_VARIABLE)
    if named:
        found = shutil.which(named)
        if found is None:
            raise EnvironmentProblem(
                f"{PROGRAM_VARIABLE} names {named!r}, which is no program",
                f"give its full path, or unset {PROGRAM_VARIABLE}",
            )
        return found
    found = shutil.which("trtexec") or shutil.which(_JETPACK)
    if found is None:
        raise EnvironmentProblem(
            f"there is no trtexec: neither on the PATH nor as {_JETPACK}",
            "install TensorRT's binaries (on a Jetson: sudo apt install libnvinfer-bin), or set "
            f"{PROGRAM_VARIABLE} to its path",
        )
    return found


def run(program: str, arguments: list[str], timeout_s: float = RUN_TIMEOUT_S) -> str:
    """Run trtexec; all that it printed.

    Raises:
        BadInput: it does not take the model.
        EnvironmentProblem: it cannot be started, lacks a GPU or memory, does not know a flag, was
            killed, or takes too long.
    """
    try:
        done = subprocess.run(
            [program, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise EnvironmentProblem(f"trtexec did not end within {timeout_s:.0f} s") from error
    except OSError as error:
        raise EnvironmentProblem(f"trtexec cannot be started: {error}") from error
    output = done.stdout.decode("utf-8", "replace")
    if done.returncode == 0:
        return output
    said = _reason(output)
    if _MEMORY.search(output):
        raise EnvironmentProblem(
            f"trtexec ran out of memory: {said}",
            "end other programs on the GPU, or choose a smaller batch or resolution",
        )
    if done.returncode < 0:
        raise EnvironmentProblem(
            f"trtexec was killed by signal {-done.returncode}",
            "look for the reason in the device's log (dmesg): mostly too little memory",
        )
    if re.search(r"unknown (?:option|argument|flag)", output, re.IGNORECASE):
        raise EnvironmentProblem(
            f"trtexec does not know a flag: {said}", "use trtexec of TensorRT 10.3 or newer"
        )
    if _NO_GPU.search(output):
        raise EnvironmentProblem(f"trtexec cannot use the GPU: {said}", "look at: nvidia-smi")
    raise BadInput(f"trtexec cannot build or run the model: {said}", "export the model anew")


def parse_version(output: str) -> str:
    """Version from trtexec's first line, such as `[TensorRT v100300]`: `10.3.0`.

    Raises:
        EnvironmentProblem: there is none, or it is older than 10.3.
    """
    found = _VERSION.search(output)
    if found is None:
        raise EnvironmentProblem(
            "trtexec does not tell its version", f"check that {PROGRAM_VARIABLE} or PATH is right"
        )
    digits = found.group(1)
    number = int(digits)
    if len(digits) < 6:  # until 9: one digit for the minor version
        version: tuple[int, int, int] = (number // 1000, number // 100 % 10, number % 100)
    else:
        version = (number // 10000, number // 100 % 100, number % 100)
    text = ".".join(str(part) for part in version)
    if version < (10, 3, 0):
        raise EnvironmentProblem(
            f"trtexec is of TensorRT {text}", "use trtexec of TensorRT 10.3 or newer"
        )
    return text


def parse_times(data: bytes) -> list[float]:
    """Seconds of each query from the JSON of `--exportTimes`, in their order.

    Raises:
        EnvironmentProblem: it is not in that shape, or has no query.
    """
    try:
        queries = json.loads(data.decode("utf-8"))
        if not isinstance(queries, list) or not queries:
            raise ValueError("no queries")
        times_s = [float(query["computeMs"]) * 1e-3 for query in queries]
        if not all(math.isfinite(time_s) and time_s >= 0 for time_s in times_s):
            raise ValueError("an impossible time")
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise EnvironmentProblem(
            f"trtexec's times cannot be read ({type(error).__name__}: {error})",
            "use trtexec of TensorRT 10.3 or newer",
        ) from error
    return times_s


def _build_flags(wanted: BuildOptions, inputs: tuple[onnx_file.Put, ...]) -> list[str]:
    flags = []
    if wanted.workspace_bytes is not None:
        mib = -(-wanted.workspace_bytes // (1 << 20))  # its default unit
        flags.append(f"--memPoolSize=workspace:{mib}")
    if wanted.optimisation_level is not None:
        flags.append(f"--builderOptimizationLevel={wanted.optimisation_level}")
    if wanted.hardware_compatibility not in (None, "none"):
        names = {"ampere_plus": "ampere+", "same_compute_capability": "sameComputeCapability"}
        flags.append(f"--hardwareCompatibilityLevel={names[str(wanted.hardware_compatibility)]}")
    dynamic = [put for put in inputs if None in put.shape]
    if bool(dynamic) != (wanted.batch is not None):
        raise BadInput(
            "the model's batch is dynamic, and no batches were given"
            if dynamic
            else "batches were given, but the model's batch is fixed",
            "give batches for a model that was exported with --batch dynamic, and only for one",
        )
    for flag, size in zip(("min", "opt", "max"), wanted.batch or ()):
        shapes = [
            f"{put.name}:{'x'.join([str(size), *(str(length) for length in put.shape[1:])])}"
            for put in dynamic
        ]
        flags.append(f"--{flag}Shapes={','.join(shapes)}")
    return flags


def _graphs() -> bool:
    return os.environ.get(GRAPHS_VARIABLE, "1") != "0"


def _reason(output: str) -> str:
    """The first error that trtexec reports: lines `[date] [E] text`."""
    errors = re.findall(r"\[E\]\s*(.+)", output)
    lines = errors or [line for line in output.splitlines() if line.strip()] or ["no reason given"]
    return " ".join(str(lines[0]).split()).rstrip(".")
