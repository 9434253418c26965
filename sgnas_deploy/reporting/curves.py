"""Training curves, thinned to what a picture can show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sgnas_deploy.reporting.charts import Frame, Points, chart, legend, padded
from sgnas_deploy.reporting.contents import Contents
from sgnas_deploy.reporting.markup import Markup, tag

MOST_POINTS: Final = 240
LINES: Final = 6
"""Colours there are for lines; further ones begin anew."""

READINGS: Final = {
    "accuracy": "accuracy on held-out images, share",
    "learning_rate": "learning rate",
    "temperature": "temperature",
    "budget_error": "distance of expected latency to its target, share",
}


def draw(contents: Contents) -> list[tuple[str, Markup]]:
    """Title and picture of each training; retrainings share one."""
    groups: dict[str, list[tuple[str, Sequence[dict[str, float]]]]] = {}
    for title, lines in contents.histories:
        kind, _, name = title.partition(" ")
        group = "Retraining" if kind == "retrained" else f"{kind.capitalize()} {name}"
        groups.setdefault(group, []).append((name, lines))
    return [(title, _group(title, members)) for title, members in groups.items()]


def _group(title: str, members: Sequence[tuple[str, Sequence[dict[str, float]]]]) -> Markup:
    pictures = [_lines(f"{title}: loss", "loss", members, "loss", 210.0)]
    for name, label in READINGS.items():
        if any(name in line for _, lines in members for line in lines):
            pictures.append(_lines(f"{title}: {label}", label, members, name, 128.0))
    if any("expected_s" in line for _, lines in members for line in lines):
        (_, lines), *_ = members
        pair = [
            ("expected", [{"epoch": one["epoch"], "ms": 1e3 * one["expected_s"]} for one in lines]),
            ("target", [{"epoch": one["epoch"], "ms": 1e3 * one["target_s"]} for one in lines]),
        ]
        pictures.append(
            _lines(f"{title}: latency", "latency of the last step, ms", pair, "ms", 128.0)
        )
        pictures.append(_names(pair))
    if len(members) > 1:
        pictures.append(_names(members))
    return tag("figure", pictures)


def _names(members: Sequence[tuple[str, object]]) -> Markup:
    return legend([(f"l{index % LINES}", name) for index, (name, _) in enumerate(members)])


def _lines(
    title: str,
    label: str,
    members: Sequence[tuple[str, Sequence[dict[str, float]]]],
    reading: str,
    height: float,
) -> Markup:
    series = [_series(lines, reading) for _, lines in members]
    everything = [point for points in series for point in points]
    last = max(x for x, _ in everything)
    frame = Frame(
        (0.0, last or 1.0),
        padded([y for _, y in everything], 0.08),
        height=height,
        bottom=40.0,
        top=20.0,
    )
    return chart(
        height,
        title,
        frame.axes("epoch", label, y_about=5 if height > 150 else 2),
        [frame.path(points, f"l{index % LINES}") for index, points in enumerate(series) if points],
    )


def _series(lines: Sequence[dict[str, float]], reading: str) -> Points:
    found = [(line["epoch"], line[reading]) for line in lines if reading in line]
    step = -(-len(found) // MOST_POINTS)
    return found[::-step][::-1] if step > 1 else found
