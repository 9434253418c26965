"""The networks of a workspace, each drawn with what is known of it."""

from __future__ import annotations

from sgnas_deploy.reporting import drawing, parts
from sgnas_deploy.reporting.charts import legend
from sgnas_deploy.reporting.contents import Contents, Network
from sgnas_deploy.reporting.markup import Child, Markup, tag
from sgnas_deploy.reporting.units import count, ms, percent


def section(contents: Contents) -> Markup | None:
    """All networks, each a card; None where there are none."""
    if not contents.networks:
        return None
    kernels = legend(
        [
            ("k3", "kernel 3"),
            ("k5", "kernel 5"),
            ("k7", "kernel 7"),
            ("k1", "1x1 only"),
            ("cost", "cost by the table"),
        ]
    )
    return tag(
        "section",
        tag("h2", "Networks"),
        tag(
            "p",
            "Each bar is a block, from the image to the classes. Its height is the number of "
            "channels to scale; the grey bar below is its share of the latency. Numbers above are "
            "the side of the map where it changes.",
            class_="note",
        ),
        kernels,
        tag("div", (_network(contents, one) for one in contents.networks), class_="cards"),
    )


def _network(contents: Contents, network: Network) -> Markup:
    architecture = network.architecture
    children: list[Child] = [
        tag(
            "div",
            tag("span", network.letter, class_="letter"),
            tag("h3", network.name),
            parts.badge(network.verdict),
            class_="head",
        )
    ]
    accuracy = network.accuracy
    if network.report is not None:
        children.append(parts.verdict_figures(network.report.result))
        result = network.report.result
        children.append(parts.budget_bar(result))
    else:
        budget_s, predicted_s = network.budget_s, network.predicted_s
        children.append(
            parts.figures(
                [
                    ("budget", None if budget_s is None else f"{ms(budget_s)} ms"),
                    ("predicted", None if predicted_s is None else f"{ms(predicted_s)} ms"),
                    ("accuracy", None if accuracy is None else percent(accuracy[0], 2)),
                ]
            )
        )
    children.append(drawing.draw(architecture, contents.predictor))
    details: list[tuple[str, Child]] = [
        ("size", f"{count(architecture.params)} weights, {count(architecture.macs)} MACs"),
        ("options", "; ".join(architecture.labels)),
    ]
    if accuracy is not None and (network.report is None or network.report.result.accuracy is None):
        details.insert(0, ("accuracy of", f"{accuracy[1]}: {percent(accuracy[0], 2)}"))
    if architecture.supernet_accuracy is not None and network.model is not None:
        details.append(("in the supernet", percent(architecture.supernet_accuracy, 2)))
    if network.model is not None:
        details.append(
            (
                "trained on",
                f"{network.model.data}; {percent(network.model.accuracy, 2)} of "
                f"{network.model.images} images",
            )
        )
    children.append(parts.facts(details))
    if network.report is not None:
        class_ = parts.CLASSES[network.report.result.verdict]
        children.append(tag("p", network.report.result.line, class_=f"line-of {class_}"))
        if network.stale:
            children.append(
                tag(
                    "p",
                    "The file was exported anew since: measure it with sgnas validate.",
                    class_="note",
                )
            )
    return tag("article", children, class_="card")
