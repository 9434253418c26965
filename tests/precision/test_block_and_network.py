"""What is profiled is what is deployed, in every precision."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from sgnas_deploy import emitter, spaces

KINDS = [("fp32", "onnxruntime"), ("fp16", "onnxruntime"), ("int8", "onnxruntime")]
KINDS += [("int8", "tensorrt")]

Node = tuple[object, ...]


def nodes(model: onnx.ModelProto) -> list[Node]:
    """Operators, attributes, types and shapes of constants: all but names and numbers."""
    constants = {t.name: (tuple(t.dims), t.data_type) for t in model.graph.initializer}
    return [
        (
            node.op_type,
            tuple(a.SerializeToString() for a in node.attribute),
            tuple(constants.get(i) for i in node.input),
            len(node.output),
        )
        for node in model.graph.node
    ]


@pytest.mark.parametrize(("precision", "backend"), KINDS)
@pytest.mark.parametrize("form", emitter.FORMS)
@pytest.mark.parametrize("identifier", ["tiny+hswish+se", "cifar", "nasbench201"])
def test_a_network_is_its_blocks(identifier: str, form: str, precision: str, backend: str) -> None:
    space = spaces.load(identifier)
    options = space.sample(np.random.default_rng(3))
    network = nodes(
        emitter.emit_network(space, options, form, 1, precision=precision, backend=backend)
    )
    alone = []
    for _, block in space.network_blocks(options):
        model = onnx.load_from_string(emitter.emit_block(block, form, 1, precision, backend))
        onnx.checker.check_model(model, full_check=True)
        alone += nodes(model)
    # What a network has besides: the image comes in, and the logits go out, in single precision.
    ops = [node[0] for node in network]
    if precision == "fp16":
        assert (ops[0], ops[-1]) == ("Cast", "Cast")
        network = network[1:-1]
    elif precision == "int8":
        assert ops[0] == "QuantizeLinear"
        network = network[1:]
    assert network == alone


@pytest.mark.parametrize(("precision", "backend"), KINDS)
def test_blocks_run_alone(precision: str, backend: str) -> None:
    ort = pytest.importorskip("onnxruntime")
    rng = np.random.default_rng(0)
    kinds = {"fp32": np.float32, "fp16": np.float16, "int8": np.int8}
    kind = np.uint8 if (precision, backend) == ("int8", "onnxruntime") else kinds[precision]
    for block in spaces.all_blocks(spaces.load("tiny+se"))[::7]:
        model = emitter.emit_block(block, "concat", 2, precision, backend)
        session = ort.InferenceSession(model, providers=["CPUExecutionProvider"])
        x = rng.integers(1, 100, (2, *block.input_shape)).astype(kind)
        (y,) = session.run(None, {"input": x})
        assert y.shape == (2, *block.output_shape)
        assert y.dtype == (kind if block.output_shape != (10,) or precision != "int8" else "f4")
        assert np.isfinite(y.astype(np.float64)).all()


def test_large_blocks_travel_light() -> None:
    import zlib

    whole = packed = 0
    for block in spaces.all_blocks(spaces.load("imagenet+r64"))[::16]:
        model = emitter.emit_block(block, "concat", 1)
        whole += len(model)
        packed += len(zlib.compress(model))
    assert whole > 10 * packed
