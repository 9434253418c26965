"""Single to half precision: weights and activations, for the operators that the emitter writes.

No operator of a deployed network needs single precision as such; what decides is the numbers.
Nodes whose weights or activations leave the range of half precision (`unfit`) stay in single
precision, with casts around them.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Final

import numpy as np
import onnx

LARGEST: Final = 65504.0
"""The largest finite number of half precision (IEEE 754-2008, binary16)."""
HEADROOM: Final = 4.0
"""Activations of images that nobody has looked at may be so many times larger."""
MAX_WEIGHT_ERROR: Final = 0.01
"""Of a whole weight, relative (in the 2-norm). Rounding alone costs 0.0003; what goes beyond is
overflow, or so many numbers below half precision's smallest that they matter."""

_FLOAT: Final = onnx.TensorProto.FLOAT
_HALF: Final = onnx.TensorProto.FLOAT16


def unfit(model: onnx.ModelProto, largest: Mapping[str, float]) -> frozenset[str]:
    """Names of the nodes that have to stay in single precision.

    Args:
        model: in single precision.
        largest: largest absolute value that was seen of each tensor; what is not named counts
            as small.
    """
    errors = {tensor.name: weight_error(tensor) for tensor in model.graph.initializer}
    added = _added(model)
    bad = {name for name, value in largest.items() if not value < LARGEST / HEADROOM}
    for name, error in errors.items():
        # Of what is only added, overflow alone matters.
        if error == math.inf or (error > MAX_WEIGHT_ERROR and name not in added):
            bad.add(name)
    return frozenset(
        node.name for node in model.graph.node if bad.intersection((*node.input, *node.output))
    )


def _added(model: onnx.ModelProto) -> frozenset[str]:
    """Names of what is only added.

    A bias that is too small for half precision is too small to matter there: the sum is rounded to
    steps no finer than the smallest number that it could be.
    """
    added, other = set[str](), set[str]()
    for node in model.graph.node:
        for place, name in enumerate(node.input):
            bias = node.op_type == "Add" or (node.op_type in ("Conv", "Gemm") and place == 2)
            (added if bias else other).add(name)
    return frozenset(added - other)


def weight_error(tensor: onnx.TensorProto) -> float:
    """Relative error, in the 2-norm, that half precision does to a constant; 0 for integers."""
    if tensor.data_type != _FLOAT:
        return 0.0
    exact = onnx.numpy_helper.to_array(tensor).astype(np.float64)
    norm = float(np.linalg.norm(exact))
    with np.errstate(over="ignore"):
        half = exact.astype(np.float16).astype(np.float64)
    if not np.isfinite(half).all():
        return float("inf")
    return float(np.linalg.norm(half - exact)) / norm if norm else 0.0


def halve(model: onnx.ModelProto, keep: Collection[str], half_io: bool) -> onnx.ModelProto:
    """The same network in half precision.

    Args:
        model: in single precision, with one input and one output.
        keep: names of nodes that stay in single precision.
        half_io: for a block alone: input and output are half precision too, so that no cast is
            timed. Otherwise both stay single precision, with a cast after and before.

    Returns:
        A new model; nodes keep their names and order.
    """
    new = onnx.ModelProto()
    new.CopyFrom(model)
    graph = new.graph
    del graph.node[:], graph.initializer[:]
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    kept = {node.name for node in model.graph.node} & set(keep)
    for name, tensor in constants.items():
        users = [node.name in kept for node in model.graph.node if name in node.input]
        if tensor.data_type != _FLOAT:
            graph.initializer.append(tensor)
            continue
        if not all(users):
            half = onnx.numpy_helper.to_array(tensor).astype(np.float16)
            graph.initializer.append(onnx.numpy_helper.from_array(half, name))
        if any(users):
            single = onnx.TensorProto()
            single.CopyFrom(tensor)
            single.name = f"{name}.single"
            graph.initializer.append(single)

    (source,) = graph.input
    (result,) = graph.output
    # Of each tensor, the names it has in either precision; casts are made when first asked for.
    names: dict[tuple[str, int], str] = {(source.name, _FLOAT): source.name}
    if half_io:
        source.type.tensor_type.elem_type = _HALF
        result.type.tensor_type.elem_type = _HALF
        names = {(source.name, _HALF): source.name}
    wanted_last = _HALF if half_io else _FLOAT

    def read(name: str, kind: int) -> str:
        if name in constants:
            is_float = constants[name].data_type == _FLOAT
            return f"{name}.single" if is_float and kind == _FLOAT else name
        if (name, kind) not in names:
            other = names[name, _FLOAT if kind == _HALF else _HALF]
            names[name, kind] = f"{name}.half" if kind == _HALF else f"{name}.single"
            _cast(graph, other, names[name, kind], kind)
        return names[name, kind]

    for node in model.graph.node:
        kind = _FLOAT if node.name in kept else _HALF
        inputs = [read(name, kind) for name in node.input]
        copy = graph.node.add()
        copy.CopyFrom(node)
        copy.input[:] = inputs
        for i, name in enumerate(node.output):
            if name == result.name and kind != wanted_last:
                copy.output[i] = f"{name}.half" if kind == _HALF else f"{name}.single"
            names[name, kind] = copy.output[i]
    if (result.name, wanted_last) not in names:
        (other,) = (found for (name, _), found in names.items() if name == result.name)
        _cast(graph, other, result.name, wanted_last)
    return new


def _cast(graph: onnx.GraphProto, x: str, y: str, kind: int) -> None:
    graph.node.add(
        op_type="Cast",
        name=f"{y}.cast",
        input=[x],
        output=[y],
        attribute=[onnx.helper.make_attribute("to", kind)],
    )
