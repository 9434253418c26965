"""In which precision a network or an engine really computes.

TensorRT 11 ignores the flags that once chose a precision: whoever asks for fp16 the old way gets an
fp32 engine and no word. Here the precision is in the graph, and it is looked up before the build
(`of_network`) and, where a GPU is there to load the engine, after it (`of_engine`; not yet run on
hardware).
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass
from typing import Any, Mapping

from sgnas_profilers.errors import BadInput

PRECISIONS = ("fp32", "fp16", "int8")
LEAST_SHARE = 0.5
"""A network has its precision when at least so many of its heavy layers have it; a few may be kept
in a wider one on purpose (the first, the last)."""

_HEAVY = ("CONVOLUTION", "DECONVOLUTION", "MATRIX_MULTIPLY")
_NAMES = {"FLOAT": "fp32", "HALF": "fp16", "BF16": "bf16", "INT8": "int8", "FP8": "fp8"}
# What may stand between a dequantisation and the layer that it feeds.
_TRANSPARENT = ("SHUFFLE", "CAST", "IDENTITY", "SQUEEZE", "UNSQUEEZE")
_FORMATS = (
    ("int8", re.compile(r"\bint8\b", re.IGNORECASE)),
    ("fp16", re.compile(r"\b(?:fp16|half)\b", re.IGNORECASE)),
    ("fp32", re.compile(r"\b(?:fp32|float)\b", re.IGNORECASE)),
)


@dataclass(frozen=True)
class Audit:
    """Heavy layers (convolutions, matrix products) by precision.

    Attributes:
        counts: how many layers compute in each precision.
    """

    counts: Mapping[str, int]

    @property
    def layers(self) -> int:
        """How many heavy layers there are."""
        return sum(self.counts.values())

    def share(self, precision: str) -> float:
        """Share of the heavy layers in that precision; 1 where there are none."""
        return self.counts.get(precision, 0) / self.layers if self.layers else 1.0

    def __str__(self) -> str:
        if not self.layers:
            return "no convolution or matrix product"
        parts = [f"{count} {name}" for name, count in sorted(self.counts.items())]
        return f"{', '.join(parts)} of {self.layers} convolutions and matrix products"


def of_network(network: Any, trt: Any) -> Audit:
    """Look at a strongly typed network: its tensors' types are the engine's types.

    Args:
        network: an `INetworkDefinition` that was parsed.
        trt: the TensorRT module.
    """
    layers = [network.get_layer(index) for index in range(network.num_layers)]
    made_by = {
        layer.get_output(index).name: layer
        for layer in layers
        for index in range(layer.num_outputs)
    }
    heavy = {getattr(trt.LayerType, name) for name in _HEAVY}
    counts = Counter(_precision(layer, made_by, trt) for layer in layers if layer.type in heavy)
    return Audit(dict(counts))


def of_engine(layer_information: str) -> Audit:
    """Look at what the engine inspector says (JSON, built with detailed verbosity).

    An engine's layers are fused kernels; each that has a convolution or matrix product in its type
    or name counts by the type of its first input. Not yet run on hardware.

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
        kind = f"{layer.get('LayerType', '')} {layer.get('Name', '')}".lower()
        if not any(word in kind for word in ("conv", "gemm", "matmul", "matrix")):
            continue
        inputs = layer.get("Inputs") or [{}]
        text = json.dumps(inputs[0])
        counts[next((name for name, word in _FORMATS if word.search(text)), "unknown")] += 1
    return Audit(dict(counts))


def check(audit: Audit, precision: str, what: str = "the network") -> None:
    """Refuse a network that is not in the precision that was asked for.

    Raises:
        BadInput: it is not, or there is no such precision.
    """
    if precision not in PRECISIONS:
        raise BadInput(
            f"there is no precision {precision!r}", f"choose one of: {', '.join(PRECISIONS)}"
        )
    if audit.share(precision) < LEAST_SHARE:
        raise BadInput(
            f"{precision} was asked for, but {what} has {audit}",
            f"precision must be in the ONNX file: sgnas export --precision {precision}",
        )


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
