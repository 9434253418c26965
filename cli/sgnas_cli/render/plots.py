"""Plots of characters: braille dots for lines, shades for a heat map. No screen is needed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, TypeAlias

from rich.text import Text

from sgnas_cli.render import parts

Points: TypeAlias = Sequence[tuple[float, float]]

# Bit of each dot of a braille cell, by line and column (Unicode, block "Braille Patterns").
_DOTS: Final = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
_BLANK: Final = 0x2800
_SHADES: Final = " ░▒▓█"


def span(values: Sequence[float], share: float = 0.05) -> tuple[float, float]:
    """A range around values."""
    low, high = min(values), max(values)
    reach = (high - low) or abs(high) * 0.2 or 1.0
    return low - share * reach, high + share * reach


def scatter(
    marks: Sequence[tuple[float, float, str, str]],
    dots: Points = (),
    lines: Sequence[float] = (),
    diagonal: bool = False,
    x_title: str = "",
    y_title: str = "",
    width: int = 60,
    height: int = 16,
) -> Text:
    """Letters and bullets in a field with axes.

    Args:
        marks: x, y, a letter or two, and a style.
        dots: points without a name.
        lines: vertical lines, such as budgets.
        diagonal: a line where x equals y, in braille; both axes have one scale then.
        x_title: below the field.
        y_title: above the field.
        width: columns of the field.
        height: its lines.
    """
    xs = [*(mark[0] for mark in marks), *(dot[0] for dot in dots), *lines]
    ys = [*(mark[1] for mark in marks), *(dot[1] for dot in dots)]
    if not ys:
        return Text("nothing to draw")
    x_range, y_range = span(xs), span(ys)
    if diagonal:
        x_range = y_range = span([*xs, *ys])

    def place(value: float, ends: tuple[float, float], cells: int) -> int:
        share = (value - ends[0]) / (ends[1] - ends[0])
        return min(cells - 1, max(0, int(share * cells)))

    cells = [[0] * width for _ in range(height)]

    def dot(x: float, y: float) -> None:
        column, line = place(x, x_range, 2 * width), place(y, y_range, 4 * height)
        line = 4 * height - 1 - line
        cells[line // 4][column // 2] |= _DOTS[line % 4][column % 2]

    if diagonal:
        for step in range(0, 2 * width, 3):
            value = x_range[0] + (step + 0.5) / (2 * width) * (x_range[1] - x_range[0])
            dot(value, value)
    field: list[list[tuple[str, str]]] = [
        [(chr(_BLANK + cell) if cell else " ", "dim") for cell in row] for row in cells
    ]
    for x in lines:
        column = place(x, x_range, width)
        for row in field:
            if row[column][0] == " ":
                row[column] = ("┊", "dim")
    for x, y, letter, style in (*((x, y, "•", "cyan") for x, y in dots), *marks):
        line, column = height - 1 - place(y, y_range, height), place(x, x_range, width)
        for offset, character in enumerate(letter[: width - column]):
            field[line][column + offset] = (character, style)
    return _framed(field, x_range, y_range, x_title, y_title)


def _framed(
    field: Sequence[Sequence[tuple[str, str]]],
    x_range: tuple[float, float],
    y_range: tuple[float, float],
    x_title: str,
    y_title: str,
) -> Text:
    width = len(field[0])
    names = {0: f"{y_range[1]:.4g}", len(field) - 1: f"{y_range[0]:.4g}"}
    margin = max(len(name) for name in names.values())
    text = Text(no_wrap=True, overflow="ignore")
    text.append(f"{'':>{margin}} {y_title}\n", "dim")
    for line, row in enumerate(field):
        text.append(f"{names.get(line, ''):>{margin}} │", "dim")
        for character, style in row:
            text.append(character, style)
        text.append("\n")
    low, high = f"{x_range[0]:.4g}", f"{x_range[1]:.4g}"
    text.append(f"{'':>{margin}} └{'─' * width}\n", "dim")
    gap = max(width - len(low) - len(high), 0)
    text.append(f"{'':>{margin}}  {low}{x_title:^{gap}}{high}", "dim")
    return text


def style_of(verdict: str | None) -> str:
    """Style of a network's letter."""
    return "bold cyan" if verdict is None else parts.VERDICTS[verdict]


def heat(costs: Sequence[Sequence[float]], labels: tuple[str, str]) -> Text:
    """Shades on a logarithmic scale, one line a decision.

    Args:
        costs: one row a decision; 0 where there is no option.
        labels: the first and the last column.
    """
    positive = [cost for row in costs for cost in row if cost > 0]
    if not positive:
        return Text("nothing to draw")
    low, high = min(positive), max(positive)
    reach = math.log(high / low) or 1.0
    text = Text(no_wrap=True, overflow="ignore")
    for number, row in enumerate(costs):
        text.append(f"{number:>3} ", "dim")
        for cost in row:
            share = math.log(cost / low) / reach if cost > 0 else 0.0
            text.append(2 * _SHADES[min(int(share * len(_SHADES)), len(_SHADES) - 1)])
        text.append("\n")
    width = 2 * len(costs[0])
    gap = max(width - len(labels[0]) - len(labels[1]), 1)
    text.append(f"    {labels[0]}{'':>{gap}}{labels[1]}", "dim")
    return text
