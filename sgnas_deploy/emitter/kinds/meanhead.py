"""The head of NAS-Bench-201 as nodes: scale and shift, ReLU, mean, matrix product."""

from __future__ import annotations

from sgnas_deploy.blocks.meanhead import MeanHead
from sgnas_deploy.emitter.graph import Graph


def emit(graph: Graph, name: str, block: MeanHead, form: str, x: str) -> str:
    """Append the nodes; the same in every form."""
    del form
    norm, classifier = block.convs
    x = graph.average(f"{name}.pool", graph.fused(name, norm, x))
    return graph.linear(name, classifier, graph.flatten(f"{name}.flatten", x))
