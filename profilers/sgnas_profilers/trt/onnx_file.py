"""What must be known of an ONNX file before TensorRT sees it.

TensorRT's parser takes an empty file and a text file for a model, accepts operator sets that do not
exist, turns double precision inputs into single ones, and looks for weights in other files in the
current folder: all without a word. The `onnx` package is not there on a device, so that the few
fields are read here from the protocol buffer (onnx.proto3 of ONNX; the wire format is that of
https://protobuf.dev/programming-guides/encoding/).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterator, Union

from sgnas_profilers.errors import BadInput

NEWEST_OPSET = 25
"""Maximum that NVIDIA's ONNX opset guide gives for TensorRT 11.x."""

_CURE = "export the model anew: sgnas export --format onnx"
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_DOUBLE = 11
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
class OnnxFile:
    """The few facts of a model.

    Attributes:
        opset: of the standard operators.
        inputs: those that are no weights.
        outputs: all.
        external: names of weights that lie in other files.
    """

    opset: int
    inputs: tuple[Put, ...]
    outputs: tuple[Put, ...]
    external: tuple[str, ...]


def check(model: bytes, with_path: bool = False) -> OnnxFile:
    """Read a model, and refuse what TensorRT would take silently.

    Args:
        model: the file.
        with_path: the parser will know where the file lies, and finds weights beside it.

    Raises:
        BadInput: not an ONNX file, a new operator set, a double precision input or output, weights
            in other files.
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
    if found.external and not with_path:
        raise BadInput(
            f"weights of the model ({found.external[0]!r}, ...) lie in another file",
            "save it as one file",
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
    inputs, outputs, weights, external = [], [], set(), []
    for number, value in _fields(graph):
        if number == 11:
            inputs.append(_put(_part(value)))
        elif number == 12:
            outputs.append(_put(_part(value)))
        elif number == 5:
            name, elsewhere = _tensor(_part(value))
            weights.add(name)
            if elsewhere:
                external.append(name)
    if not outputs:
        raise ValueError("no outputs")
    real = tuple(put for put in inputs if put.name not in weights)
    return OnnxFile(opset, real, tuple(outputs), tuple(external))


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


def _tensor(data: memoryview) -> tuple[str, bool]:
    """A TensorProto: name = 8, data_location = 14."""
    fields = dict(_fields(data))
    return _text(fields.get(8, memoryview(b""))), fields.get(14, 0) == _EXTERNAL


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
