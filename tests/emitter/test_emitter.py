"""The emitter: valid models, one function in every form, the same nodes alone and in a network."""

from __future__ import annotations

import itertools
import re

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sgnas_deploy import emitter, spaces
from sgnas_deploy.blocks import Activation, Block
from sgnas_deploy.blocks.mb import MixedMBConv
from sgnas_deploy.errors import BadInput
from sgnas_deploy.spaces.mixed import MixedSpace

OPSET_IR_GUARD = (17, 10)
"""Newest operator set and file version that the oldest supported device reads."""


def check(model: onnx.ModelProto) -> None:
    onnx.checker.check_model(model, full_check=True)
    assert [(o.domain, o.version) for o in model.opset_import] == [("", OPSET_IR_GUARD[0])]
    assert model.ir_version <= OPSET_IR_GUARD[1]


def emitted(block: Block, form: str, batch: int = 1) -> onnx.ModelProto:
    return onnx.load_from_string(emitter.emit_block(block, form, batch))


def shape_of(info: onnx.ValueInfoProto) -> tuple[int, ...]:
    return tuple(dim.dim_value for dim in info.type.tensor_type.shape.dim)


@pytest.mark.parametrize("form", emitter.FORMS)
def test_every_block_of_tiny_is_valid(form: str) -> None:
    for block in spaces.all_blocks(spaces.load("tiny+se")):
        model = emitted(block, form, 2)
        check(model)
        assert shape_of(model.graph.input[0]) == (2, *block.input_shape)
        assert shape_of(model.graph.output[0]) == (2, *block.output_shape)


@pytest.mark.parametrize("variant", ["", "+hswish", "+se", "+hswish+se", "+paper"])
def test_every_eighth_block_of_imagenet_is_valid(variant: str) -> None:
    blocks = spaces.all_blocks(spaces.load(f"imagenet{variant}"))
    for i, block in enumerate(blocks[::8]):
        form = emitter.FORMS[i % len(emitter.FORMS)]
        check(emitted(block, form))


