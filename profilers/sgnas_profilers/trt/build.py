"""One builder for both flavours: ONNX file in, engine and facts about it out.

The network is always strongly typed: precision is in the ONNX file, and neither flags nor
calibrators are used, which TensorRT 11 and TensorRT for RTX do not have. Everything that is told
about an engine is read from the network before the build, because an engine cannot be looked at
without the GPU that it is for.

TensorRT reports through its log, never by an exception: the log is collected, and what went wrong
is raised. Where no GPU is present every real error there is followed by a line about CUDA, which
is dropped.
"""

from __future__ import annotations

import hashlib
import platform
import re
from dataclasses import dataclass
from typing import Any, Callable, Mapping

from sgnas_profilers.errors import BadInput, EnvironmentProblem, SgnasError
from sgnas_profilers.trt import audit, onnx_file
from sgnas_profilers.trt.audit import Audit
from sgnas_profilers.trt.load import Runtime, load
from sgnas_profilers.trt.options import BuildOptions

Progress = Callable[[str, float], None]
"""Called with a phase and the share of it that is done; what it raises cancels the build."""

_NO_GPU_NOISE = re.compile(r"^\[checkMacros\.cpp::catchCudaError")
_ENVIRONMENT = re.compile(
    r"out of memory|OutOfMemory|cudaError|CUDA_ERROR|CUDA error|CUDA (?:driver|init)|"
    r"CUDA_SUCCESS|Unable to load library|no CUDA-capable",
    re.IGNORECASE,
)
_CANCELLED = re.compile(r"BuildCancell?ed", re.IGNORECASE)
_MODEL_CURE = "export the model anew, or look the operator up in TensorRT's list of ONNX operators"
_INTEGER_CURE = (
    "quantise it with signed integers around zero: sgnas export --format tensorrt --precision int8"
)
_PORTABLE = "portable"


@dataclass(frozen=True)
class Engine:
    """What was built.

    Attributes:
        plan: the serialised engine.
        facts: flavour, version, device, precision, inputs and outputs, hashes: texts.
        audit: heavy layers by precision, read from the network.
        timing_cache: what the build has learnt about kernels; empty for `rtx`.
    """

    plan: bytes
    facts: Mapping[str, str]
    audit: Audit
    timing_cache: bytes


def platform_name() -> str:
    """What an engine is bound to beside its GPU: such as `Linux-aarch64`."""
    return f"{platform.system()}-{platform.machine()}"


def build(
    model: bytes,
    options: BuildOptions | None = None,
    progress: Progress | None = None,
    *,
    timing_cache: bytes = b"",
    device: Mapping[str, str] | None = None,
    path: str | None = None,
    runtime: Runtime | None = None,
) -> Engine:
    """Build an engine.

    Args:
        model: an ONNX file.
        options: how.
        progress: called meanwhile, from this thread.
        timing_cache: of an earlier build on this machine; only `tensorrt` uses one.
        device: facts of the GPU that is built on (`gpu`, `compute_capability`); None without one.
        path: where the ONNX file lies, to find weights in files beside it.
        runtime: a TensorRT that was loaded already.

    Raises:
        BadInput: the model cannot be used, is not in the precision asked for, or an option is not
            of this flavour.
        EnvironmentProblem: TensorRT is not installed, or failed for want of a GPU or of memory.
    """
    options = options or BuildOptions()
    runtime = runtime or load(options.flavour)
    options.check_flavour(runtime.flavour)
    onnx_file.check(model, path)
    trt = runtime.module
    log = logger(trt)
    builder = trt.Builder(log)
    if builder is None:
        raise _failed(log, "TensorRT cannot start")
    # In every version; on 11.x and RTX it is always on.
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    # The parser holds on to the weights: it must live as long as the network.
    parser = trt.OnnxParser(network, log)
    _parse(parser, network, model, path)
    found = audit.of_network(network, trt)
    if options.precision is not None:
        audit.check(found, options.precision, keep=options.keep)
    config = _configure(builder, network, options, runtime, log)
    cache = None
    if runtime.flavour == "tensorrt":
        cache = config.create_timing_cache(timing_cache)
        config.set_timing_cache(cache, False)
    # Without listeners too: only there does Ctrl-C reach a build.
    monitor = _monitor(trt, progress or _silent)
    config.progress_monitor = monitor
    facts = {
        "flavour": runtime.flavour,
        "version": runtime.version,
        "platform": platform_name(),
        "compute_capability": ",".join(options.compute_capabilities)
        or (
            _PORTABLE if runtime.flavour == "rtx" else (device or {}).get("compute_capability", "")
        ),
        "precision": options.precision or found.main,
        "precision_audit": str(found),
        "tf32": "allowed" if config.get_flag(trt.BuilderFlag.TF32) else "off",
        "hardware_compatibility": options.hardware_compatibility or "none",
        "inputs": _puts(network.get_input(i) for i in range(network.num_inputs)),
        "outputs": _puts(network.get_output(i) for i in range(network.num_outputs)),
        "layers": str(network.num_layers),
        "onnx_sha256": hashlib.sha256(model).hexdigest(),
    }
    if device and device.get("gpu"):
        facts["gpu"] = device["gpu"]
    for name, value in (
        ("workspace_bytes", options.workspace_bytes),
        ("optimisation_level", options.optimisation_level),
        ("batch", None if options.batch is None else ",".join(map(str, options.batch))),
    ):
        if value is not None:
            facts[name] = str(value)
    plan = builder.build_serialized_network(network, config)
    if monitor.stopped_by is not None:
        raise monitor.stopped_by
    if plan is None:
        if _CANCELLED.search(errors_of(log)):
            # Nothing of ours has cancelled: Ctrl-C came between the lines of the monitor.
            raise KeyboardInterrupt
        raise _failed(log, "TensorRT cannot build an engine of the model")
    data = bytes(plan)
    facts["plan_sha256"] = hashlib.sha256(data).hexdigest()
    learnt = b"" if cache is None else bytes(config.get_timing_cache().serialize())
    return Engine(data, facts, found, learnt)


