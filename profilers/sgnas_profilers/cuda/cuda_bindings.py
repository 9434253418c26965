"""CUDA by `cuda.bindings.runtime`, NVIDIA's own. Not yet run on hardware."""

from __future__ import annotations

from typing import Any, Callable, final

from sgnas_profilers.cuda import Cuda, Device, version_text
from sgnas_profilers.errors import EnvironmentProblem


@final
class CudaBindings:
    """The first GPU, by the CUDA runtime.

    Args:
        runtime: the module `cuda.bindings.runtime`.
        version: of the package.
    """

    graphs = True

    def __init__(self, runtime: Any, version: str) -> None:
        self._cuda = runtime
        self.name = f"cuda-bindings {version}"
        self._kinds: dict[int, Any] = {}

    def device(self) -> Device:
        """What GPU it is."""
        properties = self._call("cudaGetDeviceProperties", 0)
        name = properties.name
        return Device(
            name=(name.decode() if isinstance(name, bytes) else str(name)).strip("\0 "),
            compute_capability=f"{properties.major}.{properties.minor}",
            driver=version_text(int(self._call("cudaDriverGetVersion"))),
            runtime=version_text(int(self._call("cudaRuntimeGetVersion"))),
        )

    def allocate(self, size: int) -> int:
        """Address of device memory."""
        return int(self._call("cudaMalloc", max(1, size)))

    def free(self, address: int) -> None:
        """Give memory back."""
        self._call("cudaFree", address)

    def upload(self, address: int, data: bytes) -> None:
        """Copy to the device."""
        kind = self._cuda.cudaMemcpyKind.cudaMemcpyHostToDevice
        self._call("cudaMemcpy", address, data, len(data), kind)

    def download(self, address: int, size: int) -> bytes:
        """Copy from the device."""
        import ctypes

        data = ctypes.create_string_buffer(size)
        kind = self._cuda.cudaMemcpyKind.cudaMemcpyDeviceToHost
        self._call("cudaMemcpy", ctypes.addressof(data), address, size, kind)
        return data.raw

    def new_stream(self) -> Any:
        """A stream that does not wait for the default one."""
        return self._made(
            "cudaStreamDestroy",
            self._call("cudaStreamCreateWithFlags", self._cuda.cudaStreamNonBlocking),
        )

    def stream_handle(self, stream: Any) -> int:
        """What TensorRT takes for a stream."""
        return int(stream)

    def synchronise(self, stream: Any) -> None:
        """Wait for a stream."""
        self._call("cudaStreamSynchronize", stream)

    def new_event(self) -> Any:
        """An event that measures time."""
        return self._made("cudaEventDestroy", self._call("cudaEventCreate"))

    def record(self, event: Any, stream: Any) -> None:
        """Note the time when the stream gets there."""
        self._call("cudaEventRecord", event, stream)

    def elapsed_s(self, begin: Any, end: Any) -> float:
        """Seconds between two events."""
        return float(self._call("cudaEventElapsedTime", begin, end)) * 1e-3

    def capture(self, stream: Any, work: Callable[[], None]) -> Any:
        """A graph of what `work` puts into the stream."""
        mode = self._cuda.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
        self._call("cudaStreamBeginCapture", stream, mode)
        try:
            work()
        finally:
            # Always, or the stream stays in capture and is lost.
            ended = self._cuda.cudaStreamEndCapture(stream)
        graph = self._checked("cudaStreamEndCapture", ended)
        try:
            return self._made("cudaGraphExecDestroy", self._call("cudaGraphInstantiate", graph, 0))
        finally:
            self._call("cudaGraphDestroy", graph)

    def launch(self, graph: Any, stream: Any) -> None:
        """Put a graph into a stream."""
        self._call("cudaGraphLaunch", graph, stream)

    def drop(self, *handles: Any) -> None:
        """Destroy streams, events and graphs."""
        for handle in handles:
            destroy = self._kinds.pop(id(handle), None)
            if destroy is not None:
                self._call(destroy[0], handle)

    def _made(self, destroy: str, handle: Any) -> Any:
        # The handle is kept too, so that its id stays its own.
        self._kinds[id(handle)] = (destroy, handle)
        return handle

    def _call(self, function: str, *arguments: Any) -> Any:
        return self._checked(function, getattr(self._cuda, function)(*arguments))

    def _checked(self, function: str, result: Any) -> Any:
        """The value of a call: all return a tuple that begins with an error code."""
        code, *values = result
        if int(code) != 0:
            name = getattr(code, "name", str(code))
            raise EnvironmentProblem(
                f"CUDA failed: {function} returned {name}",
                "look at the GPU, its driver and its memory: nvidia-smi",
            )
        return values[0] if values else None


def cuda() -> Cuda:
    """Return the implementation of this file.

    Raises:
        EnvironmentProblem: not installed, or no GPU.
    """
    try:
        import cuda.bindings
        from cuda.bindings import runtime
    except (ImportError, OSError, RuntimeError) as error:
        raise EnvironmentProblem(f"cuda-bindings: {_first_line(error)}") from error
    try:
        # The clean probe: without a driver it returns an error, and raises nothing.
        code, count = runtime.cudaGetDeviceCount()
    except Exception as error:  # a driver library that cannot be loaded has its own exceptions
        raise EnvironmentProblem(f"cuda-bindings: {_first_line(error)}") from error
    if int(code) != 0 or not count:
        why = getattr(code, "name", str(code)) if int(code) else "there is no GPU"
        raise EnvironmentProblem(f"cuda-bindings: {why}")
    return CudaBindings(runtime, str(getattr(cuda.bindings, "__version__", "?")))


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