@given(
    size=st.integers(1, 15),
    c_in=st.integers(1, 9),
    c_out=st.integers(1, 9),
    stride=st.sampled_from([1, 2]),
    counts=st.tuples(*[st.integers(0, 2)] * 3).filter(any),
    activation=st.sampled_from(["relu6", "hswish"]),
    se=st.booleans(),
    batch=st.integers(1, 3),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_all_forms_are_one_function(
    size: int,
    c_in: int,
    c_out: int,
    stride: int,
    counts: tuple[int, int, int],
    activation: Activation,
    se: bool,
    batch: int,
) -> None:
    ort = pytest.importorskip("onnxruntime")
    block = MixedMBConv(size, c_in, c_out, stride, counts, activation, se)
    x = np.random.default_rng(0).standard_normal((batch, *block.input_shape), np.float32)
    outputs = []
    for form in emitter.FORMS:
        model = emitter.emit_block(block, form, batch)
        check(onnx.load_from_string(model))
        session = ort.InferenceSession(model, providers=["CPUExecutionProvider"])
        outputs.append(session.run(None, {"input": x})[0])
    for other in outputs[1:]:
        np.testing.assert_allclose(other, outputs[0], rtol=0, atol=2e-5)


def test_forms_are_different_graphs() -> None:
    block = MixedMBConv(8, 8, 8, 1, (2, 1, 1), "relu6", se=True)
    ops = {form: [n.op_type for n in emitted(block, form).graph.node] for form in emitter.FORMS}
    for a, b in itertools.combinations(emitter.FORMS, 2):
        assert ops[a] != ops[b]
    depthwise = [op for op in ops["padded"] if op == "Conv"]
    assert len(depthwise) == 3 + 2  # expansion, depthwise, projection; two in the SE
    assert ops["split"].count("Split") == 1
    assert ops["sum"].count("Add") == 2 + 1  # of three projections; the shortcut


@pytest.mark.parametrize("form", emitter.FORMS)
def test_one_kernel_size_is_one_chain_in_every_form(form: str) -> None:
    block = MixedMBConv(8, 8, 16, 1, (0, 3, 0), "relu6")
    graph = emitted(block, form).graph
    assert [n.op_type for n in graph.node] == ["Conv", "Clip", "Conv", "Clip", "Conv"]


def test_padded_kernels_have_a_border_of_zeros() -> None:
    block = MixedMBConv(8, 4, 4, 1, (1, 0, 1), "relu6")
    graph = emitted(block, "padded").graph
    weights = {t.name: onnx.numpy_helper.to_array(t) for t in graph.initializer}
    joint = weights["block.k7.depthwise.weight"]
    assert joint.shape == (8, 1, 7, 7)
    assert np.count_nonzero(joint) == 4 * 9 + 4 * 49
    assert np.count_nonzero(joint[:4, :, 2:5, 2:5]) == 4 * 9


def _nodes(model: onnx.ModelProto) -> list[tuple[object, ...]]:
    """Operators, attributes, and shapes of initialisers: all but names and numbers."""
    shapes = {t.name: tuple(t.dims) for t in model.graph.initializer}
    return [
        (
            node.op_type,
            tuple(a.SerializeToString() for a in node.attribute),
            tuple(shapes.get(i) for i in node.input),
            len(node.output),
        )
        for node in model.graph.node
    ]


def _edges(model: onnx.ModelProto) -> list[list[int | None]]:
    """For every node where its inputs come from, as a distance in nodes (None: initialiser)."""
    made = {model.graph.input[0].name: -1}
    found: list[list[int | None]] = []
    for at, node in enumerate(model.graph.node):
        found.append([at - made[i] if i in made else None for i in node.input])
        made.update(dict.fromkeys(node.output, at))
    return found


@pytest.mark.parametrize("form", emitter.FORMS)
@pytest.mark.parametrize("identifier", ["tiny", "tiny+hswish+se", "cifar+c100", "imagenet"])
def test_a_network_is_its_blocks(identifier: str, form: str) -> None:
    space = spaces.load(identifier)
    options = space.sample(np.random.default_rng(3))
    network = emitter.emit_network(space, options, form, 1)
    alone = [emitted(block, form) for _, block in space.network_blocks(options)]
    assert _nodes(network) == [node for model in alone for node in _nodes(model)]
    assert _edges(network) == [edges for model in alone for edges in _edges(model)]


def test_names_are_those_of_the_convolutions() -> None:
    space = spaces.load("tiny+se")
    options = space.sample(np.random.default_rng(0))
    graph = emitter.emit_network(space, options, "concat", 1).graph
    found = {n.name for n in graph.node if n.op_type in {"Conv", "Gemm"}}
    expected = {
        f"{name}.{conv.name}"
        for name, block in space.network_blocks(options)
        for conv in block.convs
    }
    assert found == expected
    names = [n.name for n in graph.node] + [t.name for t in graph.initializer]
    assert len(names) == len(set(names))
    assert all(re.fullmatch(r"[a-z0-9_.]+", name) for name in names)


def test_every_convolution_has_a_bias() -> None:
    space = spaces.load("imagenet")
    assert isinstance(space, MixedSpace)
    graph = emitter.emit_network(space, (40,) * 19, "concat", 1).graph
    assert all(len(n.input) == 3 for n in graph.node if n.op_type == "Conv")
    assert not any(n.op_type == "BatchNormalization" for n in graph.node)


def test_the_same_arguments_give_the_same_bytes() -> None:
    block = MixedMBConv(8, 8, 8, 1, (2, 1, 1), "relu6")
    assert emitter.emit_block(block, "sum", 1) == emitter.emit_block(block, "sum", 1)
    space = spaces.load("tiny")
    first, second = (
        emitter.emit_network(space, (5,) * 6, "concat", 1, metadata={"a": "b"}) for _ in range(2)
    )
    assert first.SerializeToString() == second.SerializeToString()
    assert [(p.key, p.value) for p in first.metadata_props] == [("a", "b")]


def test_misuse_is_named() -> None:
    space = spaces.load("tiny")
    block = space.fixed_blocks()[0]
    with pytest.raises(BadInput, match=r"unknown graph form 'best'.*concat, sum, padded, split"):
        emitter.emit_block(block, "best", 1)
    with pytest.raises(BadInput, match="batch of 0"):
        emitter.emit_block(block, "concat", 0)
    with pytest.raises(BadInput, match="6 options, not 5"):
        emitter.emit_network(space, (0,) * 5, "concat", 1)
