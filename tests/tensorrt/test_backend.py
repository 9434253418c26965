"""The backend tensorrt, with a fake GPU and a module in the shape of TensorRT 10.3."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from sgnas_profilers.backends import RunOptions
from sgnas_profilers.backends.tensorrt import TensorRtBackend, TensorRtSession, values
from sgnas_profilers.errors import BadInput, EnvironmentProblem
from sgnas_profilers.timing import TimingPlan, measure
from sgnas_profilers.trt.runner import Runner
from tests.fakes.clock import FakeClock
from tests.tensorrt import trt_models
from tests.tensorrt.fake_cuda import RUN_S, FakeCuda
from tests.tensorrt.fake_trt import FakeTrt

ONNX = RunOptions(1)
PLAN = RunOptions(1, "plan")


class Bench:
    """A backend and what it works on."""

    def __init__(self, graphs: bool = True, capturable: bool = True) -> None:
        self.gpu = FakeCuda(graphs, capturable)
        self.trt = FakeTrt(self.gpu)
        self.backend = TensorRtBackend("auto", lambda: self.gpu, self.trt.runtime)


def test_a_graph_is_captured_after_a_first_run_and_only_it_is_timed() -> None:
    bench = Bench()
    with closing(bench.backend.open(trt_models.network(), ONNX)) as session:
        assert bench.gpu.calls["enqueue"] == 1
        assert bench.gpu.calls["captured"] == 1
        assert session.time_s(7, FakeClock()) == pytest.approx(7 * RUN_S)
    assert bench.gpu.calls["launch"] == 7
    assert bench.gpu.calls["enqueue"] == 1
    assert bench.backend.describe(ONNX)["mode"] == "graph"


def test_without_graphs_each_run_is_enqueued() -> None:
    bench = Bench(graphs=False)
    with closing(bench.backend.open(trt_models.network(), ONNX)) as session:
        assert session.time_s(7, FakeClock()) == pytest.approx(7 * 3 * RUN_S)
    assert bench.gpu.calls["launch"] == 0
    assert bench.backend.describe(ONNX)["mode"] == "enqueue"


def test_modes_are_never_mixed(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(capturable=False)
    with pytest.raises(BadInput, match="no CUDA graph of the model can be captured") as no:
        bench.backend.open(trt_models.network(), ONNX)
    assert no.value.cure is not None
    assert "SGNAS_CUDA_GRAPHS=0" in no.value.cure
    assert not bench.gpu.memory, "nothing is left on the GPU"
    assert not bench.gpu.alive
    monkeypatch.setenv("SGNAS_CUDA_GRAPHS", "0")
    assert bench.backend.describe(ONNX)["mode"] == "enqueue"
    bench.backend.open(trt_models.network(), ONNX).close()


def test_everything_on_the_gpu_is_given_back() -> None:
    bench = Bench()
    session = bench.backend.open(trt_models.network(), ONNX)
    assert len(bench.gpu.memory) == 2
    session.close()
    session.close()
    assert not bench.gpu.memory
    assert not bench.gpu.alive


def test_builds_share_what_they_learn() -> None:
    bench = Bench()
    for _ in range(2):
        bench.backend.open(trt_models.network(), ONNX).close()
    assert bench.trt.configs[1].cache.serialize() == b"learnt;learnt;"


def test_an_engine_is_built_audited_and_opened_as_a_plan() -> None:
    bench = Bench()
    seen: list[tuple[str, float]] = []
    plan, facts = bench.backend.build(
        trt_models.network(trt_models.HALF),
        {"precision": "fp16", "optimisation_level": 2},
        lambda phase, share: seen.append((phase, share)),
    )
    assert facts["precision_audit"].startswith("2 fp16 of 2")
    assert facts["engine_audit"].startswith("2 fp16 of 2")
    assert facts["compute_capability"] == "8.7"
    assert facts["optimisation_level"] == "2"
    assert seen[0] == ("Building", 0.0)
    assert seen[-1] == ("Building", 1.0)
    builds = bench.trt.builds
    with closing(bench.backend.open(plan, PLAN)) as session:
        assert measure(session, TimingPlan(3, 0, 1e-3, 4), FakeClock(1)).inner_loops in (10, 11)
    assert bench.trt.builds == builds, "a plan is not built again"


@pytest.mark.parametrize(
    ("model", "precision", "inspected"),
    [
        (trt_models.network(trt_models.HALF), "fp16", "FP32"),
        (trt_models.network(), "fp32", "Half"),
        (trt_models.quantised(), "int8", "FP32"),
    ],
)
def test_an_engine_that_the_inspector_finds_in_another_precision_is_refused(
    model: bytes, precision: str, inspected: str
) -> None:
    bench = Bench()
    bench.trt.inspected = inspected
    with pytest.raises(BadInput, match=f"{precision} was asked for.*by its inspector") as no:
        bench.backend.build(model, {"precision": precision}, lambda *_: None)
    assert "of 2 convolutions" in no.value.message
    assert no.value.cure is not None
    assert "--precision fp32" in no.value.cure
    bench.trt.inspected = None
    _, facts = bench.backend.build(model, {"precision": precision}, lambda *_: None)
    assert precision in facts["engine_audit"]


def test_what_the_inspector_does_not_show_is_told_and_refuses_nothing() -> None:
    bench = Bench()
    bench.trt.inspected = "mystery"
    model = trt_models.network(trt_models.HALF)
    _, facts = bench.backend.build(model, {"precision": "fp16"}, lambda *_: None)
    assert facts["engine_audit"].startswith("2 unknown of 2")
    assert facts["engine_audit"].endswith("the types of 2 are not shown")


def test_a_range_of_batches_that_tensorrt_refuses() -> None:
    bench = Bench()
    bench.trt.profiles = False
    options = {"batch": [1, 2, 4]}
    with pytest.raises(BadInput, match="TensorRT refuses the batches 1, 2, 4: Invalid") as no:
        bench.backend.build(trt_models.network(batch="n"), options, lambda *_: None)
    assert no.value.cure == "give other batches, or export the model with a fixed one"


def test_a_cancelled_build_leaves_no_engine() -> None:
    def stop(phase: str, share: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Bench().backend.build(trt_models.network(), {}, stop)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"precision": "fp16"}, "fp16 was asked for"),
        ({"compute_capabilities": ["8.6"]}, "builds for the GPU"),
        ({"turbo": True}, "no build option"),
    ],
)
def test_a_build_that_is_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        Bench().backend.build(trt_models.network(), options, print)  # type: ignore[arg-type]


def test_a_plan_that_does_not_load_is_refused() -> None:
    with pytest.raises(BadInput, match="cannot load the engine: The engine plan file") as no:
        Bench().backend.open(b"plan of another version", PLAN)
    assert no.value.cure is not None
    assert "sgnas export --format tensorrt" in no.value.cure


def test_too_little_memory_is_the_devices_business() -> None:
    bench = Bench()
    bench.trt.room = False
    with pytest.raises(EnvironmentProblem, match="too little memory"):
        bench.backend.open(trt_models.network(), ONNX)
    assert not bench.gpu.alive


def test_a_dynamic_model_is_refused() -> None:
    with pytest.raises(BadInput, match="dynamic shape"):
        Bench().backend.open(trt_models.network(batch="n"), ONNX)


def test_the_description_has_all_that_must_agree() -> None:
    facts = Bench().backend.describe(ONNX)
    assert facts["runtime"] == "tensorrt"
    assert facts["version"] == "10.3.0.26"
    assert facts["gpu"] == "Fake Orin"
    assert facts["cuda_driver"] == "12.6"
    assert facts["timing"] == "cuda-events"


@pytest.mark.skipif(Path("/dev/nvidiactl").exists(), reason="this machine has a GPU")
def test_without_a_gpu_it_says_what_was_tried() -> None:
    backend = TensorRtBackend("auto", load_trt=FakeTrt().runtime)
    with pytest.raises(EnvironmentProblem, match=r"cuda-bindings: .*; pycuda: ") as no:
        backend.describe(ONNX)
    assert no.value.cure is not None
    assert "cuda-bindings" in no.value.cure


@pytest.mark.parametrize(("kind", "size"), [("FLOAT", 4), ("HALF", 2), ("BF16", 2), ("INT64", 8)])
def test_inputs_are_full_and_not_zero(kind: str, size: int) -> None:
    import numpy as np

    data = values(kind, (3, 2000))
    assert len(data) == 6000 * size
    assert data == values(kind, (3, 2000))
    if kind in ("FLOAT", "HALF"):
        numbers = np.frombuffer(data, {"FLOAT": "<f4", "HALF": "<f2"}[kind]).astype(float)
        assert abs(numbers.mean()) < 0.1
        assert abs(numbers.std() - 1) < 0.1
        assert np.abs(numbers).min() >= 9e-4
    assert len(values(kind, (1,))) == size


def test_an_engine_answers_on_images() -> None:
    bench = Bench()
    plan, _ = bench.backend.build(
        trt_models.network(batch="n"), {"batch": [1, 2, 4]}, lambda *_: None
    )
    runner = Runner(bench.trt.runtime(), bench.gpu, plan)
    assert runner.shape == (-1, 3, 16, 16)
    assert runner.run(bytes(2 * 3 * 16 * 16 * 4), (2, 3, 16, 16)) == (0.0,) * 20
    assert not bench.gpu.memory
    half, _ = bench.backend.build(trt_models.network(trt_models.HALF), {}, lambda *_: None)
    with pytest.raises(BadInput, match="is not float32"):
        Runner(bench.trt.runtime(), bench.gpu, half)


def test_sessions_are_of_their_own_kind() -> None:
    bench = Bench()
    with closing(bench.backend.open(trt_models.network(), ONNX)) as session:
        assert isinstance(session, TensorRtSession)
