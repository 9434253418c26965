"""Run an engine on given images, to compare its answers. Not yet run on hardware."""

from __future__ import annotations

import struct
from typing import Any, final

from sgnas_profilers.backends.tensorrt import deserialise
from sgnas_profilers.cuda import Cuda
from sgnas_profilers.errors import BadInput, EnvironmentProblem
from sgnas_profilers.trt.load import Runtime


@final
class Runner:
    """An engine of one float32 input and one float32 output.

    Args:
        runtime: the TensorRT that it was built by.
        gpu: where it runs.
        plan: the engine.

    Raises:
        BadInput: it does not load here, or has other inputs or outputs.
        EnvironmentProblem: there is not enough memory.
    """

    def __init__(self, runtime: Runtime, gpu: Cuda, plan: bytes) -> None:
        self._gpu = gpu
        self._engine: Any = deserialise(runtime, plan)
        trt = runtime.module
        puts: dict[str, list[str]] = {"INPUT": [], "OUTPUT": []}
        for index in range(self._engine.num_io_tensors):
            name = self._engine.get_tensor_name(index)
            puts[str(self._engine.get_tensor_mode(name).name)].append(name)
            if self._engine.get_tensor_dtype(name) != trt.float32:
                raise BadInput(f"{name!r} of the engine is not float32")
        if len(puts["INPUT"]) != 1 or len(puts["OUTPUT"]) != 1:
            raise BadInput("the engine has more than one input or output")
        self._input, self._output = puts["INPUT"][0], puts["OUTPUT"][0]
        self._context: Any = self._engine.create_execution_context()
        if self._context is None:
            raise EnvironmentProblem("TensorRT cannot prepare the engine: too little memory")

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the input; -1 where the batch is dynamic."""
        return tuple(self._engine.get_tensor_shape(self._input))

    def run(self, images: bytes, shape: tuple[int, ...]) -> tuple[float, ...]:
        """The output's numbers, row after row.

        Args:
            images: float32, little endian, of that shape.
            shape: (n, channels, height, width), n as the engine has it or within its range.
        """
        gpu, context = self._gpu, self._context
        if -1 in self.shape and not context.set_input_shape(self._input, shape):
            raise BadInput(f"the engine takes no input of the shape {shape}")
        count = 1
        for length in tuple(context.get_tensor_shape(self._output)):
            count *= length
        stream = gpu.new_stream()
        source, result = gpu.allocate(len(images)), gpu.allocate(4 * count)
        try:
            gpu.upload(source, images)
            context.set_tensor_address(self._input, source)
            context.set_tensor_address(self._output, result)
            if not context.execute_async_v3(gpu.stream_handle(stream)):
                raise BadInput("TensorRT cannot run the engine")
            gpu.synchronise(stream)
            return struct.unpack(f"<{count}f", gpu.download(result, 4 * count))
        finally:
            gpu.free(source)
            gpu.free(result)
            gpu.drop(stream)
