"""What must be known of an ONNX file before TensorRT sees it.

TensorRT's parser takes an empty file and a text file for a model, accepts operator sets that do not
exist, turns double precision inputs into single ones, builds from unsigned integers though it knows
signed ones only, and looks for weights in other files in the current folder: all without a word.
The `onnx` package is not there on a device, so that the few fields are read here from the protocol
buffer (onnx.proto3 of ONNX; the wire format is that of
https://protobuf.dev/programming-guides/encoding/).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Iterator, Mapping, Union

from sgnas_profilers.errors import BadInput

NEWEST_OPSET = 25
"""Maximum that NVIDIA's ONNX opset guide gives for TensorRT 11.x."""

_CURE = "export the model anew: sgnas export --format onnx"
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_DOUBLE = 11
_UINT8 = 2
_EXTERNAL = 1


@dataclass(frozen=True)
class Put:
    """An input or output.

    Attributes:
        name: its name.
        kind: element type, a number of `TensorProto.DataType`.
        shape: its dimensions, None where one is a name or unknown.
    """

    name: str
    kind: int
    shape: tuple[int | None, ...]


@dataclass(frozen=True)
class Node:
    """An operation.

    Attributes:
        operator: its type, such as `Conv`.
        name: its name; may be empty.
        inputs: names of tensors, in order.
        outputs: the same.
    """

    operator: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True)
class OnnxFile:
    """The few facts of a model.

    Attributes:
        opset: of the standard operators.
        inputs: those that are no weights.
        outputs: all.
        external: names of weights that lie in other files.
        weights: element types of all weights, numbers of `TensorProto.DataType`.
        nodes: in the file's order.
        elsewhere: the other files, relative to the model's own.
    """

    opset: int
    inputs: tuple[Put, ...]
    outputs: tuple[Put, ...]
    external: tuple[str, ...]
    weights: Mapping[str, int]
    nodes: tuple[Node, ...]
    elsewhere: tuple[str, ...]


def check(model: bytes, path: str | None = None) -> OnnxFile:
    """Read a model, and refuse what TensorRT would take silently.

    Args:
        model: the file.
        path: where it lies, where the parser will be told too: it finds weights beside it.

    Raises:
        BadInput: not an ONNX file, a new operator set, a double precision input or output,
            unsigned 8-bit integers, weights in other files that cannot be found.
    """
    found = read(model)
    if found.opset > NEWEST_OPSET:
        raise BadInput(
            f"the model uses operator set {found.opset}, TensorRT knows them up to {NEWEST_OPSET}",
            _CURE,
        )
    for put in (*found.inputs, *found.outputs):
        if put.kind == _DOUBLE:
            raise BadInput(
                f"{put.name!r} of the model is in double precision, which TensorRT would "
                "silently turn into single",
                "export it with float32 inputs and outputs",
            )
    for node in found.nodes:
        if node.operator not in ("QuantizeLinear", "DequantizeLinear"):
            continue
        if any(found.weights.get(name) == _UINT8 for name in node.inputs):
            raise BadInput(
                f"{node.name or node.operator!r} of the model has unsigned 8-bit integers, "
                "TensorRT knows signed ones around zero only",
                "export it for TensorRT: sgnas export --format tensorrt --precision int8",
            )
    if found.external and path is None:
        raise BadInput(
            f"weights of the model ({found.external[0]!r}, ...) lie in another file",
            "save it as one file",
        )
    for name in found.elsewhere:
        if path is not None and not Path(path).with_name(name).is_file():
            raise BadInput(
                f"the model at {path} has weights in {name!r}, and there is no such file beside it",
                "put it there, or save the model as one file",
            )
    return found


def read(model: bytes) -> OnnxFile:
    """Read a model.

    Raises:
        BadInput: it is empty or no ONNX file.
    """
    if not model:
        raise BadInput("the ONNX file is empty", _CURE)
    try:
        return _model(memoryview(model))
    except (ValueError, IndexError, UnicodeDecodeError) as error:
        raise BadInput("the file is no ONNX model, or damaged", _CURE) from error


