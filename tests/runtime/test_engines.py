"""Engines of TensorRT, used: opened where they belong and while they are fresh, refused elsewhere.

TensorRT and the GPU are stand-ins; nothing here has run on hardware.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sgnas_deploy import files, models, runtime
from sgnas_deploy.errors import BadInput, EnvironmentProblem
from sgnas_deploy.pipeline.run import RunRequest, run
from sgnas_deploy.runtime.tensorrt import TensorRtEngine
from sgnas_deploy.workspace import Workspace
from sgnas_profilers import cuda
from sgnas_profilers.trt import load as loading
from sgnas_profilers.trt.build import platform_name
from sgnas_profilers.trt.load import Runtime
from tests.fakes.reporters import Listener
from tests.tensorrt.fake_trt import FakeTrt
from tests.tensorrt.leftovers import FRESH, STALE, Beside
from tests.verdict import exported

SHAPE = (1, 3, 32, 32)
FACTS = {
    "flavour": "tensorrt",
    "version": "10.3.0.26",
    "platform": platform_name(),
    "compute_capability": "8.7",
    "built_on": "orin",
}


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    found = Workspace(tmp_path / "work")
    exported.put(found, "net", choice=3)
    return found


def put_engine(workspace: Workspace, **facts: str) -> Path:
    """An engine of `net.onnx`, as `sgnas export` leaves it, in the words of the fake TensorRT."""
    source = workspace.models / "net.onnx"
    told = {"inputs": [["images", "FLOAT", SHAPE]], "outputs": [["logits", "FLOAT", [1, 10]]]}
    plan = json.dumps({**told, "layers": {}}).encode()
    path = workspace.models / "net.plan"
    files.write_bytes(path, plan)
    changes = {
        "format": "tensorrt",
        "artefact_sha256": files.sha256_of(path),
        "artefact_bytes": len(plan),
        "source_sha256": files.sha256_of(source),
        "runtime": {**FACTS, **facts},
    }
    description = models.read_export_file(source).model_copy(update=changes)
    files.write_model(models.sidecar(path), description)
    return path


@pytest.fixture
def board(monkeypatch: pytest.MonkeyPatch) -> FakeTrt:
    """This machine has a GPU and TensorRT, but not the one for RTX."""
    trt = FakeTrt()

    def find(flavour: str = "auto") -> Runtime:
        if flavour == "rtx":
            raise EnvironmentProblem("no TensorRT can be loaded (tensorrt_rtx)")
        return trt.runtime(flavour)

    monkeypatch.setattr(cuda, "load", lambda: trt.gpu)
    monkeypatch.setattr(loading, "load", find)
    return trt


def sealed(trt: FakeTrt, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on TensorRT must not see an engine."""

    def no_engine(log: object) -> None:
        raise AssertionError("TensorRT was given the engine")

    monkeypatch.setattr(trt, "Runtime", no_engine)


def test_an_engine_of_this_machine_is_opened(workspace: Workspace, board: FakeTrt) -> None:
    with runtime.load(put_engine(workspace)) as model:
        assert model.engine == "tensorrt 10.3.0.26 on Fake Orin"
        assert model.logits(np.zeros(SHAPE, np.float32)).shape == (1, 10)
    assert (board.gpu.memory, board.gpu.alive) == ({}, set())


FOREIGN = [
    ({"platform": "Plan9-mips"}, "is for platform Plan9-mips, this device has "),
    ({"flavour": "rtx"}, "is for TensorRT flavour rtx, this device has tensorrt"),
    ({"version": "10.7.0.23"}, r"TensorRT version 10\.7\.0\.23, this device has 10\.3\.0\.26"),
]
CAPABILITY = ({"compute_capability": "8.6"}, r"compute capability 8\.6, this one has 8\.7")


