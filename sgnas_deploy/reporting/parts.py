"""What pages are put together from: the document, tiles, facts, badges, one network's verdict."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import numpy as np

from sgnas_deploy import __version__
from sgnas_deploy.reporting.charts import WIDTH, Frame, chart, legend, padded
from sgnas_deploy.reporting.markup import Child, Markup, joined, number, tag
from sgnas_deploy.reporting.style import STYLE
from sgnas_deploy.reporting.units import ms, percent, size
from sgnas_deploy.verdict.results import Validated, VerdictReport

CLASSES: Final = {"PASS": "pass", "FAIL": "fail", "UNDECIDED": "undecided"}


def document(title: str, lead: Child, *body: Child) -> str:
    """The whole file: one page that asks nobody for anything."""
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        # An empty icon: without one a browser asks for it.
        tag("link", rel="icon", href="data:,"),
        tag("title", title),
        tag("style", Markup(STYLE)),
    )
    page = tag(
        "html",
        head,
        tag(
            "body",
            tag("header", tag("h1", title), tag("p", lead, class_="lead"), class_="top"),
            tag("main", body),
            tag("footer", f"Written by sgnas-deploy {__version__}. This file loads nothing."),
        ),
        lang="en",
    )
    return f"<!doctype html>\n{page}\n"


def tiles(entries: Iterable[tuple[str, str, str]]) -> Markup:
    """The figures that come first: value, meaning, and a class or none."""
    return tag(
        "ul",
        (
            tag("li", tag("b", value), tag("span", meaning), class_=f"tile {class_}".strip())
            for value, meaning, class_ in entries
        ),
        class_="tiles",
    )


def facts(pairs: Iterable[tuple[str, Child]]) -> Markup:
    """Names and values, one pair a line."""
    return tag(
        "dl",
        (
            joined([tag("dt", name), tag("dd", value)])
            for name, value in pairs
            if value not in ("", None)
        ),
        class_="facts",
    )


def figures(pairs: Iterable[tuple[str, str | None]]) -> Markup:
    """A few numbers side by side; those that are None are left out."""
    return tag(
        "dl",
        (tag("div", tag("dt", name), tag("dd", value)) for name, value in pairs if value),
        class_="figures",
    )


def card(title: str, *children: Child) -> Markup:
    """A box with a heading."""
    return tag("section", tag("h3", title), children, class_="card")


def code(text: str) -> Markup:
    """A command, a hash."""
    return tag("code", text)


def badge(verdict: str | None) -> Markup:
    """PASS, FAIL, UNDECIDED, or that nothing was measured; in words, not by colour alone."""
    if verdict is None:
        return tag("span", "not measured", class_="badge")
    return tag("span", verdict, class_=f"badge {CLASSES[verdict]}")


def budget_bar(result: Validated) -> Markup:
    """How much of the budget is used: a bar, the budget, and a few marks."""
    budget_s, measured_s = result.budget_s, measured_of(result)
    marks = [("p50", result.p50_s), ("p95", result.p95_s)]
    end = max(budget_s, measured_s) * 1.04
    # A far percentile of a noisy machine must not squeeze the rest.
    inside = [(name, value_s) for name, value_s in marks if value_s <= 1.3 * end]
    end = max([end, *(value_s * 1.04 for _, value_s in inside)])
    place = (WIDTH - 4) / end
    parts: list[Child] = [
        tag("rect", x=2.0, y=18.0, width=budget_s * place, height=14.0, rx=4.0, class_="trough"),
        tag(
            "rect",
            tag("title", f"measured {ms(measured_s)} ms"),
            x=2.0,
            y=18.0,
            width=max(measured_s * place, 1.0),
            height=14.0,
            rx=4.0,
            class_=f"bar {CLASSES[result.verdict]}",
        ),
    ]
    at = 2 + budget_s * place
    parts += [
        tag("line", x1=at, x2=at, y1=12.0, y2=38.0, class_="limit"),
        tag("text", f"budget {ms(budget_s)} ms", x=min(at, WIDTH - 2), y=9.0, class_="tick end"),
    ]
    for name, value_s in inside:
        x = 2 + value_s * place
        parts.append(
            tag(
                "line",
                tag("title", f"{name} {ms(value_s)} ms"),
                x1=x,
                x2=x,
                y1=18.0,
                y2=32.0,
                class_="at",
            )
        )
    return chart(40.0, f"Measured {ms(measured_s)} ms of a budget of {ms(budget_s)} ms", parts)


def measured_of(result: Validated) -> float:
    """Latency at the percentile that the verdict is about, in seconds."""
    return result.p50_s if result.measured_s is None else result.measured_s


def verdict_figures(result: Validated) -> Markup:
    """The numbers of a verdict."""
    return figures(
        [
            (f"budget, p{result.percentile:g}", f"{ms(result.budget_s)} ms"),
            (
                "predicted",
                None if result.predicted_s is None else f"{ms(result.predicted_s)} ms",
            ),
            ("p50", f"{ms(result.p50_s)} ms"),
            ("p95", f"{ms(result.p95_s)} ms"),
            ("unused", percent(result.unused)),
            ("accuracy", None if result.accuracy is None else percent(result.accuracy, 2)),
            ("confidence", percent(result.confidence, 0)),
            ("runs", f"{result.n} in {result.launches}"),
            ("file", size(result.artefact_bytes)),
            (
                # Of the process that measures; nobody asks a GPU.
                "peak memory of the host, not the GPU's" if result.on_gpu else "peak memory",
                None if result.peak_rss_bytes is None else size(result.peak_rss_bytes),
            ),
        ]
    )


def launches(report: VerdictReport) -> Markup | None:
    """Each fresh process over time: its runs from p5 to p95, and its median or percentile."""
    if not report.launches:
        return None
    result = report.result
    q = result.percentile
    rows = [
        (one.started_s, *(float(v) * 1e3 for v in np.percentile(one.samples_s, (5, q, 95))))
        for one in report.launches
    ]
    budget = 1e3 * result.budget_s
    values = [value for row in rows for value in row[1:]]
    # A hiccup of one launch must not flatten all others.
    top = min(max(values), float(np.percentile(values, 90)) * 1.25)
    frame = Frame(
        padded([row[0] for row in rows], 0.04),
        padded([min(values), max(top, budget), budget], 0.08),
        height=250.0,
        top=20.0,
    )
    low, high = frame.y
    at = frame.py(budget)
    parts: list[Child] = [
        frame.axes("seconds since the first launch", "latency, ms"),
        tag("line", x1=frame.left, x2=WIDTH - frame.right, y1=at, y2=at, class_="budget"),
    ]
    for started, p5, level, p95 in rows:
        x = frame.px(started)
        ends = [frame.py(min(max(value, low), high)) for value in (p5, level, p95)]
        title = (
            f"launch at {number(started)} s: p5 {p5:.4g} ms, p{q:g} {level:.4g} ms, "
            f"p95 {p95:.4g} ms"
        )
        parts.append(
            tag(
                "g",
                tag("title", title),
                tag("line", x1=x, x2=x, y1=ends[0], y2=ends[2], class_="whisker"),
                tag("circle", cx=x, cy=ends[1], r=3.2, class_="mark dot"),
            )
        )
    return tag(
        "figure",
        chart(frame.height, "Latency of each launch", parts),
        legend([("dot", f"p{q:g} of a launch"), ("whisker", "p5 to p95"), ("budget", "budget")]),
    )


def environment(found: Mapping[str, str]) -> Markup:
    """Machine, runtime and state, by their prefix."""
    groups: dict[str, list[tuple[str, Child]]] = {}
    titles = {"machine": "Machine", "backend": "Runtime", "state": "State meanwhile"}
    for name, value in found.items():
        prefix, dot, rest = name.partition(".")
        key = titles.get(prefix, "Measured on") if dot else "Measured on"
        groups.setdefault(key, []).append((rest if dot else name, value))
    return tag(
        "div", (card(title, facts(pairs)) for title, pairs in groups.items()), class_="grid2"
    )
