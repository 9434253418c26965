"""One contract for all backends, and what is particular to each."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from onnx import TensorProto

from sgnas_profilers import backends
from sgnas_profilers.backends import Backend, RunOptions, Session
from sgnas_profilers.backends import onnxruntime as onnxruntime_backend
from sgnas_profilers.backends import openvino as openvino_backend
from sgnas_profilers.backends.tensorrt import TensorRtBackend
from sgnas_profilers.errors import BadInput, EnvironmentProblem
from sgnas_profilers.timing import Clock, MonotonicClock, TimingPlan, measure
from tests.fakes.clock import FakeClock
from tests.profilers import onnx_models
from tests.tensorrt import fake_trtexec
from tests.tensorrt.fake_cuda import FakeCuda
from tests.tensorrt.fake_trt import FakeTrt

ONE_THREAD = RunOptions(1)


class _InThread:
    """Opens and runs in a thread of its own.

    The first ONNX Runtime session of a process makes its thread flush denormals for good, which
    must not happen to the thread of all other tests.
    """

    def __init__(self, backend: Backend, pool: ThreadPoolExecutor) -> None:
        self._backend = backend
        self._pool = pool

    def describe(self, options: RunOptions) -> dict[str, str]:
        return self._pool.submit(self._backend.describe, options).result()

    def open(self, model: bytes, options: RunOptions = ONE_THREAD) -> _SessionInThread:
        session = self._pool.submit(self._backend.open, model, options).result()
        return _SessionInThread(session, self._pool)


class _SessionInThread:
    def __init__(self, session: Session, pool: ThreadPoolExecutor) -> None:
        self.inner = session
        self._pool = pool

    def time_s(self, loops: int, clock: Clock) -> float:
        return self._pool.submit(self.inner.time_s, loops, clock).result()

    def close(self) -> None:
        self._pool.submit(self.inner.close).result()


class BackendContract:
    """What every backend must do."""

    name: ClassVar[str]
    model: ClassVar[bytes]

    @pytest.fixture
    def backend(self) -> Iterator[_InThread]:
        with ThreadPoolExecutor(1) as pool:
            yield _InThread(backends.load(self.name), pool)

    def test_is_listed(self) -> None:
        assert self.name in backends.names()

    def test_describes_itself_the_same_way_each_time(self, backend: _InThread) -> None:
        facts = backend.describe(RunOptions(1))
        assert {"runtime", "version", "provider", "threads"} <= set(facts)
        assert all(facts.values())
        assert facts == backend.describe(RunOptions(1))

    def test_options_show_in_the_description(self, backend: _InThread) -> None:
        assert backend.describe(RunOptions(1)) != backend.describe(RunOptions(2))

    def test_runs_take_time(self, backend: _InThread) -> None:
        with closing(backend.open(self.model)) as session:
            assert session.time_s(100, MonotonicClock()) > 0

    @pytest.mark.parametrize("loops", [1, 7])
    def test_reads_the_clock_before_and_after_all_runs(
        self, backend: _InThread, loops: int
    ) -> None:
        clock = FakeClock(tick_ns=1000)
        with closing(backend.open(self.model)) as session:
            assert session.time_s(loops, clock) == pytest.approx(1e-6)
        assert clock.readings == 2

    def test_can_be_measured(self, backend: _InThread) -> None:
        with closing(backend.open(self.model, RunOptions(2))) as session:
            timing = measure(session, TimingPlan(3, 0, 1e-5, 4), MonotonicClock())
        assert len(timing.samples_s) == 4
        assert min(timing.samples_s) > 0

    def test_opens_again_after_closing_and_closes_twice(self, backend: _InThread) -> None:
        for _ in range(2):
            session = backend.open(self.model)
            session.time_s(1, FakeClock())
            session.close()
            session.close()


class TestNull(BackendContract):
    name = "null"
    model = b"anything"

    def test_takes_any_bytes(self, backend: _InThread) -> None:
        with closing(backend.open(b"")) as session:
            assert session.time_s(1, FakeClock(5)) == pytest.approx(5e-9)


def _damaged(model: bytes) -> list[object]:
    """What no runtime opens."""
    unknown = onnx_models.one_node(
        "NoSuchOperator", [("x", TensorProto.FLOAT, [1])], ("y", TensorProto.FLOAT, [1])
    )
    return [
        pytest.param(b"", id="empty"),
        pytest.param(b"not a model", id="garbage"),
        pytest.param(model[: len(model) // 2], id="half"),
        pytest.param(unknown, id="unknown-operator"),
    ]


class TestOnnxRuntime(BackendContract):
    name = "onnxruntime"
    model = onnx_models.conv()

    @pytest.mark.parametrize(
        "model",
        [*_damaged(model), pytest.param(model[:-1], id="cut-by-a-byte")],
    )
    def test_a_damaged_model_is_the_users_business(self, backend: _InThread, model: bytes) -> None:
        with pytest.raises(BadInput, match="onnxruntime cannot open the model: ") as caught:
            backend.open(model)
        assert caught.value.cure
        assert "ONNXRuntimeError" not in caught.value.message

    def test_a_symbolic_batch_is_refused_by_name(self, backend: _InThread) -> None:
        with pytest.raises(BadInput, match=r"'images' has no fixed shape: \['n', 3, 8, 8\]") as no:
            backend.open(onnx_models.relu(batch="n"))
        assert no.value.cure == "export it with a fixed batch and resolution"

    def test_an_input_that_cannot_be_filled_is_refused(self, backend: _InThread) -> None:
        words = onnx_models.one_node(
            "Identity", [("x", TensorProto.STRING, [2])], ("y", TensorProto.STRING, [2])
        )
        with pytest.raises(BadInput, match=r"'x' is a tensor\(string\)"):
            backend.open(words)

    def test_a_model_that_fails_while_it_runs(self, backend: _InThread) -> None:
        # Its second input is filled with ones, and four numbers do not have the shape (1, 1).
        reshape = onnx_models.one_node(
            "Reshape",
            [("x", TensorProto.FLOAT, [4]), ("shape", TensorProto.INT64, [2])],
            ("y", TensorProto.FLOAT, ["a", "b"]),
        )
        with (
            closing(backend.open(reshape)) as session,
            pytest.raises(BadInput, match="onnxruntime cannot run the model"),
        ):
            session.time_s(1, FakeClock())

    def test_an_output_whose_size_depends_on_the_data(self, backend: _InThread) -> None:
        non_zero = onnx_models.one_node(
            "NonZero", [("x", TensorProto.FLOAT, [1, 8])], ("y", TensorProto.INT64, [2, "n"])
        )
        with closing(backend.open(non_zero)) as session:
            assert session.time_s(3, FakeClock(1)) > 0

    @pytest.mark.parametrize(
        "kind",
        ["FLOAT", "FLOAT16", "DOUBLE", "INT8", "UINT8", "INT32", "INT64", "BOOL"],
    )
    def test_inputs_are_deterministic_and_never_zero(self, backend: _InThread, kind: str) -> None:
        number = TensorProto.DataType.Value(kind)
        model = onnx_models.one_node(
            "Identity", [("x", number, [200, 100])], ("y", number, [200, 100])
        )
        seen = []
        for _ in range(2):
            with closing(backend.open(model)) as session:
                session.time_s(1, FakeClock())
                # What the identity put out is what was put in.
                assert isinstance(session.inner, onnxruntime_backend.OnnxRuntimeSession)
                seen.append(session.inner._binding.copy_outputs_to_cpu()[0].copy())
        assert np.array_equal(seen[0], seen[1])
        assert np.all(seen[0] != 0)
        if "FLOAT" in kind or kind == "DOUBLE":
            values = seen[0].astype(np.float64)
            assert abs(values.mean()) < 0.1, "like a normalised image"
            assert abs(values.std() - 1) < 0.1
            assert np.abs(values).min() >= 9e-4, "far from denormal"

    def test_records_what_changes_the_timings(self, backend: _InThread) -> None:
        facts = backend.describe(RunOptions(2))
        assert facts["threads"] == "2"
        assert facts["session.set_denormal_as_zero"] == "1"
        assert facts["session.intra_op.allow_spinning"] == "1"
        assert facts["provider"] == "CPUExecutionProvider"

    def test_without_the_runtime_it_names_the_extra(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "onnxruntime", None)
        backend = onnxruntime_backend.backend()
        for attempt in (
            lambda: backend.describe(RunOptions(1)),
            lambda: backend.open(self.model, RunOptions(1)),
        ):
            with pytest.raises(EnvironmentProblem, match="onnxruntime cannot be imported") as no:
                attempt()
            assert no.value.cure == "pip install 'sgnas-deploy[cpu]'"


@pytest.mark.skipif(find_spec("openvino") is None, reason="openvino is not installed")
class TestOpenVino(BackendContract):
    name = "openvino"
    model = onnx_models.conv()

    @pytest.mark.parametrize(
        "model",
        _damaged(model),
    )
    def test_a_damaged_model_is_the_users_business(self, backend: _InThread, model: bytes) -> None:
        with pytest.raises(BadInput, match="openvino cannot open the model: ") as caught:
            backend.open(model)
        assert caught.value.cure

    def test_a_symbolic_batch_is_refused_by_name(self, backend: _InThread) -> None:
        with pytest.raises(BadInput, match="'images' has no fixed shape") as no:
            backend.open(onnx_models.relu(batch="n"))
        assert no.value.cure == "export it with a fixed batch and resolution"

    @pytest.mark.parametrize("kind", ["FLOAT", "FLOAT16", "INT8", "UINT8", "INT32"])
    def test_inputs_are_deterministic_and_never_zero(self, backend: _InThread, kind: str) -> None:
        number = TensorProto.DataType.Value(kind)
        model = onnx_models.one_node(
            "Identity", [("x", number, [200, 100])], ("y", number, [200, 100])
        )
        seen = []
        for _ in range(2):
            with closing(backend.open(model)) as session:
                session.time_s(1, FakeClock())
                assert isinstance(session.inner, openvino_backend.OpenVinoSession)
                # What the identity put out is what was put in.
                seen.append(session.inner._values[-1].data.copy())
        assert np.array_equal(seen[0], seen[1])
        assert np.all(seen[0] != 0)

    def test_nothing_is_computed_below_the_graphs_precision(self, backend: _InThread) -> None:
        import openvino

        facts = backend.describe(RunOptions(2))
        assert facts["threads"] == "2"
        assert facts["INFERENCE_PRECISION_HINT"] == "f32"
        compiled = openvino_backend.compile_model(openvino, self.model, 2)
        assert compiled.get_property("INFERENCE_PRECISION_HINT") == openvino.Type.f32
        assert compiled.get_property("INFERENCE_NUM_THREADS") == 2
        assert compiled.get_property("NUM_STREAMS") == 1

    def test_without_the_runtime_it_names_the_extra(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "openvino", None)
        backend = openvino_backend.backend()
        for attempt in (
            lambda: backend.describe(RunOptions(1)),
            lambda: backend.open(self.model, RunOptions(1)),
        ):
            with pytest.raises(EnvironmentProblem, match="openvino cannot be imported") as no:
                attempt()
            assert no.value.cure == "pip install 'sgnas-deploy[openvino]'"


class _TimedByTheRuntime(BackendContract):
    """Backends whose times come from the runtime: the clock's part would be the host's."""

    @pytest.mark.parametrize("loops", [1, 7])
    def test_reads_the_clock_before_and_after_all_runs(
        self, backend: _InThread, loops: int
    ) -> None:
        clock = FakeClock(tick_ns=1000)
        with closing(backend.open(self.model)) as session:
            assert session.time_s(loops, clock) > 0
        assert clock.readings == 0


class TestTensorRt(_TimedByTheRuntime):
    """With a fake GPU and a module in the shape of TensorRT 10.3: not yet run on hardware."""

    name = "tensorrt"
    model = onnx_models.conv()

    @pytest.fixture
    def backend(self) -> Iterator[_InThread]:
        gpu = FakeCuda()
        with ThreadPoolExecutor(1) as pool:
            yield _InThread(TensorRtBackend("auto", lambda: gpu, FakeTrt(gpu).runtime), pool)


class TestTrtexec(_TimedByTheRuntime):
    """With a program that prints and writes what trtexec does: not yet run on hardware."""

    name = "trtexec"
    model = onnx_models.conv()

    @pytest.fixture(autouse=True)
    def _program(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SGNAS_TRTEXEC", str(fake_trtexec.install(tmp_path)))


def test_every_backend_has_its_contract() -> None:
    classes = [*BackendContract.__subclasses__(), *_TimedByTheRuntime.__subclasses__()]
    tested = {contract.name for contract in classes if hasattr(contract, "name")}
    assert tested == set(backends.names())


def test_an_unknown_backend_is_answered_with_the_known_ones() -> None:
    with pytest.raises(BadInput, match="no backend 'nul'") as caught:
        backends.load("nul")
    assert caught.value.cure == f"choose one of: {', '.join(backends.names())}"


@pytest.mark.parametrize("name", ["", "..timing", "null.backend", "__init__"])
def test_only_backends_can_be_loaded(name: str) -> None:
    with pytest.raises(BadInput):
        backends.load(name)


@pytest.mark.parametrize("threads", [0, -1, 10**6])
def test_an_impossible_number_of_threads(threads: int) -> None:
    with pytest.raises(BadInput, match="threads"):
        RunOptions(threads)
