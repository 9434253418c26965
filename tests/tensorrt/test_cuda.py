"""The CUDA libraries, against recordings of their interface. Neither has yet run on hardware."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from sgnas_profilers import cuda
from sgnas_profilers.cuda.cuda_bindings import CudaBindings
from sgnas_profilers.cuda.pycuda import PyCuda
from sgnas_profilers.errors import EnvironmentProblem


class RecordedRuntime:
    """`cuda.bindings.runtime`: every call returns a tuple that begins with an error code."""

    cudaStreamNonBlocking = 1
    cudaMemcpyKind = SimpleNamespace(cudaMemcpyHostToDevice=1, cudaMemcpyDeviceToHost=2)
    cudaStreamCaptureMode = SimpleNamespace(cudaStreamCaptureModeThreadLocal=1)

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.fails: dict[str, int] = {}
        self.answers: dict[str, tuple[Any, ...]] = {
            "cudaGetDeviceProperties": (SimpleNamespace(name=b"Orin\0", major=8, minor=7),),
            "cudaDriverGetVersion": (12060,),
            "cudaRuntimeGetVersion": (13000,),
            "cudaMalloc": (4096,),
            "cudaStreamCreateWithFlags": (501,),
            "cudaEventCreate": (601,),
            "cudaEventElapsedTime": (2.5,),
            "cudaStreamEndCapture": (701,),
            "cudaGraphInstantiate": (801,),
        }

    def __getattr__(self, name: str) -> Callable[..., tuple[Any, ...]]:
        def call(*arguments: Any) -> tuple[Any, ...]:
            self.calls.append((name, *arguments))
            return (self.fails.get(name, 0), *self.answers.get(name, ()))

        return call

    def names(self) -> list[str]:
        return [call[0] for call in self.calls]


@pytest.fixture
def recorded() -> RecordedRuntime:
    return RecordedRuntime()


def test_the_device(recorded: RecordedRuntime) -> None:
    assert CudaBindings(recorded, "13.5").device() == cuda.Device("Orin", "8.7", "12.6", "13.0")


def test_a_graph_is_captured_instantiated_launched_and_destroyed(recorded: RecordedRuntime) -> None:
    gpu = CudaBindings(recorded, "13.5")
    stream = gpu.new_stream()
    graph = gpu.capture(stream, lambda: recorded.calls.append(("work",)))
    gpu.launch(graph, stream)
    gpu.drop(graph, stream)
    gpu.drop(graph, stream)
    assert recorded.names() == [
        "cudaStreamCreateWithFlags",
        "cudaStreamBeginCapture",
        "work",
        "cudaStreamEndCapture",
        "cudaGraphInstantiate",
        "cudaGraphDestroy",
        "cudaGraphLaunch",
        "cudaGraphExecDestroy",
        "cudaStreamDestroy",
    ]


def test_a_capture_ends_even_when_its_work_fails(recorded: RecordedRuntime) -> None:
    gpu = CudaBindings(recorded, "13.5")

    def fail() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        gpu.capture(gpu.new_stream(), fail)
    assert recorded.names()[-1] == "cudaStreamEndCapture"


def test_events_measure_milliseconds(recorded: RecordedRuntime) -> None:
    gpu = CudaBindings(recorded, "13.5")
    event = gpu.new_event()
    gpu.record(event, 501)
    assert gpu.elapsed_s(event, event) == pytest.approx(2.5e-3)


def test_memory(recorded: RecordedRuntime) -> None:
    gpu = CudaBindings(recorded, "13.5")
    address = gpu.allocate(8)
    gpu.upload(address, b"12345678")
    assert gpu.download(address, 8) == bytes(8)
    gpu.free(address)
    assert ("cudaMemcpy", 4096, b"12345678", 8, 1) in recorded.calls
    assert ("cudaFree", 4096) in recorded.calls


def test_an_error_code_is_an_error(recorded: RecordedRuntime) -> None:
    recorded.fails["cudaMalloc"] = 2
    with pytest.raises(EnvironmentProblem, match="cudaMalloc returned 2"):
        CudaBindings(recorded, "13.5").allocate(8)


class RecordedDriver:
    """`pycuda.driver`."""

    class Error(Exception):
        pass

    class Stream:
        handle = 55

        def synchronize(self) -> None:
            pass

    class Event:
        def record(self, stream: object) -> None:
            pass

        def time_till(self, other: object) -> float:
            return 1.5

    class Device:
        def __init__(self, number: int) -> None:
            assert number == 0

        def compute_capability(self) -> tuple[int, int]:
            return (8, 7)

        def name(self) -> str:
            return "Orin"

    def __init__(self) -> None:
        self.freed = 0

    def get_driver_version(self) -> int:
        return 12060

    def get_version(self) -> tuple[int, int, int]:
        return (12, 6, 0)

    def mem_alloc(self, size: int) -> Any:
        if size > 1000:
            raise self.Error("cuMemAlloc failed: out of memory\nmore")
        driver = self

        class Memory:
            def __int__(self) -> int:
                return 4096

            def free(self) -> None:
                driver.freed += 1

        return Memory()

    def memcpy_htod(self, address: int, data: bytes) -> None:
        pass

    def memcpy_dtoh(self, data: bytearray, address: int) -> None:
        data[:] = b"x" * len(data)


def test_pycuda_does_the_same_without_graphs() -> None:
    driver = RecordedDriver()
    gpu = PyCuda(driver, "2026.1")
    assert gpu.device() == cuda.Device("Orin", "8.7", "12.6", "12.6")
    assert gpu.name == "pycuda 2026.1"
    stream, event = gpu.new_stream(), gpu.new_event()
    assert gpu.stream_handle(stream) == 55
    gpu.record(event, stream)
    gpu.synchronise(stream)
    assert gpu.elapsed_s(event, event) == pytest.approx(1.5e-3)
    address = gpu.allocate(8)
    gpu.upload(address, b"12345678")
    assert gpu.download(address, 8) == b"xxxxxxxx"
    gpu.free(address)
    assert driver.freed == 1
    gpu.drop(stream, event)
    assert not gpu.graphs
    with pytest.raises(EnvironmentProblem, match="no CUDA graphs"):
        gpu.capture(stream, lambda: None)
    with pytest.raises(EnvironmentProblem, match="no CUDA graphs"):
        gpu.launch(None, stream)
    with pytest.raises(EnvironmentProblem, match="cuMemAlloc failed: out of memory"):
        gpu.allocate(2000)


def test_versions() -> None:
    assert cuda.version_text(12060) == "12.6"
    assert cuda.version_text(13000) == "13.0"
