"""The mixed-kernel MBConv as nodes, in four forms of the same function.

With one kernel size all forms are the same graph.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Final

import numpy as np

from sgnas_deploy.blocks import Conv
from sgnas_deploy.blocks.mb import MixedMBConv
from sgnas_deploy.emitter.graph import Graph
from sgnas_deploy.emitter.weights import Array

_Parts = tuple[str, ...]
"""Feature maps whose concatenation is the expanded map."""


def emit(graph: Graph, name: str, block: MixedMBConv, form: str, x: str) -> str:
    """Append the nodes in the given form."""
    convs = {conv.name: conv for conv in block.convs}
    parts = _EXPANDED[form](graph, name, block, convs, x)
    if form == "sum":
        y = _project_and_sum(graph, name, block, convs, _gated(graph, name, block, convs, parts))
    else:
        whole = graph.concat(f"{name}.concat", parts)
        (gated,) = _gated(graph, name, block, convs, (whole,))
        y = graph.fused(name, convs["project"], gated)
    return graph.add(f"{name}.add", x, y) if block.residual else y


def _one_expansion_each(
    graph: Graph, name: str, block: MixedMBConv, convs: Mapping[str, Conv], x: str
) -> _Parts:
    """Expansion and depthwise convolution per kernel size."""
    parts = []
    for kernel, _ in block.branches:
        y = graph.fused(name, convs[f"k{kernel}.expand"], x)
        parts.append(graph.fused(name, convs[f"k{kernel}.depthwise"], y))
    return tuple(parts)


def _one_expansion_split(
    graph: Graph, name: str, block: MixedMBConv, convs: Mapping[str, Conv], x: str
) -> _Parts:
    """One expansion with its activation, split, depthwise convolution per kernel size."""
    whole = _joint_expansion(graph, name, block, convs, x)
    widths = [width for _, width in block.branches]
    pieces = graph.split(f"{name}.split", whole, widths)
    return tuple(
        graph.fused(name, convs[f"k{kernel}.depthwise"], piece)
        for (kernel, _), piece in zip(block.branches, pieces, strict=True)
    )


def _one_depthwise(
    graph: Graph, name: str, block: MixedMBConv, convs: Mapping[str, Conv], x: str
) -> _Parts:
    """One expansion, one depthwise convolution with the kernels padded to the largest."""
    whole = _joint_expansion(graph, name, block, convs, x)
    parts = [convs[f"k{kernel}.depthwise"] for kernel, _ in block.branches]
    largest = parts[-1].kernel  # branches come in rising order
    joint = dataclasses.replace(
        parts[-1],
        name=f"k{largest}.depthwise",
        c_in=block.width,
        c_out=block.width,
        groups=block.width,
    )
    weights, biases = zip(*(graph.weights_of(name, conv) for conv in parts), strict=True)
    weight = np.concatenate([_padded(weight, largest) for weight in weights])
    at = f"{name}.{joint.name}"
    y = graph.conv(at, joint, whole, weight, np.concatenate(biases))
    return (graph.activation(at, joint.activation, y),)


_EXPANDED: Final[
    dict[str, Callable[[Graph, str, MixedMBConv, Mapping[str, Conv], str], _Parts]]
] = {
    "concat": _one_expansion_each,
    "sum": _one_expansion_each,
    "padded": _one_depthwise,
    "split": _one_expansion_split,
}


def _joint_expansion(
    graph: Graph, name: str, block: MixedMBConv, convs: Mapping[str, Conv], x: str
) -> str:
    parts = [convs[f"k{kernel}.expand"] for kernel, _ in block.branches]
    name_of_all = parts[0].name if len(parts) == 1 else "expand"
    joint = dataclasses.replace(parts[0], name=name_of_all, c_out=block.width)
    weights, biases = zip(*(graph.weights_of(name, conv) for conv in parts), strict=True)
    at = f"{name}.{joint.name}"
    y = graph.conv(at, joint, x, np.concatenate(weights), np.concatenate(biases))
    return graph.activation(at, joint.activation, y)


def _padded(weight: Array, kernel: int) -> Array:
    """A depthwise weight with a border of zeros: the same function with a larger kernel."""
    border = (kernel - weight.shape[-1]) // 2
    return np.pad(weight, ((0, 0), (0, 0), (border, border), (border, border)))


def _gated(
    graph: Graph, name: str, block: MixedMBConv, convs: Mapping[str, Conv], parts: _Parts
) -> _Parts:
    """Squeeze-and-excitation over all channels, the parts kept apart.

    The gates need the means of every channel. Joining the parts' means (1x1 maps) and splitting
    the gates is the same function as gating the concatenated map.
    """
    if not block.se:
        return parts
    one = len(parts) == 1
    means = tuple(
        graph.average(f"{name}.se.pool" if one else f"{name}.se.pool.{i}", part)
        for i, part in enumerate(parts)
    )
    squeezed = graph.fused(name, convs["se.reduce"], graph.concat(f"{name}.se.concat", means))
    gates = graph.fused(name, convs["se.expand"], squeezed)
    widths = [width for _, width in block.branches] if not one else [block.width]
    pieces = graph.split(f"{name}.se.split", gates, widths)
    return tuple(
        graph.multiply(f"{name}.se.scale" if one else f"{name}.se.scale.{i}", part, gate)
        for i, (part, gate) in enumerate(zip(parts, pieces, strict=True))
    )


def _project_and_sum(
    graph: Graph, name: str, block: MixedMBConv, convs: Mapping[str, Conv], parts: _Parts
) -> str:
    """One projection per part, summed; the bias goes with the first."""
    project = convs["project"]
    weight, bias = graph.weights_of(name, project)
    total = ""
    start = 0
    for (kernel, width), part in zip(block.branches, parts, strict=True):
        columns = np.ascontiguousarray(weight[:, start : start + width])
        piece = dataclasses.replace(project, c_in=width)
        at = f"{name}.project" if len(parts) == 1 else f"{name}.k{kernel}.project"
        y = graph.conv(at, piece, part, columns, bias if start == 0 else None)
        total = graph.add(f"{name}.k{kernel}.sum", total, y) if total else y
        start += width
    return total
