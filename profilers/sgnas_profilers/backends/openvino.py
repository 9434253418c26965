"""OpenVINO on the CPU.

Its defaults are not comparable: by itself it would compute in bfloat16 where the processor can, on
as many threads and streams as it sees fit. So the precision is what the graph says and nothing
below it, one stream, the asked number of threads, and no pinning to cores that another process may
have. Denormal numbers are flushed to zero, as with ONNX Runtime.
"""

from __future__ import annotations

import re
from itertools import repeat
from typing import Any, final

from sgnas_profilers.backends import Backend, RunOptions, Session
from sgnas_profilers.errors import BadInput, EnvironmentProblem
from sgnas_profilers.timing import Clock

_DEVICE = "CPU"
_CONFIG = {
    "PERFORMANCE_HINT": "LATENCY",
    "INFERENCE_PRECISION_HINT": "f32",
    "NUM_STREAMS": "1",
    "ENABLE_CPU_PINNING": "NO",
    "CPU_DENORMALS_OPTIMIZATION": "YES",
    "ENABLE_HYPER_THREADING": "NO",
}


@final
class OpenVinoSession:
    """An infer request with its inputs and outputs bound."""

    def __init__(self, request: Any, values: list[Any]) -> None:
        self._request = request
        # The tensors share the arrays' memory and do not keep them alive.
        self._values = values

    def time_s(self, loops: int, clock: Clock) -> float:
        """Seconds that `loops` consecutive runs took together."""
        infer = self._request.infer
        try:
            begin_ns = clock.now_ns()
            for _ in repeat(None, loops):
                infer(share_inputs=True, share_outputs=True)
            return (clock.now_ns() - begin_ns) * 1e-9
        except Exception as error:  # the runtime's exceptions have no base of their own
            raise BadInput(f"openvino cannot run the model: {_first_line(error)}") from error

    def close(self) -> None:
        """Free the request; the memory goes back with the last reference."""
        self._request = None
        self._values = []


@final
class OpenVinoBackend:
    """OpenVINO's CPU plugin: latency hint, one stream, the precision of the graph."""

    def describe(self, options: RunOptions) -> dict[str, str]:
        """Version and every property that is set."""
        return {
            "runtime": "openvino",
            "version": str(load_runtime().__version__),
            "provider": _DEVICE,
            "threads": str(options.threads),
            "bound": "inputs and outputs",
            **_CONFIG,
        }

    def open(self, model: bytes, options: RunOptions) -> Session:
        """Load a model, fill its inputs and bind them."""
        runtime = load_runtime()
        compiled = compile_model(runtime, model, options.threads)
        request = compiled.create_infer_request()
        values = []
        for i, put in enumerate(compiled.inputs):
            values.append(_input_value(runtime, put))
            request.set_input_tensor(i, values[-1])
        for i, put in enumerate(compiled.outputs):
            if put.partial_shape.is_static:
                values.append(runtime.Tensor(put.element_type, put.shape))
                request.set_output_tensor(i, values[-1])
        return OpenVinoSession(request, values)


def backend() -> Backend:
    """Return the backend of this file."""
    return OpenVinoBackend()


def compile_model(runtime: Any, model: bytes, threads: int) -> Any:
    """Compile an ONNX file for the CPU with this file's properties.

    Raises:
        BadInput: the model is damaged or not supported.
    """
    try:
        core = runtime.Core()
        read = core.read_model(model)
        return core.compile_model(read, _DEVICE, {**_CONFIG, "INFERENCE_NUM_THREADS": threads})
    except Exception as error:  # the runtime's exceptions have no base of their own
        raise BadInput(
            f"openvino cannot open the model: {_first_line(error)}",
            "export the model anew, or update openvino if the model is newer than it",
        ) from error


def load_runtime() -> Any:
    """Import openvino now, or say how to get it."""
    try:
        import openvino
    except (ImportError, OSError) as error:
        raise EnvironmentProblem(
            f"openvino cannot be imported: {_first_line(error)}",
            "pip install 'sgnas-deploy[openvino]'",
        ) from error
    return openvino


def _input_value(runtime: Any, put: Any) -> Any:
    """Fill an input as a normalised image or feature map looks: mean 0, deviation 1, no zeros."""
    import numpy

    name = put.any_name
    if not put.partial_shape.is_static:
        raise BadInput(
            f"the model's input {name!r} has no fixed shape: {put.partial_shape}",
            "export it with a fixed batch and resolution",
        )
    kind = numpy.dtype(put.element_type.to_dtype())
    if kind.kind == "f":
        # RandomState, because its stream is the same in every version of numpy.
        values = numpy.random.RandomState(0).standard_normal(tuple(put.shape))
        # Also keeps float16 away from its denormals.
        values = numpy.where(numpy.abs(values) < 1e-3, 1e-3, values).astype(kind)
    elif kind.itemsize == 1 and kind.kind in "iu":
        values = numpy.random.RandomState(0).randint(1, 128, tuple(put.shape)).astype(kind)
    else:
        values = numpy.ones(tuple(put.shape), kind)
    return runtime.Tensor(values)


def _first_line(error: BaseException) -> str:
    """Return the first line of an error's text that says something, without a full stop."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = [line for line in lines if not re.match(r"(Exception from|Check '|While)", line)]
    return (telling or lines or [type(error).__name__])[0].rstrip(".")
