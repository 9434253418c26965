"""A `tensorrt` in the shape of 10.3, as far as our code calls it: no FP16 flag is ever named, there
is no `ComputeCapability`, and `HardwareCompatibilityLevel` has two levels only. What it parses is a
real ONNX file; what it builds is a text."""

from __future__ import annotations

import enum
import json
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import onnx

from sgnas_profilers.trt.load import Runtime
from tests.tensorrt.fake_cuda import FakeCuda

LayerType = enum.Enum("LayerType", "CONVOLUTION DECONVOLUTION MATRIX_MULTIPLY SHUFFLE CAST "
                      "IDENTITY DEQUANTIZE QUANTIZE ELEMENTWISE")  # fmt: skip
Severity = enum.Enum("Severity", "INTERNAL_ERROR ERROR WARNING INFO VERBOSE")
Kind = enum.Enum("Kind", "FLOAT HALF INT8 INT32 INT64 DOUBLE")
Mode = enum.Enum("Mode", "INPUT OUTPUT")
_KINDS = {1: Kind.FLOAT, 10: Kind.HALF, 3: Kind.INT8, 6: Kind.INT32, 7: Kind.INT64}
_OPERATORS = {
    "Conv": LayerType.CONVOLUTION,
    "Gemm": LayerType.MATRIX_MULTIPLY,
    "MatMul": LayerType.MATRIX_MULTIPLY,
    "QuantizeLinear": LayerType.QUANTIZE,
    "DequantizeLinear": LayerType.DEQUANTIZE,
    "Cast": LayerType.CAST,
}


class ILogger:
    Severity = Severity


class Tensor(SimpleNamespace):
    name: str
    dtype: Kind
    shape: tuple[int, ...]


class Layer:
    def __init__(
        self, name: str, kind: LayerType, inputs: Sequence[Tensor], outputs: Sequence[Tensor]
    ) -> None:
        self.name = name
        self.type = kind
        self._inputs, self._outputs = inputs, outputs
        self.num_outputs = len(outputs)

    def get_input(self, index: int) -> Tensor:
        return self._inputs[index]

    def get_output(self, index: int) -> Tensor:
        return self._outputs[index]


class Network:
    def __init__(self) -> None:
        self.layers: list[Layer] = []
        self.inputs: list[Tensor] = []
        self.outputs: list[Tensor] = []
        self.model = b""

    @property
    def num_layers(self) -> int:
        return len(self.layers)

    @property
    def num_inputs(self) -> int:
        return len(self.inputs)

    @property
    def num_outputs(self) -> int:
        return len(self.outputs)

    def get_layer(self, index: int) -> Layer:
        return self.layers[index]

    def get_input(self, index: int) -> Tensor:
        return self.inputs[index]

    def get_output(self, index: int) -> Tensor:
        return self.outputs[index]


class IProgressMonitor:
    pass


class Config:
    def __init__(self, refuse_profile: Callable[[], None] | None = None) -> None:
        self._refuse_profile = refuse_profile
        self.set: dict[str, Any] = {}
        self.progress_monitor: Any = None
        self.profiling_verbosity: Any = None
        self.builder_optimization_level = 3
        self.hardware_compatibility_level: Any = None
        self.cache: Any = None

    def get_flag(self, flag: object) -> bool:
        return True

    def set_memory_pool_limit(self, pool: object, size: int) -> None:
        self.set["workspace"] = size

    def create_timing_cache(self, data: bytes) -> Any:
        return SimpleNamespace(serialize=lambda: data + b"learnt;")

    def set_timing_cache(self, cache: Any, ignore_mismatch: bool) -> None:
        assert not ignore_mismatch
        self.cache = cache

    def get_timing_cache(self) -> Any:
        return self.cache

    def add_optimization_profile(self, profile: Any) -> int:
        self.set["profile"] = profile.shapes
        if self._refuse_profile is None:
            return 0
        self._refuse_profile()
        return -1


