"""In which precision a network or an engine really computes.

TensorRT 11 ignores the flags that once chose a precision: whoever asks for fp16 the old way gets an
fp32 engine and no word. Here the precision is in the graph, and it is looked up before the build
(`of_network`, or `of_onnx` where no network can be seen) and, where a GPU is there to load the
engine, after it (`of_engine`; not yet run on hardware).
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Collection, Mapping

from sgnas_profilers.errors import BadInput
from sgnas_profilers.trt.onnx_file import Node, OnnxFile

PRECISIONS = ("fp32", "fp16", "int8")
UNKNOWN = "unknown"
"""Of a layer whose precision cannot be seen."""
LEAST_SHARE = 0.5
"""Where nobody can say which layers were kept in another precision on purpose, a network has its
precision when at least so many of its heavy layers have it."""

_HEAVY = ("CONVOLUTION", "DECONVOLUTION", "MATRIX_MULTIPLY")
_NAMES = {"FLOAT": "fp32", "HALF": "fp16", "BF16": "bf16", "INT8": "int8", "FP8": "fp8"}
# What may stand between a dequantisation and the layer that it feeds.
_TRANSPARENT = ("SHUFFLE", "CAST", "IDENTITY", "SQUEEZE", "UNSQUEEZE")
# The same of an ONNX file, by its operators and the numbers of `TensorProto.DataType`.
_ONNX_HEAVY = ("Conv", "ConvTranspose", "Gemm", "MatMul")
_ONNX_TRANSPARENT = ("Cast", "Flatten", "Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze")
_ONNX_KINDS = {1: "fp32", 3: "int8", 10: "fp16", 16: "bf16"}
_FORMATS = (
    ("int8", re.compile(r"\bint8\b", re.IGNORECASE)),
    ("fp16", re.compile(r"\b(?:fp16|half)\b", re.IGNORECASE)),
    ("fp32", re.compile(r"\b(?:fp32|float)\b", re.IGNORECASE)),
)
# By an engine layer's type: copies and elementwise layers are named after the convolution beside
# them, so that a name alone says nothing. The second kind holds many operators in one.
_ENGINE_HEAVY = re.compile(r"conv|gemm|matmul|matrix", re.IGNORECASE)
_ENGINE_OPAQUE = re.compile(r"myelin|foreign|kgen|fusion|^$", re.IGNORECASE)


@dataclass(frozen=True)
class Audit:
    """Heavy layers (convolutions, matrix products) by precision.

    Attributes:
        counts: how many layers compute in each precision.
        names: of the layers in each precision; empty where they have none of their own.
    """

    counts: Mapping[str, int]
    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def layers(self) -> int:
        """How many heavy layers there are."""
        return sum(self.counts.values())

    @property
    def main(self) -> str:
        """The precision of most heavy layers; fp32 where there are none."""
        return max(self.counts, key=lambda name: self.counts[name]) if self.counts else "fp32"

    def share(self, precision: str) -> float:
        """Share of the heavy layers in that precision; 1 where there are none."""
        return self.counts.get(precision, 0) / self.layers if self.layers else 1.0

    def others(self, precision: str) -> int:
        """How many heavy layers are known to be in another precision."""
        return sum(n for name, n in self.counts.items() if name not in (precision, UNKNOWN))

    def __str__(self) -> str:
        if not self.layers:
            return "no convolution or matrix product"
        parts = [f"{count} {name}" for name, count in sorted(self.counts.items())]
        return f"{', '.join(parts)} of {self.layers} convolutions and matrix products"


def of_network(network: Any, trt: Any) -> Audit:
    """Look at a strongly typed network: its tensors' types are the engine's types.

    Args:
        network: an `INetworkDefinition` that was parsed; its layers have the ONNX nodes' names.
        trt: the TensorRT module.
    """
    layers = [network.get_layer(index) for index in range(network.num_layers)]
    made_by = {
        layer.get_output(index).name: layer
        for layer in layers
        for index in range(layer.num_outputs)
    }
    heavy = {getattr(trt.LayerType, name) for name in _HEAVY}
    return _counted(
        [
            (str(layer.name), _precision(layer, made_by, trt))
            for layer in layers
            if layer.type in heavy
        ]
    )


def of_onnx(model: OnnxFile) -> Audit:
    """Look at an ONNX file, where the builder shows no network (trtexec).

    A convolution or matrix product has the type of its constant weight. It is int8 when that is
    dequantised from 8-bit integers, and its data are dequantised too.
    """
    made_by = {name: node for node in model.nodes for name in node.outputs}
    return _counted(
        [
            (node.name, _onnx_precision(node, made_by, model.weights))
            for node in model.nodes
            if node.operator in _ONNX_HEAVY
        ]
    )


def of_engine(layer_information: str) -> Audit:
    """Look at what the engine inspector says (JSON, built with detailed verbosity).

    An engine's layers are fused kernels; each that is a convolution or matrix product by its type
    counts by the type of its first input or of its weights, whichever is narrower (a cast may be
    fused into a kernel). What TensorRT's compiler has fused further shows no types within, and
    counts as unknown. Not yet run on hardware.

    Raises:
        ValueError: it is not the JSON of an inspector.
    """
    counts: Counter[str] = Counter()
    found = json.loads(layer_information)
    if not isinstance(found, dict) or not isinstance(found.get("Layers"), list):
        raise ValueError("no layers")
    for layer in found["Layers"]:
        if not isinstance(layer, dict):
            continue  # only the names: built with less verbosity
        kind = str(layer.get("LayerType", ""))
        if _ENGINE_HEAVY.search(kind):
            counts[_engine_precision(layer)] += 1
        elif _ENGINE_OPAQUE.search(kind) and _ENGINE_HEAVY.search(str(layer.get("Name", ""))):
            counts[UNKNOWN] += 1
    return Audit(dict(counts))


def check(
    audit: Audit,
    precision: str,
    what: str = "the network",
    keep: Collection[str] | None = None,
) -> None:
    """Refuse a network that is not in the precision that was asked for.

    Args:
        audit: of the network.
        precision: that was asked for.
        what: was looked at, for the message.
        keep: names of the layers that are in another precision on purpose: all others must have
            the one asked for. None where nobody knows them: `LEAST_SHARE` is then enough.

    Raises:
        BadInput: it is not, or there is no such precision.
    """
    if precision not in PRECISIONS:
        raise BadInput(
            f"there is no precision {precision!r}", f"choose one of: {', '.join(PRECISIONS)}"
        )
    cure = f"precision must be in the ONNX file: sgnas export --precision {precision}"
    if keep is None:
        if audit.share(precision) < LEAST_SHARE:
            raise BadInput(f"{precision} was asked for, but {what} has {audit}", cure)
        return
    for other, names in sorted(audit.names.items()):
        stray = [name for name in names if name not in keep]
        if other != precision and stray:
            raise BadInput(
                f"{precision} was asked for, but {what} has {audit}, and nobody has kept "
                f"{stray[0]!r} in {other}",
                cure,
            )


def check_engine(engine: Audit, network: Audit, precision: str) -> None:
    """Refuse an engine that the inspector finds in another precision than the one asked for.

    In fp32 and fp16 an engine has no more layers of another precision than its network: types are
    TensorRT's duty there. Of int8 they are its choice, since a pair that fits no integer kernel is
    computed in floats: there half of the layers that are known must be int8. Layers of unknown
    precision refuse nothing: whoever reports the audit says how many they are.

    Args:
        engine: what the inspector says.
        network: what was read from the network before the build.
        precision: that was asked for.

    Raises:
        BadInput: it is not in that precision.
    """
    others, known = engine.others(precision), engine.layers - engine.counts.get(UNKNOWN, 0)
    if precision == "int8":
        wrong = known > 0 and engine.counts.get(precision, 0) < LEAST_SHARE * known
    else:
        wrong = others > network.others(precision)
    if wrong:
        raise BadInput(
            f"{precision} was asked for and the network has {network}, but by its inspector the "
            f"engine has {engine}",
            "use another version of TensorRT, or --precision fp32, and report this",
        )


def _counted(layers: list[tuple[str, str]]) -> Audit:
    """Of names and precisions."""
    names: dict[str, tuple[str, ...]] = {}
    for name, precision in layers:
        names[precision] = (*names.get(precision, ()), name)
    return Audit({precision: len(found) for precision, found in names.items()}, names)


def _precision(layer: Any, made_by: Mapping[str, Any], trt: Any) -> str:
    """Precision of one heavy layer: int8 where its data come straight from a dequantisation."""
    source = layer.get_input(0)
    kind = str(source.dtype.name)
    transparent = {
        getattr(trt.LayerType, name) for name in _TRANSPARENT if hasattr(trt.LayerType, name)
    }
    maker = made_by.get(source.name)
    while maker is not None and maker.type in transparent:
        maker = made_by.get(maker.get_input(0).name)
    if maker is not None and maker.type == trt.LayerType.DEQUANTIZE:
        kind = str(maker.get_input(0).dtype.name)
    return _NAMES.get(kind, kind.lower())


def _engine_precision(layer: Mapping[str, Any]) -> str:
    """The same of a layer as the inspector tells it."""
    inputs, weights = layer.get("Inputs"), layer.get("Weights")
    told = []
    if isinstance(inputs, list) and inputs and isinstance(inputs[0], dict):
        # Nothing but the format: a tensor's name may say "half" whatever it is.
        told.append(str(inputs[0].get("Format/Datatype", "")))
    if isinstance(weights, dict):
        told.append(str(weights.get("Type", "")))
    text = " ".join(told)
    return next((name for name, word in _FORMATS if word.search(text)), UNKNOWN)


def _onnx_precision(node: Node, made_by: Mapping[str, Node], weights: Mapping[str, int]) -> str:
    """The same of a node of an ONNX file."""
    if len(node.inputs) < 2:
        return UNKNOWN
    weight = node.inputs[1]
    if weight in weights:
        return _ONNX_KINDS.get(weights[weight], UNKNOWN)
    maker = made_by.get(weight)
    if maker is None or maker.operator != "DequantizeLinear":
        return UNKNOWN
    data = made_by.get(node.inputs[0])
    while data is not None and data.operator in _ONNX_TRANSPARENT:
        data = made_by.get(data.inputs[0])
    if data is None or data.operator != "DequantizeLinear":
        return "fp32"  # integers on disk alone: it is computed in floats
    return _ONNX_KINDS.get(weights.get(maker.inputs[0], 0), UNKNOWN)
