"""The table as a heat map: what each option of each layer costs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, final

import numpy as np
import numpy.typing as npt

from sgnas_deploy import spaces
from sgnas_deploy.blocks import macs
from sgnas_deploy.reporting.charts import WIDTH, chart
from sgnas_deploy.reporting.contents import Network
from sgnas_deploy.reporting.markup import Child, Markup, number, tag
from sgnas_deploy.reporting.units import ms
from sgnas_deploy.spaces import Space
from sgnas_deploy.tables import Predictor

STEPS: Final = 10
"""Colours of the scale."""


@final
@dataclass(frozen=True)
class Map:
    """Costs of the options, in the order that they are drawn in.

    Attributes:
        costs_s: one row a decision, one column an option; NaN where it has fewer options.
        order: option index of each column.
        labels: what each column stands for.
    """

    costs_s: npt.NDArray[np.float64]
    order: tuple[int, ...]
    labels: tuple[str, ...]


def of(predictor: Predictor) -> Map:
    """The map of a table: options by rising operations, averaged over the decisions."""
    space = spaces.load(predictor.space)
    widest = max(space.option_counts)
    costs_s = np.full((len(space.option_counts), widest), np.nan)
    for decision, costs in enumerate(predictor.option_costs):
        costs_s[decision, : len(costs)] = costs
    weight = _weights(space, widest)
    order = tuple(sorted(range(widest), key=lambda option: (weight[option], option)))
    longest = int(np.argmax(space.option_counts))
    labels = tuple(space.option_label(longest, option) for option in order)
    return Map(costs_s[:, order], order, labels)


def _weights(space: Space, widest: int) -> list[float]:
    found = []
    for option in range(widest):
        own = [
            sum(macs(block) for block in space.option_blocks(decision, option))
            for decision, count in enumerate(space.option_counts)
            if option < count
        ]
        found.append(sum(own) / len(own))
    return found


def draw(predictor: Predictor, networks: Sequence[Network]) -> Markup:
    """The picture, the options of a few networks marked."""
    found = of(predictor)
    rows, columns = found.costs_s.shape
    left, top, foot = 34.0, 8.0, 26.0
    height = max(14.0, min(24.0, 320.0 / rows))
    width = (WIDTH - left - 6) / columns
    bands, low_s, high_s = _bands(found.costs_s)
    cells: dict[int, list[str]] = {}
    for row, column in np.argwhere(np.isfinite(found.costs_s)).tolist():
        x, y = number(left + column * width), number(top + row * height)
        shape = f"M{x} {y}h{number(width - 0.3)}v{number(height - 1)}h-{number(width - 0.3)}z"
        cells.setdefault(int(bands[row, column]), []).append(shape)
    parts: list[Child] = [
        tag("path", d="".join(shapes), class_=f"heat h{band}")
        for band, shapes in sorted(cells.items())
    ]
    for row in range(rows):
        if rows <= 8 or row % 2 == 0:
            y = top + row * height + height / 2 + 4
            parts.append(tag("text", str(row), x=left - 7, y=y, class_="tick end"))
    column_of = {option: column for column, option in enumerate(found.order)}
    marked = [one for one in networks if one.architecture.space == predictor.space][:4]
    for network in marked:
        for row, option in enumerate(network.architecture.options):
            x = left + (column_of[option] + 0.5) * width
            y = top + row * height + height / 2
            title = f"{network.name}, layer {row}: {network.architecture.labels[row]}"
            if len(marked) > 1:
                ring = tag("text", network.letter, x=x, y=y + 4, class_="chosen mid")
            else:
                ring = tag("circle", cx=x, cy=y, r=4.0, class_="ring")
            parts.append(tag("g", tag("title", title), ring))
    bottom = top + rows * height
    parts += [
        tag("text", found.labels[0] or "first option", x=left, y=bottom + 18, class_="tick"),
        tag("text", "more operations →", x=WIDTH / 2 + 14, y=bottom + 18, class_="title mid"),
        tag("text", found.labels[-1], x=WIDTH - 6, y=bottom + 18, class_="tick end"),
    ]
    title = "Cost of each option (columns) of each layer (rows)"
    return tag(
        "figure",
        chart(bottom + foot, title, parts),
        _scale(low_s, high_s),
    )


def _bands(costs_s: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.int64], float, float]:
    """Colour of each cell on a logarithmic scale, and the scale's ends."""
    positive = costs_s[np.isfinite(costs_s) & (costs_s > 0)]
    if not len(positive):
        return np.zeros(costs_s.shape, np.int64), 0.0, 0.0
    low, high = float(positive.min()), float(positive.max())
    reach = math.log(high / low) or 1.0
    share = np.log(np.clip(np.nan_to_num(costs_s, nan=low), low, high) / low) / reach
    return np.minimum((share * STEPS).astype(np.int64), STEPS - 1), low, high


def _scale(low_s: float, high_s: float) -> Markup:
    swatches = [
        tag("i", class_=f"swatch heat h{band}", title=f"step {band + 1} of {STEPS}")
        for band in range(STEPS)
    ]
    return tag(
        "p",
        tag("span", f"{ms(low_s)} ms"),
        tag("span", swatches, class_="ramp"),
        tag("span", f"{ms(high_s)} ms (logarithmic)"),
        class_="legend",
    )
