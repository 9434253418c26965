"""TensorRT through Python, timed by CUDA events. Not yet run on hardware.

An ONNX file is built into an engine when it is opened; a plan is loaded as it is. Addresses are
bound once and the first run is made apart. Then, with the flavour `tensorrt` and a CUDA library
that can, the launch is captured as a CUDA graph and only the graph is timed: it leaves out the
host's launches, as a deployed program would, and as trtexec does. TensorRT for RTX wants its own
strategy for graphs, and is launched without.

A table has one mode. Where a graph cannot be captured the model is refused, with the way to measure
everything without graphs: `SGNAS_CUDA_GRAPHS=0` in the device's environment.
"""

from __future__ import annotations

import os
import random
import struct
from typing import Any, Callable, Mapping, final

from sgnas_profilers import cuda
from sgnas_profilers.backends import Backend, Option, RunOptions, Session
from sgnas_profilers.cuda import Cuda, Device
from sgnas_profilers.errors import BadInput, EnvironmentProblem
from sgnas_profilers.timing import Clock
from sgnas_profilers.trt import audit
from sgnas_profilers.trt import build as builder
from sgnas_profilers.trt.load import Runtime, load
from sgnas_profilers.trt.options import BuildOptions, from_request

GRAPHS_VARIABLE = "SGNAS_CUDA_GRAPHS"
_NO_GRAPHS_CURE = (
    f"measure everything without graphs: set {GRAPHS_VARIABLE}=0 on the device and profile anew"
)
_PATTERN = 4099
"""Length of the random numbers that an input repeats: prime, so that rows do not look alike."""
# By TensorRT's name of a type: bytes of one element, and how it is packed.
_TYPES: Mapping[str, tuple[int, Callable[[float], bytes]]] = {
    "FLOAT": (4, lambda value: struct.pack("<f", value)),
    "HALF": (2, lambda value: struct.pack("<e", value)),
    "BF16": (2, lambda value: struct.pack("<f", value)[2:]),
    "INT8": (1, lambda value: b"\1"),
    "UINT8": (1, lambda value: b"\1"),
    "BOOL": (1, lambda value: b"\1"),
    "INT32": (4, lambda value: struct.pack("<i", 1)),
    "INT64": (8, lambda value: struct.pack("<q", 1)),
}


@final
class TensorRtSession:
    """An engine with its inputs and outputs bound on the GPU."""

    def __init__(self, gpu: Cuda, engine: Any, graphs: bool) -> None:
        self._gpu = gpu
        self._engine = engine
        self._memory: list[int] = []
        self._graph: Any = None
        self._stream = gpu.new_stream()
        self._begin, self._end = gpu.new_event(), gpu.new_event()
        self._context: Any = None
        self._open = True
        try:
            self._context = engine.create_execution_context()
            if self._context is None:
                raise EnvironmentProblem(
                    "TensorRT cannot prepare the engine: too little memory on the GPU",
                    "end other programs there, or choose a smaller batch or resolution",
                )
            self._bind()
            self._enqueue()  # initialises lazily: before a capture, and before any timing
            gpu.synchronise(self._stream)
            if graphs:
                self._capture()
        except BaseException:
            self.close()
            raise

    def time_s(self, loops: int, clock: Clock) -> float:
        """Seconds that `loops` runs took on the GPU, by events before and after them.

        The clock is not read: it would add the host's part.
        """
        gpu, stream = self._gpu, self._stream
        gpu.record(self._begin, stream)
        if self._graph is not None:
            for _ in range(loops):
                gpu.launch(self._graph, stream)
        else:
            for _ in range(loops):
                self._enqueue()
        gpu.record(self._end, stream)
        gpu.synchronise(stream)
        return gpu.elapsed_s(self._begin, self._end)

    def close(self) -> None:
        """Free what is on the GPU."""
        if not self._open:
            return
        self._open = False
        if self._graph is not None:
            self._gpu.drop(self._graph)
        self._context = None
        self._engine = None
        for address in self._memory:
            self._gpu.free(address)
        self._memory = []
        self._gpu.drop(self._begin, self._end, self._stream)

    def _bind(self) -> None:
        for index in range(self._engine.num_io_tensors):
            name = self._engine.get_tensor_name(index)
            shape = tuple(self._engine.get_tensor_shape(name))
            kind = str(self._engine.get_tensor_dtype(name).name)
            if -1 in shape:
                raise BadInput(
                    f"the model's input {name!r} has no fixed shape: {list(shape)}",
                    "export it with a fixed batch and resolution",
                )
            if kind not in _TYPES:
                raise BadInput(f"the model's input {name!r} is {kind}, which cannot be filled")
            data = values(kind, shape)
            self._memory.append(self._gpu.allocate(len(data)))
            # Outputs too: an engine that reads what it has not written finds no odd numbers.
            self._gpu.upload(self._memory[-1], data)
            self._context.set_tensor_address(name, self._memory[-1])

    def _enqueue(self) -> None:
        if not self._context.execute_async_v3(self._gpu.stream_handle(self._stream)):
            raise BadInput("TensorRT cannot run the model", "export the model anew")

    def _capture(self) -> None:
        try:
            self._graph = self._gpu.capture(self._stream, self._enqueue)
        except (BadInput, EnvironmentProblem) as error:
            raise BadInput(
                f"no CUDA graph of the model can be captured ({error.message})", _NO_GRAPHS_CURE
            ) from error


