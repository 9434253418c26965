"""Engines that are really built, by TensorRT for RTX, without a GPU."""

from __future__ import annotations

import hashlib
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto

from sgnas_profilers.errors import BadInput, EnvironmentProblem, SgnasError
from sgnas_profilers.trt import plans
from sgnas_profilers.trt.build import build
from sgnas_profilers.trt.load import Runtime, load
from sgnas_profilers.trt.options import BuildOptions
from tests.profilers import onnx_models
from tests.tensorrt import trt_models

RTX = BuildOptions(flavour="rtx")


def test_loading_leaves_no_trace(rtx: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LD_LIBRARY_PATH", raising=False)
    assert load("rtx").module is rtx.module
    assert "onnxruntime_ep_nv_tensorrt_rtx" not in sys.modules
    assert rtx.flavour == "rtx"
    assert rtx.version.startswith("1.")


@pytest.mark.parametrize(
    ("model", "precision", "audit"),
    [
        (trt_models.network(), "fp32", "2 fp32 of 2"),
        (trt_models.network(trt_models.HALF), "fp16", "2 fp16 of 2"),
        (trt_models.quantised(), "int8", "1 fp32, 1 int8 of 2"),
    ],
)
def test_each_precision_builds_the_same_bytes_twice(
    rtx: Runtime, model: bytes, precision: str, audit: str
) -> None:
    options = BuildOptions(flavour="rtx", precision=precision)
    engine = build(model, options)
    assert build(model, options).plan == engine.plan
    assert len(engine.plan) > 10_000
    facts = engine.facts
    assert facts["precision"] == precision
    assert facts["precision_audit"].startswith(audit)
    assert facts["plan_sha256"] == hashlib.sha256(engine.plan).hexdigest()
    assert facts["onnx_sha256"] == hashlib.sha256(model).hexdigest()
    assert facts["inputs"].endswith(":1x3x16x16")
    assert engine.timing_cache == b""


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_an_fp32_engine_is_never_called_anything_else(rtx: Runtime, precision: str) -> None:
    with pytest.raises(BadInput, match=f"{precision} was asked for, but the network has 2 fp32"):
        build(trt_models.network(), BuildOptions(flavour="rtx", precision=precision))


@pytest.mark.parametrize(
    ("model", "why"),
    [
        pytest.param(b"", "is empty", id="empty"),
        pytest.param(b"hello", "no ONNX model", id="text"),
        pytest.param(b"\xff" * 4096, "no ONNX model", id="garbage"),
        pytest.param(trt_models.network()[:200], "no ONNX model", id="cut"),
        pytest.param(trt_models.network(opset=99), "operator set 99", id="opset"),
        pytest.param(
            onnx_models.one_node(
                "Identity", [("x", TensorProto.DOUBLE, [2])], ("y", TensorProto.DOUBLE, [2])
            ),
            "double precision",
            id="double",
        ),
        pytest.param(
            onnx_models.one_node(
                "NoSuchOperator", [("x", TensorProto.FLOAT, [1])], ("y", TensorProto.FLOAT, [1])
            ),
            "NoSuchOperator",
            id="operator",
        ),
        pytest.param(
            onnx_models.one_node(
                "NonZero", [("x", TensorProto.FLOAT, [1, 8])], ("y", TensorProto.INT64, [2, "n"])
            ),
            "NonZero",
            id="data-dependent",
        ),
        pytest.param(
            onnx_models.one_node(
                "MatMul",
                [("a", TensorProto.FLOAT, [2, 3]), ("b", TensorProto.FLOAT, [4, 5])],
                ("y", TensorProto.FLOAT, [2, 5]),
            ),
            "MatMul",
            id="shapes",
        ),
        pytest.param(trt_models.quantised(bias=True), "DequantizeLinear.*Int32", id="int32-bias"),
        pytest.param(trt_models.quantised(zero=np.int8(3)), "Non-zero zero point", id="asymmetric"),
        pytest.param(
            trt_models.quantised(zero=np.uint8(128)), "unsigned 8-bit integers", id="unsigned"
        ),
        # TensorRT itself builds from these without a word.
        pytest.param(
            trt_models.quantised(zero=np.uint8(0)), "unsigned 8-bit integers", id="unsigned-0"
        ),
        pytest.param(trt_models.network(batch="n"), "dynamic shape", id="no-profile"),
    ],
)
def test_a_model_that_cannot_be_built_is_named(rtx: Runtime, model: bytes, why: str) -> None:
    with pytest.raises(BadInput, match=why) as no:
        build(model, RTX)
    assert no.value.cure
    assert "checkMacros" not in no.value.message
    assert "\n" not in no.value.message


@pytest.mark.parametrize("zero", [np.int8(3), np.uint8(128)])
def test_integers_of_the_wrong_kind_have_their_own_cure(
    rtx: Runtime, zero: np.int8 | np.uint8
) -> None:
    with pytest.raises(BadInput) as no:
        build(trt_models.quantised(zero=zero), RTX)
    assert no.value.cure is not None
    assert "--format tensorrt --precision int8" in no.value.cure


def test_a_range_of_batches_that_tensorrt_refuses(rtx: Runtime) -> None:
    options = BuildOptions(flavour="rtx", batch=(1, 2, 4))
    object.__setattr__(options, "batch", (4, 2, 1))  # past our own check
    with pytest.raises(BadInput, match=r"refuses the batches 4, 2, 1: .*MIN<=OPT<=MAX") as no:
        build(trt_models.network(batch="n"), options)
    assert no.value.cure == "give other batches, or export the model with a fixed one"


def test_one_layer_outside_the_keep_list_is_refused(rtx: Runtime) -> None:
    options = BuildOptions(flavour="rtx", precision="int8")
    kept = replace(options, keep=("classifier",))
    assert build(trt_models.quantised(), kept).audit.counts == {"int8": 1, "fp32": 1}
    with pytest.raises(BadInput, match="nobody has kept 'classifier' in fp32"):
        build(trt_models.quantised(), replace(options, keep=()))


def test_weights_beside_the_file_are_found_only_by_its_path(rtx: Runtime, tmp_path: Path) -> None:
    path = trt_models.with_external_weights(tmp_path)
    with pytest.raises(BadInput, match="lie in another file"):
        build(path.read_bytes(), RTX)
    assert build(path.read_bytes(), RTX, path=str(path)).plan == build(trt_models.network()).plan
    for there in (tmp_path / "elsewhere" / path.name, path):
        (tmp_path / "outside.bin").unlink(missing_ok=there == path)
        message = f"the model at {there} has weights in 'outside.bin', and there is no such file"
        with pytest.raises(BadInput, match=message) as no:
            build(path.read_bytes(), RTX, path=str(there))
        assert no.value.cure == "put it there, or save the model as one file"


def test_a_dynamic_batch_has_a_range(rtx: Runtime) -> None:
    engine = build(trt_models.network(batch="n"), BuildOptions(flavour="rtx", batch=(1, 4, 8)))
    assert engine.facts["inputs"] == "images:FLOAT:-1x3x16x16"
    assert engine.facts["batch"] == "1,4,8"
    with pytest.raises(BadInput, match="batch is fixed"):
        build(trt_models.network(), BuildOptions(flavour="rtx", batch=(1, 4, 8)))


def test_compute_capabilities_enter_the_engine(rtx: Runtime) -> None:
    some = BuildOptions(flavour="rtx", compute_capabilities=("8.6", "8.9"))
    engine = build(trt_models.network(), some)
    assert engine.facts["compute_capability"] == "8.6,8.9"
    assert engine.plan != build(trt_models.network(), RTX).plan


def test_too_small_a_workspace_says_so(rtx: Runtime) -> None:
    tiny = BuildOptions(flavour="rtx", workspace_bytes=1, compute_capabilities=("8.6",))
    with pytest.raises(BadInput, match="workspace limit") as no:
        build(trt_models.network(trt_models.HALF), tiny)
    assert no.value.cure == "allow a larger workspace"


@pytest.mark.parametrize(
    "options",
    [
        BuildOptions(flavour="rtx", optimisation_level=5),
        BuildOptions(flavour="rtx", hardware_compatibility="ampere_plus"),
    ],
)
def test_what_this_flavour_ignores_is_refused(rtx: Runtime, options: BuildOptions) -> None:
    with pytest.raises(BadInput, match="TensorRT for RTX ignores it"):
        build(trt_models.network(), options)


def test_progress_is_told_and_ends(rtx: Runtime) -> None:
    seen: list[tuple[str, float]] = []
    build(trt_models.network(), RTX, lambda phase, share: seen.append((phase, share)))
    assert len(seen) > 20
    assert all(0 <= share <= 1 for _, share in seen)
    first = seen[0][0]
    assert [share for phase, share in seen if phase == first][-1] == 1


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("mine")])
@pytest.mark.parametrize("after", [0, 15])
def test_what_the_callback_raises_cancels_and_comes_back(
    rtx: Runtime, error: BaseException, after: int, capfd: pytest.CaptureFixture[str]
) -> None:
    calls = 0

    def stop(phase: str, share: float) -> None:
        nonlocal calls
        calls += 1
        if calls > after:
            raise error

    with pytest.raises(type(error)) as caught:
        build(trt_models.network(), RTX, stop)
    assert caught.value is error
    assert calls == after + 1
    assert capfd.readouterr().err == "", "nothing is printed behind our back"
    assert build(trt_models.network(), RTX).plan, "and the next build works"


