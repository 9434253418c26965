"""Arbitrary weights keep activations where a trained network has them."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from sgnas_deploy import emitter, spaces
from sgnas_deploy.blocks import Conv
from sgnas_deploy.blocks.mb import MixedMBConv
from sgnas_deploy.emitter import ArbitraryWeights, NamedWeights

SMALLEST_NORMAL = float(np.finfo(np.float32).tiny)


def activations(model: onnx.ModelProto, source: str) -> dict[str, np.ndarray]:
    """Every tensor of the model for a normal input."""
    ort = pytest.importorskip("onnxruntime")
    for node in model.graph.node[:-1]:
        for name in node.output:
            model.graph.output.add(name=name)
    model = onnx.shape_inference.infer_shapes(model, strict_mode=True)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    shape = session.get_inputs()[0].shape
    x = np.random.default_rng(1).standard_normal(shape, np.float32)
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {source: x}), strict=True))


def assert_in_range(found: dict[str, np.ndarray]) -> None:
    for name, values in found.items():
        assert np.isfinite(values).all(), name
        nonzero = np.abs(values[values != 0])
        assert nonzero.size, name
        # Denormals are what slows a CPU down, half precision's are within reach too.
        assert nonzero.min() > 1e-20, name
        rms = float(np.sqrt(np.mean(np.square(values, dtype=np.float64))))
        # The eight channels inside a squeeze-and-excitation may mostly be off.
        assert (1e-4 if ".se." in name else 0.03) < rms < 5, (name, rms)


@pytest.mark.parametrize("variant", ["", "+hswish", "+se", "+hswish+se"])
@pytest.mark.parametrize("base", ["tiny", "cifar", "imagenet+r64"])
def test_no_network_vanishes_or_explodes(base: str, variant: str) -> None:
    space = spaces.load(base + variant)
    smallest = (0,) * len(space.option_counts)
    largest = tuple(count - 1 for count in space.option_counts)
    for options in (smallest, largest, space.sample(np.random.default_rng(0))):
        assert_in_range(activations(emitter.emit_network(space, options, "concat", 1), "images"))


@pytest.mark.parametrize("form", emitter.FORMS)
@pytest.mark.parametrize("variant", ["", "+hswish+se"])
def test_no_block_alone_vanishes_or_explodes(variant: str, form: str) -> None:
    for block in spaces.all_blocks(spaces.load(f"tiny{variant}"))[::9]:
        model = onnx.load_from_string(emitter.emit_block(block, form, 1))
        assert_in_range(activations(model, "input"))


def test_weights_are_neither_zero_nor_tiny_and_follow_the_name() -> None:
    weights = ArbitraryWeights()
    # More numbers than the pool has, so that it is walked through twice.
    conv = Conv("classifier", 1280, 1000, 1, 1, 1, 1, "none", normalised=False)
    weight, bias = weights.conv("head.classifier", conv)
    assert weight.shape == (1000, 1280, 1, 1)
    assert bias.shape == (1000,)
    assert weight.dtype == bias.dtype == np.float32
    assert np.abs(weight).min() > 6.2e-5  # also normal in half precision
    assert np.abs(bias).min() > 6.2e-5
    assert len(np.unique(weight, axis=0)) == 1000
    same, _ = weights.conv("head.classifier", conv)
    np.testing.assert_array_equal(weight, same)
    other, _ = weights.conv("tail.classifier", conv)
    assert not np.array_equal(weight, other)


def test_named_weights_must_fit() -> None:
    conv = Conv("project", 4, 2, 1, 1, 1, 8, "none")
    fits = np.ones((2, 4, 1, 1), np.float32), np.ones(2, np.float32)
    assert NamedWeights({"a": fits}).conv("a", conv) == fits
    with pytest.raises(ValueError, match="shapes"):
        NamedWeights({"a": (fits[0][:1], fits[1])}).conv("a", conv)


def test_the_widest_block_stays_normal_in_half_precision() -> None:
    block = MixedMBConv(7, 192, 320, 1, (6, 0, 0), "hswish", se=True)
    graph = onnx.load_from_string(emitter.emit_block(block, "concat", 1)).graph
    for tensor in graph.initializer:
        values = onnx.numpy_helper.to_array(tensor)
        if values.ndim:
            assert np.abs(values).min() > 6.2e-5, tensor.name
