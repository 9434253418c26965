"""Single precision to 8-bit integers, by explicit quantise/dequantise pairs.

The graph says what is an integer: a tensor `t` that is quantised goes through `QuantizeLinear`
and `DequantizeLinear`, and every runtime of interest makes integer kernels of what stands between
such pairs. Weights are symmetric with one scale per output channel; biases stay in single
precision. Activations are of one of two kinds, and pairs stand where each kind's runtimes fuse
them:

* signed: zero point 0, -127..127, pairs only where an operator with an integer kernel reads. The
  one set of choices that TensorRT takes; OpenVINO is as fast with it as with the other
* unsigned: 0..255, zero point 0 behind a ReLU and 128 elsewhere, pairs on all tensors. A ReLU
  behind a convolution is left out: cutting off at the ends of the range is what it does. ONNX
  Runtime's CPU kernels are fast with these alone (signed took twice the time)

Where pairs stand follows from the operators around alone, and the borders of a block always have
one. So a block by itself, from integers to integers, has the nodes that it has inside a network;
only the image comes in, and the logits go out, in single precision.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final, final

import numpy as np
import numpy.typing as npt
import onnx

PLAUSIBLE: Final = {"Clip": 6.0, "HardSigmoid": 1.0}
"""Range of an operator's output where nothing was calibrated, by operator."""
PLAUSIBLE_ELSEWHERE: Final = 5.0
"""Of all other tensors: five standard deviations of arbitrary weights' activations."""

_LEVELS: Final = 127
"""Largest signed integer; -128 is not used, so that both signs reach equally far."""
_WEIGHTED: Final = frozenset({"Conv", "Gemm"})
_ALIKE: Final = frozenset({"Concat", "Split", "Flatten"})
"""Move numbers about: inputs and outputs share a scale, or each would be scaled anew."""
_MEANS: Final = frozenset({"AveragePool", "GlobalAveragePool"})
_INTEGER: Final = _WEIGHTED | _ALIKE | _MEANS | {"Add", "Mul"}
"""Have integer kernels: what they read is quantised."""
_RECTIFIERS: Final = frozenset({"Clip", "Relu"})
_NOT_NEGATIVE: Final = _RECTIFIERS | {"HardSigmoid"}


@final
@dataclass(frozen=True)
class _Numbers:
    """How a tensor is quantised: `(q - zero) * scale`."""

    scale: float
    zero: int


def plausible(graph: onnx.GraphProto) -> dict[str, float]:
    """Ranges for arbitrary weights: good for timing, and for nothing else."""
    found = {put.name: PLAUSIBLE_ELSEWHERE for put in graph.input}
    for node in graph.node:
        reach = PLAUSIBLE.get(node.op_type, PLAUSIBLE_ELSEWHERE)
        found.update(dict.fromkeys(node.output, reach))
    return found


def quantise(
    model: onnx.ModelProto,
    ranges: Mapping[str, float],
    borders: Collection[str],
    unsigned: bool,
    integer_io: bool,
) -> onnx.ModelProto:
    """The same network with pairs.

    Args:
        model: in single precision, with one input and one output.
        ranges: largest absolute value of each tensor.
        borders: names of the tensors between blocks, input and output included.
        unsigned: the kind of integers.
        integer_io: for a block alone: its input, and its output unless they are logits, are
            integers. Otherwise both stay single precision.

    Returns:
        A new model; nodes keep their names and order.
    """
    old = model.graph
    absorbed = _absorbed(old) if unsigned else {}
    chosen = _chosen(old, borders, unsigned) - set(absorbed)
    numbers = _numbers(old, ranges, chosen, unsigned)
    new = onnx.ModelProto()
    new.CopyFrom(model)
    del new.graph.node[:], new.graph.initializer[:]
    writer = _Writer(new.graph, numbers, np.dtype(np.uint8) if unsigned else np.dtype(np.int8))

    (source,), (result,) = new.graph.input, new.graph.output
    if source.name in chosen:
        if integer_io:
            source.type.tensor_type.elem_type = writer.type
            writer.integers[source.name] = source.name
        else:
            writer.quantise(source.name, source.name)
    weights = {node.input[1] for node in old.node if node.op_type in _WEIGHTED}
    left_out = {node.name for node in old.node if node.input[0] in absorbed}
    for node in old.node:
        if node.name in left_out:
            continue
        inputs = []
        for name in node.input:
            if name in weights and node.op_type in _WEIGHTED:
                inputs.append(writer.dequantised_weight(name))
            else:
                inputs.append(writer.dequantised(name) if name in chosen else name)
        copy = new.graph.node.add()
        copy.CopyFrom(node)
        copy.input[:] = inputs
        for i, made in enumerate(node.output):
            name = absorbed.get(made, made)
            if name not in chosen:
                continue
            if name == result.name and integer_io:
                # The output keeps its name; what was computed gets another.
                copy.output[i] = f"{made}.float"
                writer.quantise(copy.output[i], name, name)
                result.type.tensor_type.elem_type = writer.type
            else:
                writer.quantise(made, name)
    used = {name for node in new.graph.node for name in node.input}
    for tensor in old.initializer:
        if tensor.name in weights:
            _add_integer_weight(new.graph, tensor)
        elif tensor.name in used:
            new.graph.initializer.append(tensor)
    return new


