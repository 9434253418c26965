"""The stem as nodes: its convolutions, one after another."""

from __future__ import annotations

from sgnas_deploy.blocks.stem import Stem
from sgnas_deploy.emitter.graph import Graph


def emit(graph: Graph, name: str, block: Stem, form: str, x: str) -> str:
    """Append the nodes; the same in every form."""
    del form
    for conv in block.convs:
        x = graph.fused(name, conv, x)
    return x
