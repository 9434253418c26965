"""ONNX files for TensorRT: good ones in three precisions, and each bad kind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FLOAT, HALF = int(TensorProto.FLOAT), int(TensorProto.FLOAT16)


def network(kind: int = FLOAT, batch: int | str = 1, opset: int = 17) -> bytes:
    """Convolution, pooling and classifier, in single or half precision."""
    return _model(_graph(kind, batch, []), opset)


def quantised(bias: bool = False, zero: np.int8 | np.uint8 = np.int8(0)) -> bytes:  # noqa: B008
    """With Q/DQ around the convolution; `bias`: with a bias of 32-bit integers, as ONNX Runtime
    writes it unless told otherwise; `zero`: the zero point of what the convolution reads."""
    nodes = [
        helper.make_node("QuantizeLinear", ["images", "s", "z"], ["xq"]),
        helper.make_node("DequantizeLinear", ["xq", "s", "z"], ["xd"]),
        helper.make_node("DequantizeLinear", ["wq", "ws", "wz"], ["wd"], axis=0),
    ]
    return _model(_graph(FLOAT, 1, nodes, bias, zero), 17)


def with_external_weights(folder: Path) -> Path:
    """A file whose weights lie beside it."""
    path = folder / "outside.onnx"
    onnx.save(
        onnx.load_from_string(network()),
        path,
        save_as_external_data=True,
        location="outside.bin",
        size_threshold=16,
    )
    return path


def _graph(
    kind: int,
    batch: int | str,
    quantise: list[onnx.NodeProto],
    bias: bool = False,
    zero: np.int8 | np.uint8 | None = None,
) -> onnx.GraphProto:
    rng = np.random.default_rng(0)
    dtype = np.float16 if kind == HALF else np.float32
    weights = rng.normal(0, 0.1, (8, 3, 3, 3)).astype(dtype)
    constants: dict[str, Any] = {"g": rng.normal(0, 0.1, (8, 10)).astype(dtype)}
    source, kernel = "images", "w"
    nodes = list(quantise)
    if quantise:
        source, kernel = "xd", "wd"
        constants.update(
            s=np.float32(0.1),
            z=zero,
            wq=(weights * 100).astype(np.int8),
            ws=np.full(8, 0.01, np.float32),
            wz=np.zeros(8, np.int8),
        )
    else:
        constants["w"] = weights
    inputs = [source, kernel]
    if bias:
        constants.update(
            bq=np.ones(8, np.int32), bs=np.full(8, 0.001, np.float32), bz=np.zeros(8, np.int32)
        )
        nodes.append(helper.make_node("DequantizeLinear", ["bq", "bs", "bz"], ["bd"], axis=0))
        inputs.append("bd")
    nodes += [
        helper.make_node("Conv", inputs, ["c"], name="conv", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("GlobalAveragePool", ["r"], ["p"]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("Gemm", ["f", "g"], ["logits"], name="classifier"),
    ]
    return helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("images", kind, [batch, 3, 16, 16])],
        [helper.make_tensor_value_info("logits", kind, [batch, 10])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )


def _model(graph: onnx.GraphProto, opset: int) -> bytes:
    imports = [helper.make_opsetid("", opset)]
    return bytes(helper.make_model(graph, opset_imports=imports, ir_version=8).SerializeToString())
