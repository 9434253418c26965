"""The head as nodes: convolution, global average pooling, matrix product."""

from __future__ import annotations

from sgnas_deploy.blocks.head import Head
from sgnas_deploy.emitter.graph import Graph


def emit(graph: Graph, name: str, block: Head, form: str, x: str) -> str:
    """Append the nodes; the same in every form."""
    del form
    conv, classifier = block.convs
    x = graph.fused(name, conv, x)
    x = graph.average(f"{name}.pool", x)
    x = graph.flatten(f"{name}.flatten", x)
    return graph.linear(name, classifier, x)
