"""The stem of NAS-Bench-201 as nodes: one convolution."""

from __future__ import annotations

from sgnas_deploy.blocks.convbn import ConvNormStem
from sgnas_deploy.emitter.graph import Graph


def emit(graph: Graph, name: str, block: ConvNormStem, form: str, x: str) -> str:
    """Append the nodes; the same in every form."""
    del form
    return graph.fused(name, block.convs[0], x)
