"""Accuracy against latency, with the budgets that the networks were made for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, final

from sgnas_deploy.reporting.charts import Frame, chart, legend, marker, padded
from sgnas_deploy.reporting.contents import Network
from sgnas_deploy.reporting.markup import Child, Markup, tag
from sgnas_deploy.reporting.units import ms, percent

MOST_LABELS: Final = 12
LEAST_REACH: Final = 0.05
"""Of the axis of accuracy."""


@final
@dataclass(frozen=True)
class Point:
    """A network in the picture.

    Attributes:
        letter: its short name.
        name: its name.
        latency_s: measured, or predicted where it was not measured.
        accuracy: top-1.
        kind: PASS, FAIL, UNDECIDED, or `open` where it was not measured.
        budget_s: None for a network without one.
    """

    letter: str
    name: str
    latency_s: float
    accuracy: float
    kind: str
    budget_s: float | None


def points(networks: Sequence[Network]) -> tuple[Point, ...]:
    """The networks of which latency and accuracy are known."""
    found = []
    for network in networks:
        latency_s = network.measured_s or network.predicted_s
        if latency_s is None or network.accuracy is None:
            continue
        found.append(
            Point(
                network.letter,
                network.name,
                latency_s,
                network.accuracy[0],
                network.verdict or "open",
                network.budget_s,
            )
        )
    return tuple(found)


def front(found: Sequence[Point]) -> tuple[Point, ...]:
    """The points that no other is faster than and at least as accurate, by latency."""
    best: list[Point] = []
    for point in sorted(found, key=lambda one: (one.latency_s, -one.accuracy)):
        if not best or point.accuracy > best[-1].accuracy:
            best.append(point)
    return tuple(best)


def draw(found: Sequence[Point]) -> Markup | None:
    """The picture, None where there is nothing to draw."""
    if not found:
        return None
    budgets = sorted({point.budget_s for point in found if point.budget_s is not None})
    x = padded([1e3 * s for s in (*(point.latency_s for point in found), *budgets)])
    low, high = padded([point.accuracy for point in found], 0.18)
    # Differences of a few images must not look like a mountain.
    short = max(0.0, LEAST_REACH - (high - low))
    high = min(high + short / 2, 1.01)
    low = max(min(low - short / 2, high - LEAST_REACH), 0.0)
    frame = Frame(x, (low, high))
    parts: list[Child] = [frame.axes("latency, ms", "top-1 accuracy", percent=True)]
    floor = frame.height - frame.bottom
    for budget_s in budgets:
        at = frame.px(1e3 * budget_s)
        parts.append(
            tag(
                "line",
                tag("title", f"budget {ms(budget_s)} ms"),
                x1=at,
                x2=at,
                y1=frame.top,
                y2=floor,
                class_="budget",
            )
        )
    best = front(found)
    steps: list[tuple[float, float]] = []
    for point in best:
        if steps:
            steps.append((1e3 * point.latency_s, steps[-1][1]))
        steps.append((1e3 * point.latency_s, point.accuracy))
    if len(best) > 1:
        parts.append(frame.path(steps, "front"))
    for point in found:
        px, py = frame.px(1e3 * point.latency_s), frame.py(point.accuracy)
        if point.budget_s is not None:
            end = frame.px(1e3 * point.budget_s)
            parts.append(tag("line", x1=px, x2=end, y1=py, y2=py, class_=f"reach {_class(point)}"))
        title = f"{point.name}: {ms(point.latency_s)} ms, {percent(point.accuracy)}"
        parts.append(marker(px, py, point.kind, title))
        if len(found) <= MOST_LABELS:
            parts.append(tag("text", point.letter, x=px - 10, y=py - 9, class_="label end"))
    names = {"PASS": "PASS", "FAIL": "FAIL", "UNDECIDED": "UNDECIDED", "open": "predicted only"}
    shown = [(_KINDS[kind], text) for kind, text in names.items() if kind in _kinds(found)]
    if budgets:
        shown.append(("budget", "latency budget"))
    if len(best) > 1:
        shown.append(("front", "Pareto front"))
    return tag(
        "figure",
        chart(frame.height, "Accuracy against latency", parts),
        legend(shown),
    )


_KINDS = {"PASS": "pass", "FAIL": "fail", "UNDECIDED": "undecided", "open": "open"}


def _class(point: Point) -> str:
    return _KINDS[point.kind]


def _kinds(found: Sequence[Point]) -> set[str]:
    return {point.kind for point in found}