@pytest.mark.parametrize(("facts", "message"), [*FOREIGN, CAPABILITY])
def test_a_foreign_engine_is_refused_before_tensorrt_sees_it(
    workspace: Workspace,
    board: FakeTrt,
    monkeypatch: pytest.MonkeyPatch,
    facts: dict[str, str],
    message: str,
) -> None:
    path = put_engine(workspace, **facts)
    sealed(board, monkeypatch)
    with pytest.raises(BadInput, match=message) as no:
        runtime.load(path)
    assert no.value.cure is not None
    assert "sgnas export --format tensorrt --device NAME" in no.value.cure


@pytest.mark.parametrize(("facts", "message"), FOREIGN)
def test_a_foreign_engine_is_named_without_a_gpu_too(
    workspace: Workspace,
    board: FakeTrt,
    monkeypatch: pytest.MonkeyPatch,
    facts: dict[str, str],
    message: str,
) -> None:
    def no_gpu() -> None:
        raise EnvironmentProblem("CUDA cannot be used")

    monkeypatch.setattr(cuda, "load", no_gpu)
    with pytest.raises(BadInput, match=message):
        runtime.load(put_engine(workspace, **facts))
    with pytest.raises(EnvironmentProblem, match="CUDA cannot be used"):
        runtime.load(put_engine(workspace))