@final
class TensorRtBackend:
    """Builds and runs engines on the first GPU.

    Args:
        flavour: which TensorRT, of `trt.load.FLAVOURS`.
        load_cuda: finds CUDA; tests give a fake.
        load_trt: finds TensorRT; tests give a fake.
    """

    artefacts = ("onnx", "plan")

    def __init__(
        self,
        flavour: str = "auto",
        load_cuda: Callable[[], Cuda] = cuda.load,
        load_trt: Callable[[str], Runtime] = load,
    ) -> None:
        self._flavour = flavour
        self._load_cuda = load_cuda
        self._load_trt = load_trt
        self._found: tuple[Runtime, Cuda, Device] | None = None
        # What builds have learnt about kernels; a table of hundreds of blocks shares it.
        self._timing_cache = b""

    def describe(self, options: RunOptions) -> dict[str, str]:
        """Versions, GPU, and how it is timed."""
        runtime, gpu, device = self._here()
        return {
            "runtime": {"tensorrt": "tensorrt", "rtx": "tensorrt-rtx"}[runtime.flavour],
            "version": runtime.version,
            "provider": "CUDA",
            "threads": str(options.threads),
            "flavour": runtime.flavour,
            "platform": builder.platform_name(),
            "gpu": device.name,
            "compute_capability": device.compute_capability,
            "cuda_driver": device.driver,
            "cuda_runtime": device.runtime,
            "cuda_library": gpu.name,
            "mode": "graph" if self._graphs(runtime, gpu) else "enqueue",
            "timing": "cuda-events",
            "caches": "warm",
            "strongly_typed": "1",
            "tf32": "allowed",  # TensorRT's own default, which we leave
        }

    def open(self, model: bytes, options: RunOptions) -> Session:
        """Build or load an engine and bind it."""
        runtime, gpu, device = self._here()
        plan = model
        if options.artefact == "onnx":
            engine = builder.build(
                model, timing_cache=self._timing_cache, device=_facts(device), runtime=runtime
            )
            self._timing_cache = engine.timing_cache
            plan = engine.plan
        return TensorRtSession(gpu, deserialise(runtime, plan), self._graphs(runtime, gpu))

    def build(
        self,
        model: bytes,
        options: Mapping[str, Option],
        progress: Callable[[str, float], None],
    ) -> tuple[bytes, dict[str, str]]:
        """Build an engine for this GPU, load it, and look at what it became.

        Options are the fields of `trt.options.BuildOptions`. An engine that is not in the precision
        asked for is refused.
        """
        wanted = from_request(options)
        runtime, _, device = self._here(wanted)
        engine = builder.build(
            model,
            wanted,
            progress,
            timing_cache=self._timing_cache,
            device=_facts(device),
            runtime=runtime,
        )
        self._timing_cache = engine.timing_cache
        return engine.plan, {
            **engine.facts,
            "engine_audit": audited(runtime, engine, wanted.precision),
        }

    def _here(self, wanted: BuildOptions | None = None) -> tuple[Runtime, Cuda, Device]:
        """TensorRT, CUDA and the GPU; found once."""
        flavour = self._flavour
        if wanted is not None and wanted.flavour != "auto":
            flavour = wanted.flavour
        if self._found is None or flavour not in ("auto", self._found[0].flavour):
            runtime = self._load_trt(flavour)
            gpu = self._load_cuda()
            self._found = (runtime, gpu, gpu.device())
        return self._found

    def _graphs(self, runtime: Runtime, gpu: Cuda) -> bool:
        return (
            gpu.graphs
            and runtime.flavour == "tensorrt"
            and os.environ.get(GRAPHS_VARIABLE, "1") != "0"
        )


