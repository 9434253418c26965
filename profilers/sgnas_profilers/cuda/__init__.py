"""The little of CUDA that timing an engine needs, behind one interface.

An implementation is one file here: `cuda_bindings` (NVIDIA's own, with CUDA graphs) is tried first,
then `pycuda` (without graphs: it has no interface for them). Neither has yet run on hardware.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any, Callable, Protocol, cast

from sgnas_profilers.errors import EnvironmentProblem

IMPLEMENTATIONS = ("cuda_bindings", "pycuda")
"""In the order in which they are tried."""

_CURE = (
    "on a machine with an NVIDIA GPU and its driver: pip install cuda-bindings "
    "(the major version of the driver's CUDA), or: pip install 'sgnas-deploy[tensorrt]'"
)


@dataclass(frozen=True)
class Device:
    """A GPU and what drives it.

    Attributes:
        name: as the driver calls it.
        compute_capability: such as `8.7`.
        driver: newest CUDA that the driver knows, such as `12.6`.
        runtime: CUDA of the library that calls it.
    """

    name: str
    compute_capability: str
    driver: str
    runtime: str


class Cuda(Protocol):
    """One GPU, the first. Streams, events and graphs are handles that only their maker reads.

    Every method raises `EnvironmentProblem` when CUDA reports an error.
    """

    name: str
    """Library and version."""

    graphs: bool
    """Whether `capture` and `launch` work."""

    def device(self) -> Device:
        """What GPU it is."""

    def allocate(self, size: int) -> int:
        """Address of `size` bytes of device memory."""

    def free(self, address: int) -> None:
        """Give memory back."""

    def upload(self, address: int, data: bytes) -> None:
        """Copy to the device, and wait for it."""

    def download(self, address: int, size: int) -> bytes:
        """Copy from the device, and wait for it."""

    def new_stream(self) -> Any:
        """A stream of its own; `stream_handle` makes a number of it."""

    def stream_handle(self, stream: Any) -> int:
        """What TensorRT takes for a stream."""

    def synchronise(self, stream: Any) -> None:
        """Wait for all work of a stream."""

    def new_event(self) -> Any:
        """An event that measures time."""

    def record(self, event: Any, stream: Any) -> None:
        """Let the stream note the time when it gets there."""

    def elapsed_s(self, begin: Any, end: Any) -> float:
        """Seconds between two events that have passed."""

    def capture(self, stream: Any, work: Callable[[], None]) -> Any:
        """A graph of what `work` puts into the stream; nothing of it is executed."""

    def launch(self, graph: Any, stream: Any) -> None:
        """Put a graph into a stream."""

    def drop(self, *handles: Any) -> None:
        """Destroy streams, events and graphs."""


def load() -> Cuda:
    """The first implementation that is installed and finds a GPU.

    Raises:
        EnvironmentProblem: none does; the message tells all that was tried.
    """
    tried = []
    for name in IMPLEMENTATIONS:
        try:
            return cast(Cuda, importlib.import_module(f"{__name__}.{name}").cuda())
        except EnvironmentProblem as error:  # noqa: PERF203 - two rounds at most
            tried.append(error.message)
    raise EnvironmentProblem(f"CUDA cannot be used ({'; '.join(tried)})", _CURE)


def version_text(number: int) -> str:
    """CUDA's version number as a text: 12060 is `12.6`."""
    return f"{number // 1000}.{number % 1000 // 10}"