def test_ctrl_c_ends_a_build(rtx: Runtime) -> None:
    def press(phase: str, share: float) -> None:
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        build(trt_models.network(), RTX, press)


def test_a_cancellation_that_was_not_ours_was_ctrl_c(
    rtx: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def between_the_lines(trt: Any, progress: object) -> Any:
        class Monitor(trt.IProgressMonitor):  # type: ignore[misc]
            stopped_by = None

            def __init__(self) -> None:
                trt.IProgressMonitor.__init__(self)

            def phase_start(self, phase: str, parent: str | None, steps: int) -> None:
                pass

            def step_complete(self, phase: str, step: int) -> bool:
                return False

            def phase_finish(self, phase: str) -> None:
                pass

        return Monitor()

    monkeypatch.setattr("sgnas_profilers.trt.build._monitor", between_the_lines)
    with pytest.raises(KeyboardInterrupt):
        build(trt_models.network(), RTX)


def test_the_engine_has_a_manifest_that_is_checked(rtx: Runtime) -> None:
    engine = build(trt_models.network(), RTX)
    here = {"flavour": "rtx", "version": rtx.version, "platform": engine.facts["platform"]}
    plans.check(engine.plan, engine.facts, {**here, "compute_capability": "8.9"})
    with pytest.raises(BadInput, match="not the one that its manifest was written for"):
        plans.check(engine.plan[:-1], engine.facts, here)


def test_without_any_tensorrt_the_message_tells_all_that_was_tried(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("tensorrt", "tensorrt_rtx", "tensorrt_rtx_bindings"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(EnvironmentProblem, match=r"tensorrt: .*tensorrt_rtx_bindings: ") as no:
        load()
    assert "sgnas-deploy[rtx]" in str(no.value)
    assert "--system-site-packages" in str(no.value)


def test_an_unknown_flavour() -> None:
    with pytest.raises(SgnasError, match="no TensorRT flavour 'lite'"):
        load("lite")
