"""The emitter: the one writer of ONNX, for single blocks and for whole networks.

The profiler measures exactly what the exporter writes: both come from here, and a block alone has
the same nodes as inside a network. Batch normalisation is folded, every convolution has its bias.

A *form* is one of several graphs of the same function; which is fastest differs between runtimes,
so that the profiler tries them and the table says which one it measured:

* `concat`: one expansion per kernel size, concatenation, one projection
* `sum`: the same with one projection per kernel size, summed
* `padded`: one depthwise convolution, all kernels padded with zeros to the largest
* `split`: one expansion, split among the kernel sizes, then as `concat`

Blocks with nothing to choose are the same in every form. One kind of block, one file of `kinds`.

Graphs are written in single precision and then converted (`sgnas_deploy.precision`), a block by
the same rules as a network.
"""

from __future__ import annotations

import importlib
from collections.abc import Collection, Mapping
from typing import Final, Protocol, cast

import onnx

from sgnas_deploy import precision as precisions
from sgnas_deploy.blocks import Block
from sgnas_deploy.emitter.graph import IR_VERSION, OPSET, Batch, Graph
from sgnas_deploy.emitter.weights import ArbitraryWeights, NamedWeights, Weights
from sgnas_deploy.errors import BadInput
from sgnas_deploy.spaces import Space

__all__ = [
    "DEFAULT_FORM",
    "FORMS",
    "IR_VERSION",
    "OPSET",
    "ArbitraryWeights",
    "Batch",
    "NamedWeights",
    "Weights",
    "check_form",
    "emit_block",
    "emit_network",
]

FORMS: Final = ("concat", "sum", "padded", "split")
DEFAULT_FORM: Final = "concat"


class _Kind(Protocol):
    """What each file of `kinds` has."""

    def emit(self, graph: Graph, name: str, block: Block, form: str, x: str) -> str:
        """Append a block's nodes; takes and returns the name of a tensor."""


def check_form(form: str) -> str:
    """The form itself.

    Raises:
        BadInput: there is no such form.
    """
    if form not in FORMS:
        raise BadInput(f"unknown graph form {form!r}", f"choose one of {', '.join(FORMS)}")
    return form


def emit_block(
    block: Block,
    form: str,
    batch: Batch,
    precision: str = "fp32",
    backend: str = "onnxruntime",
) -> bytes:
    """A block alone, from `input` to `output`, with arbitrary weights.

    Args:
        block: any block.
        form: one of `FORMS`.
        batch: size of the batch axis, or `dynamic`.
        precision: of weights and activations, of input and output too.
        backend: what will execute it: decides the kind of integers of int8.

    Returns:
        The serialised model; the same bytes for the same arguments.

    Raises:
        BadInput: unknown form or precision, or a batch below 1.
    """
    precisions.check(precision)
    graph = _start(block.key, form, batch, ArbitraryWeights())
    x = graph.input("input", block.input_shape)
    y = _emit(graph, "block", block, form, x)
    graph.output(y, "output", block.output_shape)
    model = precisions.convert(
        graph.model({"block": block.key, "form": form}),
        precision,
        integers=precisions.integers_for(backend),
        borders=("input", "output"),
        block=True,
    )
    return cast(bytes, model.SerializeToString())


def emit_network(
    space: Space,
    options: tuple[int, ...],
    form: str,
    batch: Batch,
    weights: Weights | None = None,
    metadata: Mapping[str, str] | None = None,
    precision: str = "fp32",
    backend: str = "onnxruntime",
    ranges: Mapping[str, float] | None = None,
    keep: Collection[str] = (),
) -> onnx.ModelProto:
    """A whole network, from `images` to `logits`, both in single precision.

    Args:
        space: the search space.
        options: one option per decision.
        form: one of `FORMS`.
        batch: size of the batch axis, or `dynamic`.
        weights: None for arbitrary ones, good for timing.
        metadata: texts to store in the model.
        precision: of weights and activations.
        backend: what will execute it: decides the kind of integers of int8.
        ranges: for int8, the largest absolute value of each tensor of the network in single
            precision; None for plausible ones, good for timing.
        keep: for fp16, names of nodes that stay in single precision.

    Returns:
        The model: input (batch, channels, resolution, resolution), output (batch, classes).

    Raises:
        BadInput: unknown form or precision, a batch below 1, or options that the space does not
            have.
    """
    precisions.check(precision)
    blocks = space.network_blocks(options)
    graph = _start(space.id, form, batch, weights or ArbitraryWeights())
    x = graph.input("images", blocks[0][1].input_shape)
    borders = [x]
    for name, block in blocks:
        x = _emit(graph, name, block, form, x)
        borders.append(x)
    graph.output(x, "logits", blocks[-1][1].output_shape)
    borders[-1] = "logits"
    return precisions.convert(
        graph.model(metadata or {}),
        precision,
        integers=precisions.integers_for(backend),
        borders=borders,
        block=False,
        ranges=ranges,
        keep=keep,
    )


def _start(name: str, form: str, batch: Batch, weights: Weights) -> Graph:
    check_form(form)
    if batch != "dynamic" and batch < 1:
        raise BadInput(f"a batch of {batch} images is not possible", "take a batch of 1 or more")
    return Graph(name, batch, weights)


def _emit(graph: Graph, name: str, block: Block, form: str, x: str) -> str:
    kind = cast(_Kind, importlib.import_module(f"{__name__}.kinds.{block.kind}"))
    return kind.emit(graph, name, block, form, x)
