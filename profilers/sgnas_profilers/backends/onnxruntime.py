"""ONNX Runtime on the CPU.

Inputs and outputs are bound once (I/O binding), so that a run is the call that a deployed program
would make: no copy of inputs, no allocation of outputs. Denormal numbers are flushed to zero: they
slow a convolution down many times, and a trained network has next to none. ONNX Runtime
1.32 sets this for the calling thread with the *first* session of a process only; the agent, which
opens nothing else, is therefore the place to measure, and reports whether it held.
"""

from __future__ import annotations

import re
from itertools import repeat
from typing import Any, final

from sgnas_profilers.backends import Backend, RunOptions, Session
from sgnas_profilers.errors import BadInput, EnvironmentProblem
from sgnas_profilers.timing import Clock

_PROVIDER = "CPUExecutionProvider"
_CONFIG = {
    "session.set_denormal_as_zero": "1",
    # Idle threads wait for work in a busy loop; without it a small network on two
    # threads took twice as long (1.5 instead of 0.75 ms).
    "session.intra_op.allow_spinning": "1",
}
_ELEMENT_TYPES = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(double)": "float64",
    "tensor(int8)": "int8",
    "tensor(uint8)": "uint8",
    "tensor(int32)": "int32",
    "tensor(int64)": "int64",
    "tensor(bool)": "bool",
}
_LOG_ERRORS_ONLY = 3


@final
class OnnxRuntimeSession:
    """A session with all inputs and outputs bound."""

    def __init__(self, session: Any, binding: Any, values: list[Any]) -> None:
        self._session = session
        self._binding = binding
        # The binding does not keep the arrays alive by itself.
        self._values = values

    def time_s(self, loops: int, clock: Clock) -> float:
        """Seconds that `loops` consecutive runs took together."""
        run = self._session.run_with_iobinding
        binding = self._binding
        try:
            begin_ns = clock.now_ns()
            for _ in repeat(None, loops):
                run(binding)
            return (clock.now_ns() - begin_ns) * 1e-9
        except Exception as error:  # the runtime's exceptions have no base of their own
            raise BadInput(f"onnxruntime cannot run the model: {_first_line(error)}") from error

    def close(self) -> None:
        """Free the session; the memory goes back with the last reference."""
        self._binding = None
        self._session = None
        self._values = []


@final
class OnnxRuntimeBackend:
    """ONNX Runtime's CPU provider: sequential, all graph optimisations, one inter-op thread."""

    def describe(self, options: RunOptions) -> dict[str, str]:
        """Version and every session option that is not the runtime's own default."""
        return {
            "runtime": "onnxruntime",
            "version": str(_runtime().__version__),
            "provider": _PROVIDER,
            "threads": str(options.threads),
            "inter_op_threads": "1",
            "execution_mode": "sequential",
            "graph_optimisation": "all",
            "io_binding": "1",
            **_CONFIG,
        }

    def open(self, model: bytes, options: RunOptions) -> Session:
        """Load a model, fill its inputs and bind them."""
        runtime = _runtime()
        settings = runtime.SessionOptions()
        settings.intra_op_num_threads = options.threads
        settings.inter_op_num_threads = 1
        settings.execution_mode = runtime.ExecutionMode.ORT_SEQUENTIAL
        settings.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_ENABLE_ALL
        settings.log_severity_level = _LOG_ERRORS_ONLY
        for key, value in _CONFIG.items():
            settings.add_session_config_entry(key, value)
        try:
            session = runtime.InferenceSession(model, settings, providers=[_PROVIDER])
        except Exception as error:  # the runtime's exceptions have no base of their own
            raise BadInput(
                f"onnxruntime cannot open the model: {_first_line(error)}",
                "export the model anew, or update onnxruntime if the model is newer than it",
            ) from error
        binding = session.io_binding()
        values = []
        for put in session.get_inputs():
            values.append(_input_value(runtime, put))
            binding.bind_ortvalue_input(put.name, values[-1])
        for put in session.get_outputs():
            if _is_fixed(put.shape) and put.type in _ELEMENT_TYPES:
                values.append(_output_value(runtime, put))
                binding.bind_ortvalue_output(put.name, values[-1])
            else:
                # A shape that depends on the data: the runtime allocates it in every run.
                binding.bind_output(put.name)
        return OnnxRuntimeSession(session, binding, values)


def backend() -> Backend:
    """Return the backend of this file."""
    return OnnxRuntimeBackend()


def _runtime() -> Any:
    """Import onnxruntime now, or say how to get it."""
    try:
        import onnxruntime
    except (ImportError, OSError) as error:
        raise EnvironmentProblem(
            f"onnxruntime cannot be imported: {_first_line(error)}",
            "pip install 'sgnas-deploy[cpu]'",
        ) from error
    return onnxruntime


def _input_value(runtime: Any, put: Any) -> Any:
    """Fill an input as a normalised image or feature map looks: mean 0, deviation 1, no zeros."""
    import numpy

    if not _is_fixed(put.shape):
        raise BadInput(
            f"the model's input {put.name!r} has no fixed shape: {list(put.shape)}",
            "export it with a fixed batch and resolution",
        )
    if put.type not in _ELEMENT_TYPES:
        raise BadInput(
            f"the model's input {put.name!r} is a {put.type}, which cannot be filled",
            f"use one of: {', '.join(sorted(_ELEMENT_TYPES))}",
        )
    kind = numpy.dtype(_ELEMENT_TYPES[put.type])
    if kind.kind == "f":
        # RandomState, because its stream is the same in every version of numpy.
        values = numpy.random.RandomState(0).standard_normal(put.shape)
        # Also keeps float16 away from its denormals.
        values = numpy.where(numpy.abs(values) < 1e-3, 1e-3, values).astype(kind)
    elif kind.itemsize == 1 and kind.kind in "iu":
        # The activations of a quantised network.
        values = numpy.random.RandomState(0).randint(1, 128, put.shape).astype(kind)
    else:
        # One is a valid index, class and flag more often than any other number.
        values = numpy.ones(put.shape, kind)
    return runtime.OrtValue.ortvalue_from_numpy(values)


def _output_value(runtime: Any, put: Any) -> Any:
    """Allocate an output of fixed shape once and for all runs."""
    import numpy

    kind = numpy.dtype(_ELEMENT_TYPES[put.type])
    return runtime.OrtValue.ortvalue_from_shape_and_type(put.shape, kind)


def _is_fixed(shape: list[object]) -> bool:
    """Whether every dimension is a number, not a name or unknown."""
    return all(isinstance(size, int) and size >= 0 for size in shape)


def _first_line(error: BaseException) -> str:
    """Return the first line of an error's text, without the runtime's codes and a full stop."""
    text = re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ", "", str(error).strip())
    lines = text.splitlines() or [type(error).__name__]
    return lines[0].strip().rstrip(".")