_loggers: dict[int, Any] = {}


def logger(trt: Any) -> Any:
    """The collecting logger of a module, emptied.

    One for the life of the process: TensorRT keeps the first that it sees, and ignores others.
    Its `lines` are (severity, text) of warnings and errors.
    """
    if id(trt) not in _loggers:
        severities = (
            trt.ILogger.Severity.INTERNAL_ERROR,
            trt.ILogger.Severity.ERROR,
            trt.ILogger.Severity.WARNING,
        )

        class Log(trt.ILogger):  # type: ignore[misc]
            def __init__(self) -> None:
                trt.ILogger.__init__(self)
                self.module = trt  # keeps the id its own
                self.lines: list[tuple[str, str]] = []

            def log(self, severity: Any, message: str) -> None:
                if severity in severities and not _NO_GPU_NOISE.search(message):
                    self.lines.append((str(severity.name), message))

        _loggers[id(trt)] = Log()
    log = _loggers[id(trt)]
    log.lines = []
    return log


def errors_of(log: Any) -> str:
    """What the log's errors say, in one line; empty without any."""
    lines = [" ".join(text.split()) for severity, text in log.lines if severity != "WARNING"]
    return "; ".join(dict.fromkeys(lines))


def _parse(parser: Any, network: Any, model: bytes, path: str | None) -> None:
    """Fill the network from the ONNX file."""
    parsed = parser.parse(model, path) if path else parser.parse(model)
    if not parsed:
        reasons = []
        for index in range(parser.num_errors):
            error = parser.get_error(index)
            told = [line for line in error.desc().splitlines() if not _NO_GPU_NOISE.search(line)]
            node = str(error.node_name() or "").strip()
            operator = str(error.node_operator() or "").strip()
            where = " ".join(part for part in (operator, repr(node) if node else "") if part)
            reasons.append((f"{where}: " if where else "") + " ".join(" ".join(told).split()))
        reason = "; ".join(reasons).rstrip(".") or "no reason given"
        cure = _INTEGER_CURE if "zero point" in reason.lower() else _MODEL_CURE
        raise BadInput(f"TensorRT cannot read the model: {reason}", cure)
    # What is no model at all also "parses".
    if network.num_outputs == 0:
        raise BadInput("the file is no ONNX model: it has no outputs", _MODEL_CURE)


