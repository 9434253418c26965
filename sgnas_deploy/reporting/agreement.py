"""Predicted against measured latency: the calibration networks, and those that were validated."""

from __future__ import annotations

from sgnas_deploy.reporting.charts import Frame, Points, chart, legend, marker, padded
from sgnas_deploy.reporting.contents import Contents, Network
from sgnas_deploy.reporting.markup import Child, Markup, number, tag
from sgnas_deploy.reporting.units import ms


def judged(contents: Contents) -> list[tuple[Network, float, float]]:
    """Networks with a verdict and a prediction: network, predicted, measured, in seconds."""
    return [
        (network, network.predicted_s, network.measured_s)
        for network in contents.networks
        if network.predicted_s is not None and network.measured_s is not None
    ]


def fitted(contents: Contents) -> Points:
    """(predicted, measured) of what `sgnas fit` measured, in seconds."""
    if contents.fit is None:
        return []
    return [
        (one.table_s, one.measured_s)
        for one in contents.fit.budgets
        if one.table_s is not None and one.measured_s is not None
    ]


def draw(contents: Contents) -> Markup | None:
    """The picture, None where nothing was both predicted and measured."""
    own, loop = judged(contents), fitted(contents)
    pairs = [*contents.calibration, *((p, m) for _, p, m in own), *loop]
    if not pairs:
        return None
    reach = padded([1e3 * value for pair in pairs for value in pair], 0.05)
    frame = Frame(reach, reach, height=400.0)
    low, high = reach
    margin = 0.0 if contents.predictor is None else contents.predictor.margin
    parts: list[Child] = [frame.axes("predicted, ms", "measured, ms")]
    if margin:
        # measured <= predicted / (1 - margin): what the margin pays for.
        corner = min(high, high / (1 - margin))
        band = [
            (low, low),
            (high, high),
            (corner * (1 - margin), corner),
            (low, low / (1 - margin)),
        ]
        d = "L".join(f"{number(frame.px(x))} {number(frame.py(y))}" for x, y in band)
        parts.append(tag("path", d=f"M{d}z", class_="band"))
    parts.append(frame.path([(low, low), (high, high)], "exact"))
    for predicted, measured in contents.calibration:
        title = f"calibration: predicted {ms(predicted)} ms, measured {ms(measured)} ms"
        parts.append(marker(frame.px(1e3 * predicted), frame.py(1e3 * measured), "dot", title))
    for predicted, measured in loop:
        title = f"sgnas fit: predicted {ms(predicted)} ms, measured {ms(measured)} ms"
        parts.append(marker(frame.px(1e3 * predicted), frame.py(1e3 * measured), "open", title))
    for network, predicted, measured in own:
        title = f"{network.name}: predicted {ms(predicted)} ms, measured {ms(measured)} ms"
        x, y = frame.px(1e3 * predicted), frame.py(1e3 * measured)
        parts += [
            marker(x, y, network.verdict or "open", title),
            tag("text", network.letter, x=x - 10, y=y - 9, class_="label end"),
        ]
    shown = [("exact", "exact prediction")]
    if margin:
        shown.append(("band", "within the safety margin"))
    if contents.calibration:
        shown.append(("dot", "calibration network, left out of the fit"))
    if own:
        shown.append(("pass", "validated network, marked by its verdict"))
    if loop:
        shown.append(("open", "network of sgnas fit"))
    return tag(
        "figure",
        chart(frame.height, "Predicted against measured latency", parts),
        legend(shown),
    )
