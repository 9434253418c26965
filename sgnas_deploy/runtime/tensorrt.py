"""TensorRT engines on the first NVIDIA GPU. Not yet run on hardware.

An engine belongs to one TensorRT, platform and GPU: what its manifest says is compared with what is
here before TensorRT sees the file.
"""

from __future__ import annotations

from typing import Any, Final, final

import numpy as np

from sgnas_deploy.errors import BadInput
from sgnas_deploy.models import ExportFile
from sgnas_deploy.runtime.model import Floats
from sgnas_profilers import cuda
from sgnas_profilers.cuda import Cuda
from sgnas_profilers.trt import plans
from sgnas_profilers.trt.load import load

_DTYPES: Final = {"FLOAT": np.float32, "HALF": np.float16}


@final
class TensorRtEngine:
    """An engine, its input and its output bound on the GPU."""

    def __init__(self, gpu: Cuda, engine: Any, name: str) -> None:
        self.name = name
        self._gpu = gpu
        self._engine = engine
        self._context = engine.create_execution_context()
        self._stream = gpu.new_stream()
        self._memory: list[int] = []
        self._open = True
        self._tensors: list[tuple[int, tuple[int, ...], Any]] = []
        try:
            for index in range(engine.num_io_tensors):
                self._bind(engine.get_tensor_name(index))
        except BaseException:
            self.close()
            raise
        if len(self._tensors) != 2:
            self.close()
            found = len(self._tensors)
            raise BadInput(f"the engine has {found} tensors, not an input and an output")

    def run(self, images: Floats) -> Floats:
        """Logits of a batch."""
        (source, shape, dtype), (target, out, kind) = self._tensors
        if images.shape != shape:
            raise BadInput(f"the engine takes a batch of shape {shape}, not {images.shape}")
        self._gpu.upload(source, np.ascontiguousarray(images, dtype).tobytes())
        if not self._context.execute_async_v3(self._gpu.stream_handle(self._stream)):
            raise BadInput("TensorRT cannot run the engine", "make it anew with: sgnas export")
        self._gpu.synchronise(self._stream)
        size = int(np.prod(out)) * np.dtype(kind).itemsize
        found = np.frombuffer(self._gpu.download(target, size), kind).reshape(out)
        return found.astype(np.float32)

    def close(self) -> None:
        """Free what is on the GPU."""
        if not self._open:
            return
        self._open = False
        self._context = None
        self._engine = None
        for address in self._memory:
            self._gpu.free(address)
        self._memory = []
        self._gpu.drop(self._stream)

    def _bind(self, name: str) -> None:
        shape = tuple(int(length) for length in self._engine.get_tensor_shape(name))
        kind = str(self._engine.get_tensor_dtype(name).name)
        if kind not in _DTYPES or -1 in shape:
            raise BadInput(
                f"the engine's tensor {name!r} is {kind} {list(shape)}, which cannot be bound",
                "export it with a fixed batch",
            )
        dtype = _DTYPES[kind]
        address = self._gpu.allocate(int(np.prod(shape)) * np.dtype(dtype).itemsize)
        self._memory.append(address)
        self._context.set_tensor_address(name, address)
        entry = (address, shape, dtype)
        is_input = str(self._engine.get_tensor_mode(name).name) == "INPUT"
        self._tensors.insert(0 if is_input else len(self._tensors), entry)


def open_engine(artefact: bytes, description: ExportFile, threads: int) -> TensorRtEngine:
    """Load an engine that was built for this machine.

    Args:
        artefact: the plan.
        description: its manifest; `runtime` holds what it was built for.
        threads: has no meaning here.

    Raises:
        EnvironmentProblem: no TensorRT, no CUDA, or no GPU.
        BadInput: the engine is for another device, or stale.
    """
    del threads
    from sgnas_profilers.backends import RunOptions
    from sgnas_profilers.backends.tensorrt import TensorRtBackend, deserialise

    flavour = description.runtime.get("flavour", "auto")
    here = TensorRtBackend(flavour).describe(RunOptions(1))
    manifest = {"plan_sha256": description.artefact_sha256, **description.runtime}
    plans.check(artefact, manifest, here)
    runtime = load(flavour)
    name = f"tensorrt {runtime.version} on {here['gpu']}"
    return TensorRtEngine(cuda.load(), deserialise(runtime, artefact), name)