class Profile:
    def __init__(self) -> None:
        self.shapes: dict[str, Any] = {}

    def set_shape(self, name: str, low: object, best: object, high: object) -> None:
        self.shapes[name] = (low, best, high)


class Engine:
    """Describes itself by the plan's own text."""

    def __init__(self, trt: Any, plan: bytes) -> None:
        self._trt = trt
        told = json.loads(plan)
        self._puts = [*told["inputs"], *told["outputs"]]
        self._outputs = len(told["outputs"])
        self.layers = told["layers"]
        self.num_io_tensors = len(self._puts)

    def get_tensor_name(self, index: int) -> str:
        return str(self._puts[index][0])

    def _put(self, name: str) -> Any:
        return next(put for put in self._puts if put[0] == name)

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return tuple(self._put(name)[2])

    def get_tensor_dtype(self, name: str) -> Kind:
        return Kind[self._put(name)[1]]

    def get_tensor_mode(self, name: str) -> Mode:
        inputs = len(self._puts) - self._outputs
        return Mode.INPUT if self._puts.index(self._put(name)) < inputs else Mode.OUTPUT

    def create_execution_context(self) -> Any:
        return Context(self._trt.gpu, self) if self._trt.room else None

    def create_engine_inspector(self) -> Any:
        return SimpleNamespace(get_engine_information=lambda kind: json.dumps(self.layers))


class Context:
    def __init__(self, gpu: FakeCuda, engine: Engine) -> None:
        self._gpu, self._engine = gpu, engine
        self.addresses: dict[str, int] = {}
        self._shapes: dict[str, tuple[int, ...]] = {}

    def set_tensor_address(self, name: str, address: int) -> bool:
        self.addresses[name] = address
        return True

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        self._shapes[name] = shape
        return True

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        batch = next((shape[0] for shape in self._shapes.values()), 1)
        shape = self._engine.get_tensor_shape(name)
        return (batch, *shape[1:]) if shape[0] == -1 else shape

    def execute_async_v3(self, stream: int) -> bool:
        assert len(self.addresses) == self._engine.num_io_tensors, "bound before it runs"
        self._gpu.enqueue()
        return True