def _configure(
    builder: Any, network: Any, options: BuildOptions, runtime: Runtime, log: Any
) -> Any:
    trt = runtime.module
    config = builder.create_builder_config()
    # So that the inspector can tell types; what is timed does not depend on it.
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED
    if options.workspace_bytes is not None:
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, options.workspace_bytes)
    if options.optimisation_level is not None:
        config.builder_optimization_level = options.optimisation_level
    if options.hardware_compatibility is not None:
        name = options.hardware_compatibility.upper()
        if not hasattr(trt.HardwareCompatibilityLevel, name):
            raise BadInput(
                f"TensorRT {runtime.version} has no hardware compatibility "
                f"{options.hardware_compatibility!r}",
                "leave it out, or use a newer TensorRT",
            )
        config.hardware_compatibility_level = getattr(trt.HardwareCompatibilityLevel, name)
    if options.compute_capabilities:
        config.num_compute_capabilities = len(options.compute_capabilities)
        for index, capability in enumerate(options.compute_capabilities):
            name = "SM" + capability.replace(".", "")
            if not hasattr(trt.ComputeCapability, name):
                raise BadInput(
                    f"TensorRT for RTX {runtime.version} cannot build for compute capability "
                    f"{capability}",
                    "use another version of it",
                )
            config.set_compute_capability(getattr(trt.ComputeCapability, name), index)
    _profile(builder, network, config, options, log)
    return config


def _profile(builder: Any, network: Any, config: Any, options: BuildOptions, log: Any) -> None:
    """Give the dynamic batch axis its range."""
    inputs = [network.get_input(index) for index in range(network.num_inputs)]
    dynamic = [put for put in inputs if -1 in tuple(put.shape)]
    if not dynamic:
        if options.batch is not None:
            raise BadInput(
                "batches were given, but the model's batch is fixed",
                "leave them out, or run: sgnas export --batch dynamic",
            )
        return
    if options.batch is None:
        raise BadInput(
            f"the model's input {dynamic[0].name!r} has a dynamic shape: {tuple(dynamic[0].shape)}",
            "say which batches the engine must take, or export the model with a fixed one",
        )
    profile = builder.create_optimization_profile()
    for put in dynamic:
        shape = tuple(put.shape)
        if -1 in shape[1:]:
            raise BadInput(
                f"the model's input {put.name!r} is dynamic beyond its batch: {shape}",
                "export it with a fixed resolution",
            )
        low, best, high = ((size, *shape[1:]) for size in options.batch)
        profile.set_shape(put.name, low, best, high)
    if config.add_optimization_profile(profile) < 0:
        raise _failed(
            log,
            f"TensorRT refuses the batches {', '.join(map(str, options.batch))}",
            "give other batches, or export the model with a fixed one",
        )


def _monitor(trt: Any, progress: Progress) -> Any:
    """A progress monitor: phases nest, and each has its own number of steps."""

    class Monitor(trt.IProgressMonitor):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self.steps: dict[str, int] = {}
            self.stopped_by: BaseException | None = None

        def phase_start(self, phase: str, parent: str | None, steps: int) -> None:
            self.steps[phase] = steps
            self._tell(phase, 0)

        def step_complete(self, phase: str, step: int) -> bool:
            return self._tell(phase, step + 1)

        def phase_finish(self, phase: str) -> None:
            self._tell(phase, self.steps.get(phase, 0), over=True)

        def _tell(self, phase: str, done: int, over: bool = False) -> bool:
            """Whether to go on. An exception here would be printed and lost: it is kept."""
            if self.stopped_by is None:
                try:
                    share = 1.0 if over else done / max(1, self.steps.get(phase, 1))
                    progress(phase, min(1.0, share))
                # Ctrl-C comes here too: while TensorRT works, Python runs only in this method.
                except BaseException as error:
                    self.stopped_by = error
            return self.stopped_by is None

    return Monitor()


def _silent(phase: str, share: float) -> None:
    """Tell nobody."""


def _failed(log: Any, what: str, cure: str = _MODEL_CURE) -> SgnasError:
    """What the log says went wrong, as an error of the model or of the machine.

    Args:
        log: of the build.
        what: failed.
        cure: of what is no error of the machine.
    """
    reason = errors_of(log).rstrip(".")
    text = f"{what}: {reason}" if reason else what
    if not reason or _ENVIRONMENT.search(reason):
        return EnvironmentProblem(text, "look at the GPU, its driver and its memory: nvidia-smi")
    if "workspace limit" in reason:
        return BadInput(text, "allow a larger workspace")
    return BadInput(text, cure)


def _puts(puts: Any) -> str:
    """Inputs or outputs as a text: `images:FLOAT:1x3x32x32`, comma between."""
    return ",".join(
        f"{put.name}:{put.dtype.name}:{'x'.join(str(size) for size in tuple(put.shape))}"
        for put in puts
    )
