"""TensorRT engines on the first NVIDIA GPU. Not yet run on hardware.

An engine belongs to one TensorRT, platform and GPU: what its manifest says is compared with what is
here before TensorRT sees the file, and as much of it as can be before a GPU is looked for.
"""

from __future__ import annotations

from typing import Any, Final, final

import numpy as np

from sgnas_deploy import artefacts
from sgnas_deploy.errors import BadInput, EnvironmentProblem
from sgnas_deploy.models import ExportFile
from sgnas_deploy.runtime.model import Floats
from sgnas_profilers import cuda
from sgnas_profilers.cuda import Cuda
from sgnas_profilers.trt import load as loading
from sgnas_profilers.trt import plans
from sgnas_profilers.trt.build import platform_name
from sgnas_profilers.trt.load import Runtime

WARNING: Final = (
    f"engines of TensorRT have {artefacts.UNTRIED}; compare its answers with those of the ONNX file"
)
_DTYPES: Final = {"FLOAT": np.float32, "HALF": np.float16}


@final
class TensorRtEngine:
    """An engine, its input and its output bound on the GPU."""

    def __init__(self, gpu: Cuda, engine: Any, name: str) -> None:
        self.name = name
        self._gpu = gpu
        self._engine = engine
        self._context: Any = None
        self._stream = gpu.new_stream()
        self._memory: list[int] = []
        self._open = True
        self._tensors: list[tuple[int, tuple[int, ...], Any]] = []
        try:
            self._context = engine.create_execution_context()
            if self._context is None:
                raise EnvironmentProblem(
                    "TensorRT cannot prepare the engine: too little memory on the GPU",
                    "end other programs there, or export with a smaller batch",
                )
            for index in range(engine.num_io_tensors):
                self._bind(engine.get_tensor_name(index))
            if len(self._tensors) != 2:
                found = len(self._tensors)
                raise BadInput(f"the engine has {found} tensors, not an input and an output")
        except BaseException:
            self.close()
            raise

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
        EnvironmentProblem: no TensorRT, no CUDA, no GPU, or too little memory on it.
        BadInput: the engine is for another device; said without a GPU too, where the manifest,
            the platform and the TensorRT that is installed show it.
    """
    del threads
    from sgnas_profilers.backends import RunOptions
    from sgnas_profilers.backends.tensorrt import TensorRtBackend, deserialise

    manifest = {"plan_sha256": description.artefact_sha256, **description.runtime}
    known = {"platform": platform_name()}
    plans.check_early(artefact, manifest, known)
    runtime = _installed(manifest["flavour"])
    known.update(flavour=runtime.flavour, version=runtime.version)
    plans.check_early(artefact, manifest, known)
    gpu = cuda.load()
    here = TensorRtBackend(runtime.flavour, lambda: gpu, lambda _: runtime).describe(RunOptions(1))
    plans.check(artefact, manifest, here)
    name = f"tensorrt {runtime.version} on {here['gpu']}"
    return TensorRtEngine(gpu, deserialise(runtime, artefact), name)


def _installed(flavour: str) -> Runtime:
    """The TensorRT of that flavour; where it is missing, another, so that it can be named."""
    try:
        return loading.load(flavour)
    except EnvironmentProblem:
        try:
            return loading.load("auto")
        except EnvironmentProblem:
            pass
        raise
