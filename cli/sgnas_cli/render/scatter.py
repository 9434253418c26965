"""A scatter plot made of characters: it needs no screen but the terminal, and fits into a log."""

from __future__ import annotations

from collections.abc import Sequence

from sgnas_cli.render import figures

Points = Sequence[tuple[float, float]]


def scatter(points: Points, others: Points = (), width: int = 56, height: int = 18) -> str:
    """Measured over predicted, both in seconds, on equal axes; a point on the dots is exact.

    Args:
        points: (predicted, measured) of each test network, drawn `o`.
        others: those of networks that stand apart, drawn `x`, over the others.
        width: columns of the field.
        height: its lines.
    """
    values = [value for point in (*points, *others) for value in point]
    low, high = min(values), max(values)
    reach = (high - low) or high
    low, high = low - 0.03 * reach, high + 0.03 * reach

    def at(value: float, cells: int) -> int:
        return min(cells - 1, max(0, int((value - low) / (high - low) * cells)))

    field = [[" "] * width for _ in range(height)]
    for column in range(width):
        line = int(column * height / width)
        field[line][column] = "."
    for mark, group in (("o", points), ("x", others)):
        for predicted, measured in group:
            field[at(measured, height)][at(predicted, width)] = mark
    top, bottom = figures.ms(high), figures.ms(low)
    margin = max(len(top), len(bottom))
    names = {height - 1: top, 0: bottom}
    lines = [
        f"{names.get(line, ''):>{margin}} |{''.join(field[line])}".rstrip()
        for line in range(height - 1, -1, -1)
    ]
    gap = width - len(bottom) - len(top)
    return "\n".join(
        [
            "measured, ms",
            *lines,
            f"{'':>{margin}} +{'-' * width}",
            f"{'':>{margin}}  {bottom}{'predicted, ms':^{gap}}{top}",
        ]
    )
