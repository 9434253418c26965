"""Axes, ticks and lines of a chart in SVG. Colours are classes: the page's style decides them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias, final

from sgnas_deploy.reporting.markup import Child, Markup, number, tag
from sgnas_deploy.reporting.units import short

Points: TypeAlias = Sequence[tuple[float, float]]

WIDTH = 480.0
"""Of every chart, in its own units: on a phone these are about two thirds of a pixel."""


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers within [low, high], about so many."""
    if not high > low:
        return [low]
    raw = (high - low) / about
    power = 10 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [index * step for index in range(first, last + 1)]


def padded(values: Sequence[float], share: float = 0.07) -> tuple[float, float]:
    """A range around values, with some room at both ends."""
    low, high = min(values), max(values)
    reach = (high - low) or abs(high) * 0.2 or 1.0
    return low - share * reach, high + share * reach


@final
@dataclass(frozen=True)
class Frame:
    """The field of a chart and its two linear scales.

    Attributes:
        x: range of the horizontal axis.
        y: range of the vertical axis.
        height: of the chart, in its own units.
        left: room for the vertical axis' labels.
        bottom: room for the horizontal axis' labels.
        top: room above the field.
        right: room beside it.
    """

    x: tuple[float, float]
    y: tuple[float, float]
    height: float = 330.0
    left: float = 58.0
    bottom: float = 46.0
    top: float = 12.0
    right: float = 14.0

    def px(self, x: float) -> float:
        """Horizontal place of a value."""
        low, high = self.x
        return self.left + (x - low) / (high - low) * (WIDTH - self.left - self.right)

    def py(self, y: float) -> float:
        """Vertical place of a value."""
        low, high = self.y
        return (
            self.height
            - self.bottom
            - (y - low) / (high - low) * (self.height - self.bottom - self.top)
        )

    def axes(
        self, x_title: str, y_title: str, x_about: int = 5, y_about: int = 5, percent: bool = False
    ) -> Markup:
        """Grid, ticks and titles."""
        end, foot = WIDTH - self.right, self.height - self.bottom
        parts: list[Child] = []
        low, high = self.y
        # No share is above 1, though the field may reach a little higher.
        for value in ticks(low, min(high, 1.0) if percent else high, y_about):
            y = self.py(value)
            label = f"{short(100 * value)} %" if percent else short(value)
            parts += [
                tag("line", x1=self.left, x2=end, y1=y, y2=y, class_="grid"),
                tag("text", label, x=self.left - 8, y=y + 4.5, class_="tick end"),
            ]
        for value in ticks(*self.x, x_about):
            x = self.px(value)
            parts += [
                tag("line", x1=x, x2=x, y1=foot, y2=foot + 5, class_="axis"),
                tag("text", short(value), x=x, y=foot + 20, class_="tick mid"),
            ]
        parts += [
            tag("line", x1=self.left, x2=end, y1=foot, y2=foot, class_="axis"),
            tag("text", x_title, x=end, y=self.height - 6, class_="title end"),
            tag("text", y_title, x=self.left, y=self.top - 2, class_="title"),
        ]
        return tag("g", parts)

    def path(self, points: Points, class_: str) -> Markup:
        """A line through points."""
        places = (f"{number(self.px(x))} {number(self.py(y))}" for x, y in points)
        return tag("path", d="M" + "L".join(places), class_=f"line {class_}")


def marker(x: float, y: float, kind: str, title: str) -> Markup:
    """A point of a chart; its form, not its colour alone, says what it is.

    Args:
        x: place.
        y: place.
        kind: `PASS` (full circle), `FAIL` (cross), `UNDECIDED` (diamond), `open`
            (empty circle: not measured), or `dot`.
        title: what a pointer shows.
    """
    named = tag("title", title)
    if kind == "FAIL":
        d = f"M{number(x - 6)} {number(y - 6)}l12 12m0-12l-12 12"
        return tag("path", named, d=d, class_="mark fail cross")
    if kind == "UNDECIDED":
        d = f"M{number(x)} {number(y - 8)}l8 8l-8 8l-8-8z"
        return tag("path", named, d=d, class_="mark undecided")
    if kind == "dot":
        return tag("circle", named, cx=x, cy=y, r=4.0, class_="mark dot")
    class_ = "mark pass" if kind == "PASS" else "mark open"
    return tag("circle", named, cx=x, cy=y, r=6.5, class_=class_)


def chart(height: float, title: str, *children: Child, width: float = WIDTH) -> Markup:
    """The picture; `title` is what a screen reader says."""
    return tag(
        "svg",
        tag("title", title),
        children,
        viewBox=f"0 0 {number(width)} {number(height)}",
        role="img",
        class_="chart",
    )


def legend(entries: Sequence[tuple[str, str]]) -> Markup:
    """Class of a swatch and its meaning, below a chart."""
    return tag(
        "p",
        (tag("span", tag("i", class_=f"swatch {class_}"), name) for class_, name in entries),
        class_="legend",
    )
