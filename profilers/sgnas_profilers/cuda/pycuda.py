"""CUDA by PyCUDA, which has no CUDA graphs. Not yet run on hardware."""

from __future__ import annotations

from typing import Any, Callable, final

from sgnas_profilers.cuda import Cuda, Device, version_text
from sgnas_profilers.errors import EnvironmentProblem


@final
class PyCuda:
    """The first GPU, in its primary context, which TensorRT uses too.

    Args:
        driver: the module `pycuda.driver`, with a context that is current.
        version: of the package.
    """

    graphs = False

    def __init__(self, driver: Any, version: str) -> None:
        self._driver = driver
        self.name = f"pycuda {version}"
        self._memory: dict[int, Any] = {}

    def device(self) -> Device:
        """What GPU it is."""
        gpu = self._driver.Device(0)
        major, minor = gpu.compute_capability()
        return Device(
            name=str(gpu.name()),
            compute_capability=f"{major}.{minor}",
            driver=version_text(int(self._driver.get_driver_version())),
            runtime=".".join(str(part) for part in self._driver.get_version()[:2]),
        )

    def allocate(self, size: int) -> int:
        """Address of device memory."""
        memory = self._call(self._driver.mem_alloc, max(1, size))
        self._memory[int(memory)] = memory
        return int(memory)

    def free(self, address: int) -> None:
        """Give memory back."""
        self._call(self._memory.pop(address).free)

    def upload(self, address: int, data: bytes) -> None:
        """Copy to the device."""
        self._call(self._driver.memcpy_htod, address, data)

    def download(self, address: int, size: int) -> bytes:
        """Copy from the device."""
        data = bytearray(size)
        self._call(self._driver.memcpy_dtoh, data, address)
        return bytes(data)

    def new_stream(self) -> Any:
        """A stream."""
        return self._call(self._driver.Stream)

    def stream_handle(self, stream: Any) -> int:
        """What TensorRT takes for a stream."""
        return int(stream.handle)

    def synchronise(self, stream: Any) -> None:
        """Wait for a stream."""
        self._call(stream.synchronize)

    def new_event(self) -> Any:
        """An event that measures time."""
        return self._call(self._driver.Event)

    def record(self, event: Any, stream: Any) -> None:
        """Note the time when the stream gets there."""
        self._call(event.record, stream)

    def elapsed_s(self, begin: Any, end: Any) -> float:
        """Seconds between two events."""
        return float(self._call(begin.time_till, end)) * 1e-3

    def capture(self, stream: Any, work: Callable[[], None]) -> Any:
        """Refuse: `graphs` is false."""
        raise EnvironmentProblem("PyCUDA has no CUDA graphs", "pip install cuda-bindings")

    def launch(self, graph: Any, stream: Any) -> None:
        """Refuse: `graphs` is false."""
        raise EnvironmentProblem("PyCUDA has no CUDA graphs", "pip install cuda-bindings")

    def drop(self, *handles: Any) -> None:
        """Do nothing: its objects free themselves with their last reference."""

    def _call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return function(*arguments)
        except self._driver.Error as error:
            raise EnvironmentProblem(
                f"CUDA failed: {_first_line(error)}",
                "look at the GPU, its driver and its memory: nvidia-smi",
            ) from error


def cuda() -> Cuda:
    """Return the implementation of this file.

    Raises:
        EnvironmentProblem: not installed, or no GPU.
    """
    try:
        import pycuda
        import pycuda.autoprimaryctx
        import pycuda.driver
    except Exception as error:  # without a GPU it raises exceptions of its own kind
        raise EnvironmentProblem(f"pycuda: {_first_line(error)}") from error
    return PyCuda(pycuda.driver, str(getattr(pycuda, "VERSION_TEXT", "?")))


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
