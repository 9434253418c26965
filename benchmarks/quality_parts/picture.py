"""Accuracy over latency, one line a method, as an SVG file of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sgnas_deploy.reporting.charts import WIDTH, Frame, padded
from sgnas_deploy.reporting.markup import Child, Markup, tag

COLOURS: Final = {
    "generator": "#2563c9",
    "evolution": "#dd6a2e",
    "random": "#8794a3",
    "macs": "#12783f",
    "free": "#8b57d1",
    "argmax": "#b92d22",
}
"""Of the methods that are drawn; all but the first two are dashed."""

STYLE: Final = """
text{font-family:system-ui,-apple-system,"Segoe UI",Roboto,Arial,sans-serif;font-size:13px;
fill:#18212c}
.tick,.title{fill:#5a6675;font-size:12px}.end{text-anchor:end}.mid{text-anchor:middle}
.grid{stroke:#e8edf2}.axis{stroke:#b9c3ce}
.line{fill:none;stroke-width:2.2;stroke-linejoin:round}
.dashed{stroke-width:1.6;stroke-dasharray:5 4}
"""

LEGEND: Final = 22.0
"""Height of a line of the legend."""


def draw(methods: Mapping[str, Any], images: str, title: str) -> str:
    """The picture.

    Args:
        methods: of a result; those without a colour are left out.
        images: `looked_at` or `unseen`.
        title: stands above it.
    """
    lines = {
        name: [(row["predicted_ms"], row["accuracy"][images]) for row in methods[name]["rows"]]
        for name in COLOURS
        if name in methods
    }
    places = [point for points in lines.values() for point in points]
    low, high = padded([y for _, y in places])
    frame = Frame(padded([x for x, _ in places]), (low, high), height=360.0, top=44.0)
    parts: list[Child] = [
        tag("text", title, x=frame.left, y=18.0),
        frame.axes("predicted latency, ms", "accuracy in the supernet", percent=True),
    ]
    for name, points in reversed(lines.items()):
        dashed = "" if name in ("generator", "evolution") else " dashed"
        line = frame.path(sorted(points), f"of-{name}{dashed}")
        parts.append(line)
        parts += [
            tag("circle", cx=frame.px(x), cy=frame.py(y), r=3.2, fill=COLOURS[name])
            for x, y in points
        ]
    for number, name in enumerate(lines):
        x, y = frame.left + 140.0 * (number % 3), frame.height + LEGEND * (number // 3 + 1)
        swatch = tag("line", x1=x, x2=x + 22, y1=y - 4, y2=y - 4, class_=f"line of-{name}")
        parts += [swatch, tag("text", name, x=x + 28, y=y)]
    height = frame.height + LEGEND * ((len(lines) + 2) // 3 + 1)
    colours = "".join(f".of-{name}{{stroke:{colour}}}" for name, colour in COLOURS.items())
    return tag(
        "svg",
        tag("title", title),
        tag("style", Markup(STYLE + colours)),
        tag("rect", width="100%", height="100%", fill="#ffffff"),
        parts,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {WIDTH:g} {height:g}",
        role="img",
    )
