"""8-bit integers: where pairs stand, and how much is lost."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from sgnas_deploy import emitter, spaces
from sgnas_deploy.errors import BadInput, ClearNo
from sgnas_deploy.precision import calibrate, int8, integers_for

BACKENDS = ("onnxruntime", "tensorrt")
SPACES = ("tiny+se", "cifar", "cifar+hswish+se", "nasbench201")


def network(space: str, seed: int = 0, **flags: object) -> onnx.ModelProto:
    found = spaces.load(space)
    options = found.sample(np.random.default_rng(seed))
    return emitter.emit_network(found, options, "concat", "dynamic", **flags)  # type: ignore[arg-type]


def images(space: str, count: int = 4) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    side = spaces.load(space).resolution
    return np.random.default_rng(1).standard_normal((count, 3, side, side)).astype(np.float32)


def run(
    model: onnx.ModelProto, x: np.ndarray[tuple[int, ...], np.dtype[np.float32]]
) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    ort = pytest.importorskip("onnxruntime")
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    found: np.ndarray[tuple[int, ...], np.dtype[np.float32]] = session.run(None, {"images": x})[0]
    return found


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("space", SPACES)
def test_a_calibrated_network_computes_nearly_the_same(space: str, backend: str) -> None:
    x = images(space, 16)
    single = network(space)
    found = calibrate.ranges(single, x)
    model = network(space, precision="int8", backend=backend, ranges=found)
    onnx.checker.check_model(model, full_check=True)
    exact = run(single, x)
    quantised = run(model, x)
    assert 0 < np.abs(quantised - exact).max() < 0.3 * np.abs(exact).max()
    angles = (quantised * exact).sum(1)
    angles /= np.linalg.norm(quantised, axis=1) * np.linalg.norm(exact, axis=1)
    assert angles.min() > 0.95


@pytest.mark.parametrize("space", SPACES)
def test_signed_pairs_are_what_tensorrt_takes(space: str) -> None:
    graph = network(space, precision="int8", backend="tensorrt").graph
    constants = {t.name: onnx.numpy_helper.to_array(t) for t in graph.initializer}
    pairs = [n for n in graph.node if n.op_type in ("QuantizeLinear", "DequantizeLinear")]
    assert pairs
    for node in pairs:
        zero = constants[node.input[2]]
        assert zero.dtype == np.int8
        assert not zero.any()
        # Never an int32 bias: TensorRT refuses it.
        if node.input[0] in constants:
            assert constants[node.input[0]].dtype == np.int8
            assert constants[node.input[0]].min() >= -127
    made_by = {name: n.op_type for n in graph.node for name in n.output}
    for node in graph.node:
        if node.op_type == "Conv":
            assert made_by[node.input[0]] == made_by[node.input[1]] == "DequantizeLinear"
            assert constants[node.input[2]].dtype == np.float32


@pytest.mark.parametrize("space", SPACES)
def test_unsigned_pairs_make_integer_kernels(space: str) -> None:
    graph = network(space, precision="int8", backend="onnxruntime").graph
    readers: dict[str, list[str]] = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node.op_type)
    for node in graph.node:
        if node.op_type == "Conv":
            assert readers[node.output[0]] == ["QuantizeLinear"], node.name
    assert "Clip" not in {n.op_type for n in graph.node}, "a range does it"


def test_unsigned_networks_run_in_integers(tmp_path: object) -> None:
    ort = pytest.importorskip("onnxruntime")
    model = network("cifar", precision="int8", backend="onnxruntime")
    options = ort.SessionOptions()
    options.optimized_model_filepath = f"{tmp_path}/optimised.onnx"
    options.log_severity_level = 3
    ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    ops = [n.op_type for n in onnx.load(options.optimized_model_filepath).graph.node]
    assert "Conv" not in ops
    assert ops.count("QLinearConv") == sum(n.op_type == "Conv" for n in model.graph.node)


def test_the_kind_of_integers_is_the_backends() -> None:
    assert integers_for("onnxruntime") == "unsigned"
    assert {integers_for(b) for b in ("tensorrt", "trtexec", "openvino", "null")} == {"signed"}


@pytest.mark.parametrize("backend", BACKENDS)
def test_operators_that_move_numbers_share_a_scale(backend: str) -> None:
    graph = network("cifar", precision="int8", backend=backend).graph
    scale = {name: n.input[1] for n in graph.node if "Linear" in n.op_type for name in n.output}
    scale |= {n.input[0]: n.input[1] for n in graph.node if n.op_type == "QuantizeLinear"}
    concats = [n for n in graph.node if n.op_type == "Concat"]
    assert concats
    for node in concats:
        assert len({scale[name] for name in (*node.input, *node.output)}) == 1


def test_an_outlier_does_not_take_the_range() -> None:
    # A million small values, spread evenly, and one that is ten times larger.
    counts = np.zeros(1000)
    counts[:100] = 10_000
    counts[-1] = 1
    # Cut off is (1 - s)^2, coarseness costs 10^6 s^2 / (12 * 127^2): least at s = 0.16.
    assert calibrate.best_share(counts) == pytest.approx(1 / 6.17, abs=0.01)
    assert calibrate.best_share(np.ones(1000)) > 0.95


def test_ranges_are_those_of_the_images() -> None:
    x = images("tiny")
    model = network("tiny")
    largest = calibrate.largest(model, x)
    assert largest["images"] == np.abs(x).max()
    tensors = {name for n in model.graph.node for name in n.output}
    assert set(largest) == {"images", *tensors}
    found = calibrate.ranges(model, x)
    assert all(0 < found[name] <= largest[name] for name in tensors if largest[name])
    assert found == calibrate.ranges(model, x)


def test_a_network_that_is_not_finite_is_refused() -> None:
    x = images("tiny")
    x[0, 0, 0, 0] = np.inf
    with pytest.raises(ClearNo, match="not finite in single precision"):
        calibrate.largest(network("tiny"), x)


def test_an_unknown_precision_is_named() -> None:
    with pytest.raises(BadInput, match="unknown precision 'int4'") as no:
        network("tiny", precision="int4")
    assert no.value.cure == "choose one of fp32, fp16, int8"
    with pytest.raises(BadInput, match="unknown precision"):
        emitter.emit_block(spaces.all_blocks(spaces.load("tiny"))[0], "concat", 1, "bf16")


def test_plausible_ranges_cover_arbitrary_weights() -> None:
    # Timing needs no accuracy, but numbers that do not all end at a limit.
    space, x = "cifar", images("cifar")
    model = network(space)
    largest = calibrate.largest(model, x)
    plausible = int8.plausible(model.graph)
    shares = [largest[name] / plausible[name] for name in plausible if largest[name]]
    assert 0.1 < float(np.median(shares)) < 3