class FakeTrt:
    """The module. `said` is put into the log by a build that fails; `inspected` is the type that
    the inspector tells of every convolution, whatever was asked for; with `profiles` off a range of
    batches is refused."""

    def __init__(self, gpu: FakeCuda | None = None) -> None:
        self.gpu = gpu or FakeCuda()
        self.said: list[str] = []
        self.inspected: str | None = None
        self.profiles = True
        self.room = True
        self.builds = self.loads = 0
        self.configs: list[Config] = []
        self.__version__ = "10.3.0.26"
        self.ILogger = ILogger
        self.IProgressMonitor = IProgressMonitor
        self.LayerType = LayerType
        self.float32 = Kind.FLOAT
        self.NetworkDefinitionCreationFlag = SimpleNamespace(EXPLICIT_BATCH=0, STRONGLY_TYPED=1)
        self.ProfilingVerbosity = SimpleNamespace(DETAILED="detailed")
        self.MemoryPoolType = SimpleNamespace(WORKSPACE="workspace")
        self.BuilderFlag = SimpleNamespace(TF32="tf32")
        self.HardwareCompatibilityLevel = SimpleNamespace(NONE="none", AMPERE_PLUS="ampere+")
        self.LayerInformationFormat = SimpleNamespace(JSON="json")

    def runtime(self, flavour: str = "auto") -> Runtime:
        """As `trt.load.load` finds it."""
        return Runtime(self, "tensorrt", self.__version__)

    def Builder(self, log: Any) -> Any:
        def create_network(flags: int) -> Network:
            assert flags == 1 << 1, "strongly typed, and nothing else"
            return Network()

        def create_builder_config() -> Config:
            def refuse() -> None:
                log.log(Severity.ERROR, "Invalid optimization profiles for input tensors images.")

            self.configs.append(Config(None if self.profiles else refuse))
            return self.configs[-1]

        return SimpleNamespace(
            create_network=create_network,
            create_builder_config=create_builder_config,
            create_optimization_profile=Profile,
            build_serialized_network=lambda network, config: self._build(network, config, log),
        )

    def OnnxParser(self, network: Network, log: Any) -> Any:
        def parse(model: bytes, path: str = "") -> bool:
            proto = onnx.load_from_string(model)
            proto = onnx.shape_inference.infer_shapes(proto)
            graph = proto.graph
            kinds = {tensor.name: _KINDS[tensor.data_type] for tensor in graph.initializer}
            for value in (*graph.value_info, *graph.input, *graph.output):
                kinds[value.name] = _KINDS[value.type.tensor_type.elem_type]
            network.inputs = [_tensor(put) for put in graph.input if put.name not in
                              {tensor.name for tensor in graph.initializer}]  # fmt: skip
            network.outputs = [_tensor(put) for put in graph.output]
            network.layers = [
                Layer(
                    node.name,
                    _OPERATORS.get(node.op_type, LayerType.ELEMENTWISE),
                    [Tensor(name=name, dtype=kinds[name]) for name in node.input],
                    [Tensor(name=name, dtype=kinds.get(name)) for name in node.output],
                )
                for node in graph.node
            ]
            return True

        return SimpleNamespace(parse=parse)

    def Runtime(self, log: Any) -> Any:
        def deserialize_cuda_engine(plan: bytes) -> Engine | None:
            self.loads += 1
            if not plan.startswith(b"{"):
                log.log(Severity.ERROR, "The engine plan file is not compatible.")
                return None
            return Engine(self, plan)

        return SimpleNamespace(deserialize_cuda_engine=deserialize_cuda_engine)

    def _build(self, network: Network, config: Config, log: Any) -> bytes | None:
        self.builds += 1
        for line in self.said:
            log.log(Severity.ERROR, line)
        monitor = config.progress_monitor
        monitor.phase_start("Building", None, 2)
        for step in range(2):
            monitor.phase_start("Tactics", "Building", 10)
            if not all(monitor.step_complete("Tactics", i) for i in range(10)):
                return None
            monitor.phase_finish("Tactics")
            if not monitor.step_complete("Building", step):
                return None
        monitor.phase_finish("Building")
        if self.said:
            return None

        def told(puts: list[Tensor]) -> list[Any]:
            return [(put.name, put.dtype.name, put.shape) for put in puts]

        quantised = {
            layer.get_output(0).name
            for layer in network.layers
            if layer.type == LayerType.DEQUANTIZE
        }
        layers = []
        for layer in network.layers:
            if layer.type in (LayerType.CONVOLUTION, LayerType.MATRIX_MULTIPLY):
                source = layer.get_input(0)
                kind = {"FLOAT": "FP32", "HALF": "FP16"}[source.dtype.name]
                kind = self.inspected or ("Int8" if source.name in quantised else kind)
                copy = f"Reformatting CopyNode for Input Tensor 0 to {layer.name or 'conv'}"
                layers += [_told(copy, "Reformat", "FP32"), _told(f"{layer.name} + relu",
                           "CaskConvolution", kind)]  # fmt: skip
        text = {
            "inputs": told(network.inputs),
            "outputs": told(network.outputs),
            "layers": {"Layers": [*layers, "reformat"], "Bindings": ["x"]},
        }
        return json.dumps(text).encode()


def _told(name: str, kind: str, precision: str) -> dict[str, Any]:
    """A layer as the inspector tells it."""
    source = {"Name": "x", "Format/Datatype": f"Row major linear {precision} format"}
    return {"Name": name, "LayerType": kind, "Inputs": [source]}


def _tensor(value: onnx.ValueInfoProto) -> Tensor:
    kind = value.type.tensor_type
    shape = tuple(d.dim_value if d.HasField("dim_value") else -1 for d in kind.shape.dim)
    return Tensor(name=value.name, dtype=_KINDS[kind.elem_type], shape=shape)
