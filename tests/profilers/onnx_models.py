"""Tiny ONNX models."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def one_node(
    operator: str,
    inputs: Sequence[tuple[str, int, Sequence[int | str]]],
    output: tuple[str, int, Sequence[int | str]],
) -> bytes:
    """A model of one operator: (name, element type, shape) of its inputs and of its output."""
    graph = helper.make_graph(
        [helper.make_node(operator, [name for name, _, _ in inputs], [output[0]])],
        "one_node",
        [helper.make_tensor_value_info(name, kind, shape) for name, kind, shape in inputs],
        [helper.make_tensor_value_info(output[0], output[1], output[2])],
    )
    return _bytes(graph)


def relu(batch: int | str = 1) -> bytes:
    return one_node(
        "Relu",
        [("images", TensorProto.FLOAT, [batch, 3, 8, 8])],
        ("features", TensorProto.FLOAT, [batch, 3, 8, 8]),
    )


def conv(channels: int = 8) -> bytes:
    """A 3x3 convolution with weights: something that a runtime must work for."""
    weights = np.random.default_rng(0).normal(0, 0.1, (channels, 3, 3, 3)).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node("Conv", ["images", "weights"], ["features"], pads=[1, 1, 1, 1])],
        "conv",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, 16, 16])],
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, [1, channels, 16, 16])],
        [numpy_helper.from_array(weights, "weights")],
    )
    return _bytes(graph)


def _bytes(graph: onnx.GraphProto) -> bytes:
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(model.SerializeToString())
