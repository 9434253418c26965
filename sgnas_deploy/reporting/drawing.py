"""A network drawn to scale: its blocks from left to right, what each is made of, what it costs."""

from __future__ import annotations

from collections import Counter
from typing import Final

from sgnas_deploy import spaces
from sgnas_deploy.architectures import ArchitectureFile
from sgnas_deploy.blocks import Block
from sgnas_deploy.reporting.charts import WIDTH, chart
from sgnas_deploy.reporting.markup import Child, Markup, tag
from sgnas_deploy.reporting.units import ms
from sgnas_deploy.tables import Predictor

HEIGHT: Final = 96.0
"""Of the widest block."""

COSTS: Final = 34.0
"""Of the most expensive block's bar."""


def branches(block: Block) -> list[tuple[int, int]]:
    """(kernel, channels) of what a block's width is made of, in rising order of the kernel.

    Of a block with spatial convolutions these alone: what expands and projects has no width of its
    own. A block of 1x1 convolutions has that of its widest one.
    """
    spatial: Counter[int] = Counter()
    for conv in block.convs:
        if conv.kernel > 1:
            spatial[conv.kernel] += conv.c_out
    if spatial:
        return sorted(spatial.items())
    widest = max((conv.c_out for conv in block.convs), default=0)
    return [(1, widest)] if widest else []


def draw(architecture: ArchitectureFile, predictor: Predictor | None) -> Markup:
    """The picture: channels by kernel above the line, predicted cost below it."""
    space = spaces.load(architecture.space)
    blocks = space.network_blocks(architecture.options)
    made = [branches(block) for _, block in blocks]
    most = max((sum(channels for _, channels in parts) for parts in made), default=1) or 1
    pitch = (WIDTH - 12) / len(blocks)
    width = min(pitch * 0.78, 34.0)
    base = 22.0 + HEIGHT
    parts: list[Child] = []
    size = space.resolution
    costs_s = _costs_s(architecture, predictor, [name for name, _ in blocks])
    dearest_s = max(costs_s.values(), default=0.0)
    for index, ((name, block), kernels) in enumerate(zip(blocks, made, strict=True)):
        x = 6 + index * pitch + (pitch - width) / 2
        y = base
        bars: list[Child] = []
        for kernel, channels in kernels:
            high = channels / most * HEIGHT
            y -= high
            class_ = f"k{kernel}" if kernel in (1, 3, 5, 7) else "k7"
            bars.append(
                tag("rect", x=x, y=y, width=width, height=max(high - 0.8, 0.6), class_=class_)
            )
        said = ", ".join(f"{c} channels of kernel {k}" for k, c in kernels) or "nothing"
        title = f"{name}: {said}"
        if name in costs_s and dearest_s > 0:
            high = costs_s[name] / dearest_s * COSTS
            title += f"; {ms(costs_s[name])} ms by the table"
            bars.append(
                tag("rect", x=x, y=base + 4, width=width, height=max(high, 0.6), class_="cost")
            )
        now = block.output_shape[-1] if len(block.output_shape) == 3 else size
        if now != size or index == 0:
            place = x + width / 2
            bars.append(tag("text", str(now), x=place, y=12, class_="tick mid"))
            bars.append(tag("line", x1=place, x2=place, y1=16, y2=y - 2, class_="stride"))
            size = now
        parts.append(tag("g", tag("title", title), bars))
    parts.append(tag("line", x1=4, x2=WIDTH - 4, y1=base + 1.5, y2=base + 1.5, class_="axis"))
    height = base + 8 + (COSTS if costs_s else 0)
    return chart(height, f"Blocks of {architecture.name}", parts)


def _costs_s(
    architecture: ArchitectureFile, predictor: Predictor | None, names: list[str]
) -> dict[str, float]:
    """Cost of each block that is a decision, where there is one block a decision."""
    if predictor is None or predictor.space != architecture.space:
        return {}
    layers = [name for name in names if name.startswith("layers.")]
    if len(layers) != len(architecture.options):
        return {}
    return {
        name: float(predictor.option_costs[decision][option])
        for decision, (name, option) in enumerate(zip(layers, architecture.options, strict=True))
    }
