"""A GPU that computes nothing, keeps its memory in a dictionary, and counts its own time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from sgnas_profilers.cuda import Device
from sgnas_profilers.errors import EnvironmentProblem

RUN_S = 100e-6


class FakeCuda:
    """A `Cuda`. Work is put into it by the fake engine, through the stream's number."""

    name = "fake-cuda 1.0"

    def __init__(
        self, graphs: bool = True, capturable: bool = True, compute_capability: str = "8.7"
    ) -> None:
        self.graphs = graphs
        self.compute_capability = compute_capability
        self.capturable = capturable
        self.calls: Counter[str] = Counter()
        self.memory: dict[int, bytes] = {}
        self.alive: set[int] = set()
        self.now_s = 0.0
        self.capturing = False
        self._next = 1000

    def device(self) -> Device:
        return Device("Fake Orin", self.compute_capability, "12.6", "12.6")

    def allocate(self, size: int) -> int:
        self.memory[self._number()] = bytes(size)
        return self._next

    def free(self, address: int) -> None:
        del self.memory[address]

    def upload(self, address: int, data: bytes) -> None:
        assert len(self.memory[address]) == len(data)
        self.memory[address] = data

    def download(self, address: int, size: int) -> bytes:
        return self.memory[address][:size]

    def new_stream(self) -> Any:
        return self._handle()

    def stream_handle(self, stream: Any) -> int:
        return int(stream)

    def synchronise(self, stream: Any) -> None:
        self.calls["synchronise"] += 1

    def new_event(self) -> Any:
        return [self._handle()]

    def record(self, event: Any, stream: Any) -> None:
        event[1:] = [self.now_s]

    def elapsed_s(self, begin: Any, end: Any) -> float:
        return float(end[1] - begin[1])

    def capture(self, stream: Any, work: Callable[[], None]) -> Any:
        if not self.capturable:
            raise EnvironmentProblem("CUDA failed: cudaStreamEndCapture returned cudaErrorX")
        self.capturing = True
        work()
        self.capturing = False
        return self._handle()

    def launch(self, graph: Any, stream: Any) -> None:
        self.calls["launch"] += 1
        self.now_s += RUN_S

    def drop(self, *handles: Any) -> None:
        for handle in handles:
            self.alive.discard(handle[0] if isinstance(handle, list) else handle)

    def enqueue(self) -> None:
        """What an engine does."""
        self.calls["captured" if self.capturing else "enqueue"] += 1
        if not self.capturing:
            self.now_s += 3 * RUN_S  # the host's launches

    def _number(self) -> int:
        self._next += 1
        return self._next

    def _handle(self) -> int:
        self.alive.add(self._number())
        return self._next