def _model(data: memoryview) -> OnnxFile:
    opset = 0
    graph = None
    for number, value in _fields(data):
        if number == 7:
            graph = _part(value)
        elif number == 8:
            fields = dict(_fields(_part(value)))
            if not bytes(_part(fields.get(1, memoryview(b"")))):
                opset = _integer(fields.get(2, 0))
    if graph is None or not opset:
        raise ValueError("no graph")
    inputs, outputs, nodes, external = [], [], [], []
    weights: dict[str, int] = {}
    elsewhere: dict[str, None] = {}
    for number, value in _fields(graph):
        if number == 11:
            inputs.append(_put(_part(value)))
        elif number == 12:
            outputs.append(_put(_part(value)))
        elif number == 5:
            name, kind, file = _tensor(_part(value))
            weights[name] = kind
            if file is not None:
                external.append(name)
                if file:
                    elsewhere[file] = None
        elif number == 1:
            nodes.append(_node(_part(value)))
    if not outputs:
        raise ValueError("no outputs")
    real = tuple(put for put in inputs if put.name not in weights)
    return OnnxFile(
        opset, real, tuple(outputs), tuple(external), weights, tuple(nodes), tuple(elsewhere)
    )


def _put(data: memoryview) -> Put:
    """A ValueInfoProto: name = 1, type = 2 {tensor_type = 1 {elem_type = 1, shape = 2}}."""
    fields = dict(_fields(data))
    kind = 0
    shape: list[int | None] = []
    for number, value in _fields(_part(fields.get(2, memoryview(b"")))):
        if number == 1:
            tensor = dict(_fields(_part(value)))
            kind = _integer(tensor.get(1, 0))
            for _, dimension in _fields(_part(tensor.get(2, memoryview(b"")))):
                sizes = dict(_fields(_part(dimension)))
                shape.append(_integer(sizes[1]) if 1 in sizes else None)
    return Put(_text(fields.get(1, memoryview(b""))), kind, tuple(shape))


def _node(data: memoryview) -> Node:
    """A NodeProto: input = 1, output = 2, name = 3, op_type = 4."""
    texts: dict[int, list[str]] = {1: [], 2: [], 3: [], 4: []}
    for number, value in _fields(data):
        if number in texts:
            texts[number].append(_text(value))
    name, operator = ("".join(texts[number][-1:]) for number in (3, 4))
    return Node(operator, name, tuple(texts[1]), tuple(texts[2]))


def _tensor(data: memoryview) -> tuple[str, int, str | None]:
    """A TensorProto: data_type = 2, name = 8, data_location = 14, external_data = 13.

    Returns:
        Its name, its element type, and the file that it lies in: None for this one.
    """
    fields: dict[int, _Value] = {}
    file = ""
    for number, value in _fields(data):
        fields[number] = value
        if number == 13:  # a StringStringEntryProto: key = 1, value = 2
            entry = dict(_fields(_part(value)))
            if _text(entry.get(1, memoryview(b""))) == "location":
                file = _text(entry.get(2, memoryview(b"")))
    name = _text(fields.get(8, memoryview(b"")))
    outside = fields.get(14, 0) == _EXTERNAL
    return name, _integer(fields.get(2, 0)), file if outside else None


_Value = Union[int, memoryview]


def _fields(data: memoryview) -> Iterator[tuple[int, _Value]]:
    """Number and value of each field of a message."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, kind = key >> 3, key & 7
        value: _Value
        if number == 0:
            raise ValueError("field 0")
        if kind == _VARINT:
            value, at = _varint(data, at)
        elif kind in (_FIXED64, _FIXED32):
            end = at + (8 if kind == _FIXED64 else 4)
            value, at = data[at:end], end
        elif kind == _BYTES:
            size, at = _varint(data, at)
            value, at = data[at : at + size], at + size
        else:
            raise ValueError(f"wire type {kind}")
        if at > len(data):
            raise ValueError("cut")
        yield number, value


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 63:
            raise ValueError("a number is too long")


def _part(value: _Value) -> memoryview:
    if isinstance(value, int):
        raise ValueError("a number where a message should be")
    return value


def _integer(value: _Value) -> int:
    if not isinstance(value, int):
        raise ValueError("a message where a number should be")
    return value


def _text(value: _Value) -> str:
    return bytes(_part(value)).decode("utf-8")
