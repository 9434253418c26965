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
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Final, Protocol, cast

import onnx

from sgnas_deploy.blocks import Block
from sgnas_deploy.emitter.graph import IR_VERSION, OPSET, Graph
from sgnas_deploy.emitter.weights import ArbitraryWeights, NamedWeights, Weights
from sgnas_deploy.errors import BadInput
from sgnas_deploy.spaces import Space

__all__ = [
    "DEFAULT_FORM",
    "FORMS",
    "IR_VERSION",
    "OPSET",
    "ArbitraryWeights",
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


def emit_block(block: Block, form: str, batch: int) -> bytes:
    """A block alone, from `input` to `output`, with arbitrary weights.

    Args:
        block: any block.
        form: one of `FORMS`.
        batch: size of the batch axis.

    Returns:
        The serialised model; the same bytes for the same arguments.

    Raises:
        BadInput: unknown form, or a batch below 1.
    """
    graph = _start(block.key, form, batch, ArbitraryWeights())
    x = graph.input("input", block.input_shape)
    y = _emit(graph, "block", block, form, x)
    graph.output(y, "output", block.output_shape)
    model = graph.model({"block": block.key, "form": form})
    return cast(bytes, model.SerializeToString())


def emit_network(
    space: Space,
    options: tuple[int, ...],
    form: str,
    batch: int,
    weights: Weights | None = None,
    metadata: Mapping[str, str] | None = None,
) -> onnx.ModelProto:
    """A whole network, from `images` to `logits`.

    Args:
        space: the search space.
        options: one option per decision.
        form: one of `FORMS`.
        batch: size of the batch axis.
        weights: None for arbitrary ones, good for timing.
        metadata: texts to store in the model.

    Returns:
        The model: input (batch, channels, resolution, resolution), output (batch, classes).

    Raises:
        BadInput: unknown form, a batch below 1, or options that the space does not have.
    """
    blocks = space.network_blocks(options)
    graph = _start(space.id, form, batch, weights or ArbitraryWeights())
    x = graph.input("images", blocks[0][1].input_shape)
    for name, block in blocks:
        x = _emit(graph, name, block, form, x)
    graph.output(x, "logits", blocks[-1][1].output_shape)
    return graph.model(metadata or {})


def _start(name: str, form: str, batch: int, weights: Weights) -> Graph:
    check_form(form)
    if batch < 1:
        raise BadInput(f"a batch of {batch} images is not possible", "take a batch of 1 or more")
    return Graph(name, batch, weights)


def _emit(graph: Graph, name: str, block: Block, form: str, x: str) -> str:
    kind = cast(_Kind, importlib.import_module(f"{__name__}.kinds.{block.kind}"))
    return kind.emit(graph, name, block, form, x)
