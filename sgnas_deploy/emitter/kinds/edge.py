"""An edge of a stage of NAS-Bench-201 as nodes: a chain of its operation, once a cell."""

from __future__ import annotations

from sgnas_deploy.blocks.edge import Edge
from sgnas_deploy.emitter.graph import Graph
from sgnas_deploy.emitter.kinds.cell import operate


def emit(graph: Graph, name: str, block: Edge, form: str, x: str) -> str:
    """Append the nodes; the same in every form."""
    del form
    convs = dict(enumerate(block.convs))
    for i in range(block.cells):
        at, conv = f"{name}.cell{i}", convs.get(i)
        h = graph.activation(f"{at}.input", "relu", x) if conv is not None else x
        x = operate(graph, name, at, conv, block.operation, h)
    return x