def test_without_tensorrt_the_platform_is_still_compared(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nothing(flavour: str = "auto") -> None:
        raise EnvironmentProblem(f"no TensorRT can be loaded ({flavour})")

    monkeypatch.setattr(loading, "load", nothing)
    with pytest.raises(BadInput, match="is for platform Plan9-mips"):
        runtime.load(put_engine(workspace, platform="Plan9-mips"))
    with pytest.raises(EnvironmentProblem, match=r"loaded \(tensorrt\)"):
        runtime.load(put_engine(workspace))


def test_too_little_memory_for_an_engine_is_said_and_nothing_is_left(
    workspace: Workspace, board: FakeTrt
) -> None:
    board.room = False
    with pytest.raises(EnvironmentProblem, match="too little memory on the GPU") as no:
        runtime.load(put_engine(workspace))
    assert no.value.cure is not None
    assert (board.gpu.memory, board.gpu.alive) == ({}, set())


@pytest.mark.parametrize("beside", STALE.values(), ids=STALE)
def test_a_stale_engine_is_refused_before_tensorrt_sees_it(
    workspace: Workspace, board: FakeTrt, monkeypatch: pytest.MonkeyPatch, beside: Beside
) -> None:
    path = put_engine(workspace)
    beside.put(path, (workspace.models / "net.onnx").read_bytes())
    sealed(board, monkeypatch)
    with pytest.raises(BadInput, match=beside.refusal) as no:
        runtime.load(path)
    assert no.value.cure is not None
    assert "export --format tensorrt --device orin --precision fp32 net" in no.value.cure


@pytest.mark.parametrize("beside", FRESH.values(), ids=FRESH)
def test_an_engine_of_what_lies_beside_it_is_opened(
    workspace: Workspace, board: FakeTrt, beside: Beside
) -> None:
    path = put_engine(workspace)
    beside.put(path, (workspace.models / "net.onnx").read_bytes())
    runtime.load(path).close()


def test_int8_files_of_two_runtimes_differ_and_are_both_fresh(
    workspace: Workspace, board: FakeTrt
) -> None:
    path = put_engine(workspace)
    int8 = models.read_export_file(path).model_copy(update={"precision": "int8"})
    files.write_model(models.sidecar(path), int8)
    beside = Beside(onnx="", same_file=False)
    beside.put(path, (workspace.models / "net.onnx").read_bytes())
    runtime.load(path).close()


def test_what_lies_beside_an_engine_and_is_not_ours_is_not_read(
    workspace: Workspace, board: FakeTrt
) -> None:
    path = put_engine(workspace)
    for text in ("no JSON", "[]", '{"kind": "mine"}'):
        path.with_suffix(".json").write_text(text)
        runtime.load(path).close()
    path.with_suffix(".json").write_text('{"kind": "sgnas-model"}')
    with pytest.raises(BadInput, match=r"net\.json is not a valid model description"):
        runtime.load(path)


def test_who_runs_an_engine_is_warned_that_none_ever_ran(
    workspace: Workspace, tmp_path: Path, board: FakeTrt
) -> None:
    path = put_engine(workspace)
    image = tmp_path / "image.png"
    Image.fromarray(np.zeros((40, 52, 3), np.uint8)).save(image)
    listener = Listener()
    run(RunRequest("net.plan", (image,), workspace.root), listener)
    (warning,) = listener.warnings
    assert warning.startswith("net.plan: engines of TensorRT have not yet run on hardware")
    listener = Listener()
    board.room = False
    with pytest.raises(EnvironmentProblem):
        runtime.load(path, reporter=listener)
    assert listener.warnings == [warning], "before it is opened: that may be what fails"
    pytest.importorskip("onnxruntime")
    listener = Listener()
    run(RunRequest("net.onnx", (image,), workspace.root), listener)
    assert listener.warnings == []


class FakeGpu:
    """Remembers what is on it."""

    def __init__(self) -> None:
        self.memory: dict[int, bytes] = {}
        self.dropped: list[Any] = []

    def allocate(self, size: int) -> int:
        address = 100 + len(self.memory)
        self.memory[address] = bytes(size)
        return address

    def free(self, address: int) -> None:
        del self.memory[address]

    def upload(self, address: int, data: bytes) -> None:
        assert len(self.memory[address]) == len(data)
        self.memory[address] = data

    def download(self, address: int, size: int) -> bytes:
        assert len(self.memory[address]) == size
        return self.memory[address]

    def new_stream(self) -> str:
        return "stream"

    def stream_handle(self, stream: str) -> int:
        assert stream == "stream"
        return 7

    def synchronise(self, stream: str) -> None:
        assert stream == "stream"

    def drop(self, *handles: Any) -> None:
        self.dropped += handles


class Named:
    def __init__(self, name: str) -> None:
        self.name = name


class FakeEngine:
    """An engine and its context: logits are the first ten values of the input."""

    def __init__(self, gpu: FakeGpu, kind: str = "FLOAT") -> None:
        self._gpu, self._kind = gpu, kind
        self.num_io_tensors = 2
        self.addresses: dict[str, int] = {}

    def create_execution_context(self) -> FakeEngine:
        return self

    def get_tensor_name(self, index: int) -> str:
        return ("logits", "image")[index]

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return {"image": (1, 3, 32, 32), "logits": (1, 10)}[name]

    def get_tensor_dtype(self, name: str) -> Named:
        return Named(self._kind)

    def get_tensor_mode(self, name: str) -> Named:
        return Named({"image": "INPUT", "logits": "OUTPUT"}[name])

    def set_tensor_address(self, name: str, address: int) -> None:
        self.addresses[name] = address

    def execute_async_v3(self, handle: int) -> bool:
        assert handle == 7
        source = self._gpu.memory[self.addresses["image"]]
        size = len(self._gpu.memory[self.addresses["logits"]])
        self._gpu.memory[self.addresses["logits"]] = source[:size]
        return True


@pytest.mark.parametrize("kind", ["FLOAT", "HALF"])
def test_a_bound_engine_gets_inputs_and_gives_logits(kind: str) -> None:
    gpu: Any = FakeGpu()
    engine = TensorRtEngine(gpu, FakeEngine(gpu, kind), "fake")
    images = np.random.default_rng(0).normal(size=(1, 3, 32, 32)).astype(np.float32)
    np.testing.assert_allclose(engine.run(images)[0], images.ravel()[:10], rtol=1e-3)
    with pytest.raises(BadInput, match="takes a batch of shape"):
        engine.run(images.repeat(2, axis=0))
    engine.close()
    engine.close()
    assert gpu.memory == {}
    assert gpu.dropped == ["stream"]


def test_an_engine_of_another_type_is_refused_and_freed() -> None:
    gpu: Any = FakeGpu()
    with pytest.raises(BadInput, match="cannot be bound"):
        TensorRtEngine(gpu, FakeEngine(gpu, "INT8"), "fake")
    assert gpu.memory == {}
