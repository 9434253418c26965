"""A small typed writer of ONNX graphs over the protobufs themselves.

Only the operators that deployed networks need, all of opset 17. A tensor is known by its name,
which is the name of the node that makes it. Building thousands of small models through a tracing
exporter would take hours, and would not say exactly which graph comes out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Literal, NoReturn, TypeAlias, final

import numpy as np
import numpy.typing as npt
import onnx

from sgnas_deploy import __version__
from sgnas_deploy.blocks import Conv, ConvActivation
from sgnas_deploy.emitter.weights import Array, Weights

OPSET: Final = 17
"""Has HardSwish (14), and is read by every runtime of interest (TensorRT 8.5 and later)."""
IR_VERSION: Final = 8
"""The file version of opset 17's own release; old devices refuse newer ones."""

Batch: TypeAlias = int | Literal["dynamic"]
"""Size of the batch axis; `dynamic` leaves it open."""


def _unreachable(value: NoReturn) -> NoReturn:
    # typing.assert_never needs Python 3.11.
    raise AssertionError(f"unexpected {value!r}")


_TYPES: Final[dict[np.dtype[np.generic], int]] = {
    np.dtype(np.float32): onnx.TensorProto.FLOAT,
    np.dtype(np.int64): onnx.TensorProto.INT64,
}


