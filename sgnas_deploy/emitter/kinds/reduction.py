"""The residual reduction block of NAS-Bench-201 as nodes."""

from __future__ import annotations

from sgnas_deploy.blocks.reduction import Reduction
from sgnas_deploy.emitter.graph import Graph


def emit(graph: Graph, name: str, block: Reduction, form: str, x: str) -> str:
    """Append the nodes; the same in every form."""
    del form
    first, second, shortcut = block.convs
    y = graph.activation(f"{name}.input", "relu", x)
    y = graph.fused(name, second, graph.fused(name, first, y))
    short = graph.fused(name, shortcut, graph.halved(f"{name}.pool", x))
    return graph.add(f"{name}.add", short, y)
