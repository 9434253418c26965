"""A cell of NAS-Bench-201 as nodes; an edge alone is built from the same parts."""

from __future__ import annotations

from sgnas_deploy.blocks import Conv
from sgnas_deploy.blocks.cell import EDGES, KERNELS, Cell
from sgnas_deploy.emitter.graph import Graph


def emit(graph: Graph, name: str, block: Cell, form: str, x: str) -> str:
    """Append the nodes; the same in every form.

    The ReLU in front of the convolutions is one node for all edges that start at a node.
    """
    del form
    convs = {conv.name: conv for conv in block.convs}
    nodes = {0: x}
    rectified: dict[int, str] = {}
    for i, ((source, target), operation) in enumerate(zip(EDGES, block.operations, strict=True)):
        if operation == "none":
            continue
        at = f"{name}.edge{i}"
        h = nodes[source]
        if operation in KERNELS:
            if source not in rectified:
                rectified[source] = graph.activation(f"{name}.node{source}", "relu", h)
            h = rectified[source]
        y = operate(graph, name, at, convs.get(f"edge{i}"), operation, h)
        nodes[target] = graph.add(f"{at}.add", nodes[target], y) if target in nodes else y
    return nodes[3]


def operate(graph: Graph, name: str, at: str, conv: Conv | None, operation: str, x: str) -> str:
    """One operation on (for convolutions: rectified) x.

    Args:
        graph: under construction.
        name: of the block, for the weights.
        at: name of the edge.
        conv: the convolution, None where the operation is none.
        operation: what to do.
        x: the tensor.
    """
    if conv is not None:
        return graph.fused(name, conv, x)
    return graph.average_around(f"{at}.pool", x, 3) if operation == "avg_pool_3x3" else x