def backend() -> Backend:
    """Return the backend of this file."""
    return TensorRtBackend()


def deserialise(runtime: Runtime, plan: bytes) -> Any:
    """Load an engine.

    Raises:
        BadInput: it is damaged, or for another GPU or version.
        EnvironmentProblem: there is not enough memory.
    """
    trt = runtime.module
    log = builder.logger(trt)
    # The engine needs its runtime; TensorRT's objects hold on to what they need.
    engine = trt.Runtime(log).deserialize_cuda_engine(plan)
    if engine is None:
        reason = builder.errors_of(log).rstrip(".") or "no reason given"
        if "memory" in reason.lower():
            raise EnvironmentProblem(
                f"TensorRT cannot load the engine: {reason}", "end other programs on the GPU"
            )
        raise BadInput(
            f"TensorRT cannot load the engine: {reason}",
            "build it anew for this device: sgnas export --format tensorrt --device NAME",
        )
    return engine


def values(kind: str, shape: tuple[int, ...]) -> bytes:
    """Numbers as a normalised image or feature map has them: mean 0, deviation 1, no zeros.

    Args:
        kind: TensorRT's name of the element type; integers are all one.
        shape: of the tensor.

    Returns:
        The tensor's bytes, the same each time.
    """
    size, pack = _TYPES[kind]
    count = 1
    for length in shape:
        count *= length
    numbers = random.Random(0)
    drawn = [numbers.gauss(0, 1) for _ in range(min(_PATTERN, count))]
    # Far from the denormals of half precision.
    pattern = b"".join(pack(value if abs(value) >= 1e-3 else 1e-3) for value in drawn)
    repeats = -(-count * size // max(1, len(pattern)))
    return (pattern * repeats)[: count * size]


def _facts(device: Device) -> dict[str, str]:
    return {"gpu": device.name, "compute_capability": device.compute_capability}


def inspect(runtime: Runtime, plan: bytes) -> audit.Audit:
    """The engine's own account of its precision. Needs its GPU; not yet run on hardware.

    Raises:
        ValueError: the inspector's words cannot be read.
        BadInput: the engine does not load.
        EnvironmentProblem: there is not enough memory.
    """
    trt = runtime.module
    inspector = deserialise(runtime, plan).create_engine_inspector()
    return audit.of_engine(inspector.get_engine_information(trt.LayerInformationFormat.JSON))


def audited(runtime: Runtime, engine: builder.Engine, precision: str | None) -> str:
    """What the inspector finds in an engine, after it was checked, for the facts.

    Args:
        runtime: the TensorRT that it was built by.
        engine: of this GPU.
        precision: that was asked for; None where none was.

    Returns:
        Counts by precision; or why there are none, which refuses nothing.

    Raises:
        BadInput: the engine is in another precision, or does not load.
        EnvironmentProblem: there is not enough memory.
    """
    try:
        found = inspect(runtime, engine.plan)
    except ValueError as error:
        return f"not readable: {error}"
    if precision is not None:
        audit.check_engine(found, engine.audit, precision)
    unseen = found.counts.get(audit.UNKNOWN, 0)
    if unseen or not found.layers:
        return f"{found}; the types of {unseen or 'all'} are not shown"
    return str(found)