@final
class Graph:
    """A graph under construction.

    Args:
        name: of the graph.
        batch: size of the batch axis, or `dynamic`.
        weights: where convolutions get their weights from.
    """

    def __init__(self, name: str, batch: Batch, weights: Weights) -> None:
        self._batch = batch
        self._weights = weights
        self._graph = onnx.GraphProto(name=name)
        self._constants: set[str] = set()

    def input(self, name: str, shape: Sequence[int]) -> str:
        """Declare the input of one image's shape (without the batch axis)."""
        self._declare(self._graph.input.add(), name, shape)
        return name

    def output(self, tensor: str, name: str, shape: Sequence[int]) -> None:
        """Make `tensor`, which the last node has made, the output, under the name `name`."""
        last = self._graph.node[-1]
        if last.output[0] != tensor:
            raise ValueError(f"{tensor!r} is not the output of the last node")
        last.output[0] = name
        self._declare(self._graph.output.add(), name, shape)

    def model(self, metadata: Mapping[str, str]) -> onnx.ModelProto:
        """The finished model."""
        model = onnx.ModelProto(
            ir_version=IR_VERSION,
            producer_name="sgnas-deploy",
            producer_version=__version__,
            opset_import=[onnx.OperatorSetIdProto(domain="", version=OPSET)],
            graph=self._graph,
        )
        for key, value in metadata.items():
            model.metadata_props.add(key=key, value=value)
        return model

    # --- operators: each returns the name of the tensor it makes

    def fused(self, name: str, conv: Conv, x: str) -> str:
        """A described convolution with its weights, bias and activation.

        Args:
            name: of the block; the convolution's own name is appended.
            conv: the description.
            x: (batch, c_in, height, width).

        Returns:
            (batch, c_out, size_out, size_out).
        """
        weight, bias = self.weights_of(name, conv)
        y = self.conv(f"{name}.{conv.name}", conv, x, weight, bias)
        return self.activation(f"{name}.{conv.name}", conv.activation, y)

    def weights_of(self, name: str, conv: Conv) -> tuple[Array, Array]:
        """Weight and bias of a block's convolution, for forms that rearrange them."""
        return self._weights.conv(f"{name}.{conv.name}", conv)

    def conv(self, name: str, conv: Conv, x: str, weight: Array, bias: Array | None) -> str:
        """A convolution with given weights, padded so that only the stride shrinks the map.

        Kernel, stride and groups are taken from `conv`, the channels from the weights.
        """
        if weight.shape[1:] != conv.weight_shape[1:]:
            raise ValueError(f"{name}: weight {weight.shape} does not fit {conv}")
        inputs = [x, self._initialiser(f"{name}.weight", weight)]
        if bias is not None:
            inputs.append(self._initialiser(f"{name}.bias", bias))
        return self._node(
            "Conv",
            name,
            inputs,
            group=conv.groups,
            kernel_shape=[conv.kernel] * 2,
            pads=[conv.kernel // 2] * 4,
            strides=[conv.stride] * 2,
        )

    def activation(self, name: str, kind: ConvActivation, x: str) -> str:
        """The activation of the node `name`, as one operator; `none` adds nothing."""
        at = f"{name}.{kind}"
        match kind:
            case "none":
                return x
            case "relu":
                return self._node("Relu", at, [x])
            case "relu6":
                low = self._constant("zero", np.array(0, np.float32))
                high = self._constant("six", np.array(6, np.float32))
                return self._node("Clip", at, [x, low, high])
            case "hswish":
                return self._node("HardSwish", at, [x])
            case "hsigmoid":
                return self._node("HardSigmoid", at, [x], alpha=1 / 6, beta=0.5)
            case _:
                _unreachable(kind)

    def add(self, name: str, a: str, b: str) -> str:
        """Sum of two tensors."""
        return self._node("Add", name, [a, b])

    def multiply(self, name: str, a: str, b: str) -> str:
        """Product of two tensors, broadcast."""
        return self._node("Mul", name, [a, b])

    def concat(self, name: str, parts: Sequence[str]) -> str:
        """Join along the channels; one part is returned as it is."""
        if len(parts) == 1:
            return parts[0]
        return self._node("Concat", name, parts, axis=1)

    def split(self, name: str, x: str, sizes: Sequence[int]) -> tuple[str, ...]:
        """Cut along the channels into parts of the given sizes; one part is `x` itself."""
        if len(sizes) == 1:
            return (x,)
        lengths = self._initialiser(f"{name}.sizes", np.array(sizes, np.int64))
        outputs = tuple(f"{name}.{i}" for i in range(len(sizes)))
        self._node("Split", name, [x, lengths], outputs, axis=1)
        return outputs

    def average(self, name: str, x: str) -> str:
        """Mean over height and width, which stay as axes of length 1."""
        return self._node("GlobalAveragePool", name, [x])

    def average_around(self, name: str, x: str, side: int) -> str:
        """Mean of a window around each pixel; what lies outside the map does not count."""
        return self._node(
            "AveragePool",
            name,
            [x],
            kernel_shape=[side] * 2,
            pads=[side // 2] * 4,
            strides=[1, 1],
            count_include_pad=0,
        )

    def halved(self, name: str, x: str) -> str:
        """Mean of each 2x2 pixels; height and width are halved."""
        return self._node("AveragePool", name, [x], kernel_shape=[2, 2], strides=[2, 2])

    def flatten(self, name: str, x: str) -> str:
        """(batch, channels, 1, 1) to (batch, channels)."""
        return self._node("Flatten", name, [x], axis=1)

    def linear(self, name: str, conv: Conv, x: str) -> str:
        """A described 1x1 convolution on a 1x1 map, on (batch, c_in), as a matrix product."""
        weight, bias = self.weights_of(name, conv)
        at = f"{name}.{conv.name}"
        inputs = [
            x,
            self._initialiser(f"{at}.weight", weight.reshape(conv.c_out, conv.c_in)),
            self._initialiser(f"{at}.bias", bias),
        ]
        return self._node("Gemm", at, inputs, transB=1)

    # --- protobufs

    def _declare(self, info: onnx.ValueInfoProto, name: str, shape: Sequence[int]) -> None:
        info.name = name
        tensor = info.type.tensor_type
        tensor.elem_type = onnx.TensorProto.FLOAT
        if self._batch == "dynamic":
            tensor.shape.dim.add(dim_param="batch")
        else:
            tensor.shape.dim.add(dim_value=self._batch)
        for size in shape:
            tensor.shape.dim.add(dim_value=size)

    def _initialiser(self, name: str, array: npt.NDArray[np.float32 | np.int64]) -> str:
        self._graph.initializer.add(
            name=name,
            dims=array.shape,
            data_type=_TYPES[array.dtype],
            raw_data=array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes(),
        )
        return name

    def _constant(self, name: str, array: npt.NDArray[np.float32]) -> str:
        """An initialiser that many nodes share."""
        if name not in self._constants:
            self._constants.add(name)
            self._initialiser(name, array)
        return name

    def _node(
        self,
        op: str,
        name: str,
        inputs: Sequence[str],
        outputs: Sequence[str] = (),
        **attributes: int | float | list[int],
    ) -> str:
        self._graph.node.add(
            op_type=op,
            name=name,
            input=inputs,
            output=outputs or [name],
            attribute=[onnx.helper.make_attribute(k, v) for k, v in attributes.items()],
        )
        return name
