"""Number formats. The precision of a network stands in its graph, never in a runtime's flags.

The emitter writes single precision; a converter of this folder makes of that graph, for a block as
for a network, the same graph in another format. So what is profiled is what is deployed.

* `fp16`: weights and activations in half precision (`sgnas_deploy.precision.fp16`)
* `int8`: 8-bit integers by explicit pairs (`sgnas_deploy.precision.int8`), in one of two kinds

The kind of integers depends on what executes: TensorRT takes nothing but signed integers around
zero, and ONNX Runtime's CPU kernels are fast with unsigned ones only.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final, Literal, TypeAlias

import onnx

from sgnas_deploy.errors import BadInput
from sgnas_deploy.precision import fp16, int8

Integers: TypeAlias = Literal["signed", "unsigned"]

PRECISIONS: Final = ("fp32", "fp16", "int8")


def check(precision: str) -> str:
    """The precision itself.

    Raises:
        BadInput: there is no such precision.
    """
    if precision not in PRECISIONS:
        raise BadInput(f"unknown precision {precision!r}", f"choose one of {', '.join(PRECISIONS)}")
    return precision


def integers_for(backend: str) -> Integers:
    """The kind of integers that a backend is fast with."""
    return "unsigned" if backend == "onnxruntime" else "signed"


def convert(
    model: onnx.ModelProto,
    precision: str,
    *,
    integers: Integers,
    borders: Collection[str],
    block: bool,
    ranges: Mapping[str, float] | None = None,
    keep: Collection[str] = (),
) -> onnx.ModelProto:
    """The emitter's graph in another precision.

    Args:
        model: in single precision, as the emitter writes it.
        precision: one of `PRECISIONS`.
        integers: for int8.
        borders: tensors between blocks, the graph's input and output included.
        block: a block alone, whose input and output are in the precision too; a network takes
            and gives single precision.
        ranges: for int8, the largest absolute value of each tensor; None for plausible ones,
            good for timing only.
        keep: for fp16, names of nodes that stay in single precision.

    Raises:
        BadInput: there is no such precision.
    """
    check(precision)
    if precision == "fp16":
        return fp16.halve(model, keep, half_io=block)
    if precision == "int8":
        if ranges is None:
            ranges = int8.plausible(model.graph)
        return int8.quantise(model, ranges, borders, integers == "unsigned", integer_io=block)
    return model