def _chosen(graph: onnx.GraphProto, borders: Collection[str], everywhere: bool) -> set[str]:
    """The tensors that a pair is put on; logits stay as they are."""
    constants = {tensor.name for tensor in graph.initializer}
    found = set(borders)
    for node in graph.node:
        if node.op_type in _INTEGER or everywhere:
            found.update(name for name in node.input if name not in constants)
    for node in graph.node:
        if node.op_type == "Gemm":
            found.difference_update(node.output)
    return found


def _absorbed(graph: onnx.GraphProto) -> dict[str, str]:
    """Outputs of convolutions that only a ReLU reads, and the ReLU's own output."""
    convolved = {node.output[0] for node in graph.node if node.op_type == "Conv"}
    readers: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    return {
        name: found[0].output[0]
        for name, found in readers.items()
        if name in convolved and len(found) == 1 and found[0].op_type in _RECTIFIERS
    }


def _numbers(
    graph: onnx.GraphProto, ranges: Mapping[str, float], chosen: Collection[str], unsigned: bool
) -> dict[str, _Numbers]:
    """Scale and zero point of each chosen tensor."""
    reach = {name: max(float(ranges[name]), 1e-6) for name in chosen}
    positive: set[str] = set()
    for node in graph.node:
        inherits = node.op_type in _ALIKE | _MEANS | {"Mul"}
        read = node.input[:1] if node.op_type == "Split" else node.input
        if node.op_type in _NOT_NEGATIVE or (inherits and positive.issuperset(read)):
            positive.update(node.output)
    # As often as such operators follow one another, in either direction.
    for _ in range(4):
        for node in graph.node:
            if node.op_type in _ALIKE:
                alike = [name for name in (*node.input, *node.output) if name in reach]
                largest = max((reach[name] for name in alike), default=0.0)
                reach.update(dict.fromkeys(alike, largest))
    found: dict[str, _Numbers] = {}
    for name, value in reach.items():
        if unsigned and name in positive:
            found[name] = _Numbers(float(np.float32(value / 255)), 0)
        else:
            found[name] = _Numbers(float(np.float32(value / _LEVELS)), 128 if unsigned else 0)
    return found


@final
class _Writer:
    """Appends pairs; each tensor is dequantised once, where it is first read.

    Attributes:
        integers: of each quantised tensor, the name of its integers.
        type: of the integers.
    """

    def __init__(
        self, graph: onnx.GraphProto, numbers: Mapping[str, _Numbers], kind: np.dtype[Any]
    ) -> None:
        self._graph = graph
        self._numbers = numbers
        self._kind = kind
        self._constants: set[str] = set()
        self._floats: dict[str, str] = {}
        self.integers: dict[str, str] = {}
        self.type = onnx.helper.np_dtype_to_tensor_dtype(kind)

    def quantise(self, x: str, name: str, to: str | None = None) -> None:
        """Integers of the float `x`, which stand for the tensor `name`."""
        self.integers[name] = to or f"{name}.q"
        self._pair_end("QuantizeLinear", x, self.integers[name], name)

    def dequantised(self, name: str) -> str:
        """The float that consumers of `name` read."""
        if name not in self._floats:
            self._floats[name] = f"{name}.dq"
            self._pair_end("DequantizeLinear", self.integers[name], f"{name}.dq", name)
        return self._floats[name]

    def dequantised_weight(self, name: str) -> str:
        """The float that an operator reads for a weight of integers."""
        self._graph.node.add(
            op_type="DequantizeLinear",
            name=f"{name}.dequantise",
            input=[f"{name}.q", f"{name}.scale", f"{name}.zero"],
            output=[f"{name}.dq"],
            attribute=[onnx.helper.make_attribute("axis", 0)],
        )
        return f"{name}.dq"

    def _pair_end(self, op: str, x: str, y: str, name: str) -> None:
        numbers = self._numbers[name]
        scale = f"scale.{np.float32(numbers.scale).view(np.uint32):08x}"
        self._constant(scale, np.array(numbers.scale, np.float32))
        self._constant(f"zero.{numbers.zero}", np.array(numbers.zero, self._kind))
        end = "quantise" if op == "QuantizeLinear" else "dequantise"
        self._graph.node.add(
            op_type=op, name=f"{name}.{end}", input=[x, scale, f"zero.{numbers.zero}"], output=[y]
        )

    def _constant(self, name: str, array: npt.NDArray[Any]) -> None:
        if name not in self._constants:
            self._constants.add(name)
            self._graph.initializer.append(onnx.numpy_helper.from_array(array, name))


def _add_integer_weight(graph: onnx.GraphProto, tensor: onnx.TensorProto) -> None:
    """The weight as integers, and one scale for each output channel (axis 0)."""
    weight: npt.NDArray[np.float32] = onnx.numpy_helper.to_array(tensor)
    reach = np.abs(weight).reshape(len(weight), -1).max(axis=1)
    scale = (np.maximum(reach, 1e-12) / _LEVELS).astype(np.float32)
    shape = (-1, *(1,) * (weight.ndim - 1))
    integers = np.clip(np.rint(weight / scale.reshape(shape)), -_LEVELS, _LEVELS).astype(np.int8)
    zero = np.zeros(len(weight), np.int8)
    for name, array in (("q", integers), ("scale", scale), ("zero", zero)):
        graph.initializer.append(onnx.numpy_helper.from_array(array, f"{tensor.name}.{name}"))
