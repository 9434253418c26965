"""Half precision: what is converted, and what has to stay."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sgnas_deploy import emitter, spaces
from sgnas_deploy.precision import fp16

TINY = spaces.load("tiny+se")
OPTIONS = TINY.sample(np.random.default_rng(0))


def single() -> onnx.ModelProto:
    return emitter.emit_network(TINY, OPTIONS, "concat", 2)


def run(model: onnx.ModelProto) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    ort = pytest.importorskip("onnxruntime")
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    side = TINY.resolution
    x = np.random.default_rng(1).standard_normal((2, 3, side, side)).astype(np.float32)
    found: np.ndarray[tuple[int, ...], np.dtype[np.float32]] = session.run(None, {"images": x})[0]
    return found


def test_a_network_takes_and_gives_single_precision_and_computes_in_half() -> None:
    model = fp16.halve(single(), (), half_io=False)
    onnx.checker.check_model(model, full_check=True)
    ops = [node.op_type for node in model.graph.node]
    assert ops.count("Cast") == 2
    assert (ops[0], ops[-1]) == ("Cast", "Cast")
    assert not any(t.data_type == onnx.TensorProto.FLOAT for t in model.graph.initializer)
    exact = run(single())
    assert 0 < np.abs(run(model) - exact).max() < 2e-3 * np.abs(exact).max()


@given(seed=st.integers(0, 10**6), share=st.floats(0, 1))
@settings(max_examples=15, deadline=None)
def test_any_nodes_may_stay_in_single_precision(seed: int, share: float) -> None:
    model = single()
    rng = np.random.default_rng(seed)
    keep = {node.name for node in model.graph.node if rng.random() < share}
    mixed = fp16.halve(model, keep, half_io=False)
    onnx.checker.check_model(mixed, full_check=True)
    kept = [n for n in mixed.graph.node if n.op_type != "Cast"]
    assert [n.name for n in kept] == [n.name for n in model.graph.node]
    exact = run(model)
    assert np.abs(run(mixed) - exact).max() < 2e-3 * np.abs(exact).max()


def test_keeping_everything_changes_nothing_but_names() -> None:
    model = single()
    kept = fp16.halve(model, {n.name for n in model.graph.node}, half_io=False)
    assert [n.op_type for n in kept.graph.node] == [n.op_type for n in model.graph.node]
    np.testing.assert_array_equal(run(kept), run(model))


def test_what_does_not_fit_is_found_and_kept() -> None:
    model = single()
    conv = next(n for n in model.graph.node if n.op_type == "Conv" and ".k3.expand" in n.name)
    (weight,) = (t for t in model.graph.initializer if t.name == conv.input[1])
    values = onnx.numpy_helper.to_array(weight).copy()
    assert fp16.unfit(model, {}) == frozenset()

    weight.raw_data = (values * np.float32(1e6)).tobytes()  # overflow
    assert fp16.weight_error(weight) == float("inf")
    assert fp16.unfit(model, {}) == {conv.name}
    weight.raw_data = (values * np.float32(1e-7)).tobytes()  # underflow
    assert 0.01 < fp16.weight_error(weight) <= 1
    assert fp16.unfit(model, {}) == {conv.name}

    weight.raw_data = values.tobytes()
    large = conv.output[0]
    readers = {n.name for n in model.graph.node if large in n.input}
    assert fp16.unfit(model, {large: 1e5}) == {conv.name, *readers}
    assert fp16.unfit(model, {large: 1e3}) == frozenset()
    assert fp16.unfit(model, {large: float("nan")}) == {conv.name, *readers}


def test_a_bias_of_rounding_errors_is_no_reason_for_single_precision() -> None:
    model = single()
    conv = next(n for n in model.graph.node if n.op_type == "Conv" and len(n.input) == 3)
    (bias,) = (t for t in model.graph.initializer if t.name == conv.input[2])
    values = onnx.numpy_helper.to_array(bias).copy()
    bias.raw_data = np.full_like(values, 1e-8).tobytes()
    assert fp16.weight_error(bias) == 1.0
    assert fp16.unfit(model, {}) == frozenset()
    bias.raw_data = np.full_like(values, 1e6).tobytes()
    assert fp16.unfit(model, {}) == {conv.name}


def test_rounding_alone_is_far_from_the_limit() -> None:
    assert max(map(fp16.weight_error, single().graph.initializer)) < 1e-3
