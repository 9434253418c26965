"""The page of a whole workspace."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from sgnas_deploy.reporting import agreement, curves, heat, networks, pareto, parts
from sgnas_deploy.reporting.contents import Contents
from sgnas_deploy.reporting.markup import Child, Markup, tag
from sgnas_deploy.reporting.units import ms, percent
from sgnas_deploy.tables import LatencyTable, Predictor
from sgnas_deploy.verdict.conditions import environment_of
from sgnas_deploy.verdict.results import overall


def report_page(contents: Contents) -> str:
    """A workspace as one HTML file; the same workspace gives the same bytes."""
    return parts.document(
        f"sgnas report: {contents.name}",
        _lead(contents),
        parts.tiles(_tiles(contents)),
        _missing(contents),
        _overview(contents),
        networks.section(contents),
        _table(contents),
        _training(contents),
        _fit(contents),
        _environment(contents),
        _provenance(contents),
    )


def _lead(contents: Contents) -> Markup:
    table = contents.table
    pieces: list[Child] = []
    if table is not None:
        where = table.environment.get("model") or table.environment.get("cpu") or table.device
        pieces.append(
            f"Space {table.space} on {where}: {table.backend}, {table.precision}, batch "
            f"{table.batch}, {table.threads} thread{'s' if table.threads > 1 else ''}. "
        )
    newest = table.created if table is not None else ""
    if newest:
        pieces.append(f"Table measured {newest.replace('T', ' ').removesuffix('Z')} UTC.")
    return tag("span", pieces)


def _tiles(contents: Contents) -> Iterator[tuple[str, str, str]]:
    verdicts = Counter(one.verdict for one in contents.networks if one.verdict is not None)
    if verdicts:
        total = sum(verdicts.values())
        yield (
            f"{verdicts['PASS']} of {total}",
            "networks measured within their budget",
            parts.CLASSES[overall(list(verdicts))],
        )
    known = [one.accuracy[0] for one in contents.networks if one.accuracy is not None]
    if known:
        yield percent(max(known)), "best top-1 accuracy", ""
    measured = [one.measured_s for one in contents.networks if one.measured_s is not None]
    if measured:
        yield f"{ms(min(measured))} ms", "fastest network, measured", ""
    passed = [
        one.report.result.unused
        for one in contents.networks
        if one.report is not None and one.verdict == "PASS"
    ]
    if passed:
        yield percent(sum(passed) / len(passed)), "of the budgets left unused, mean", ""
    if contents.predictor is not None:
        yield percent(contents.predictor.error), "error of the table on networks left out", ""
        yield percent(contents.predictor.margin), "safety margin of a budget", ""


def _missing(contents: Contents) -> Markup | None:
    if not contents.missing and not contents.troubles:
        return None
    rows = [
        tag("li", f"{one.what[:1].upper()}{one.what[1:]}: ", parts.code(one.command))
        for one in contents.missing
    ]
    rows += [tag("li", f"Left out: {trouble}") for trouble in contents.troubles]
    return tag(
        "section",
        tag("h2", "Not in this workspace"),
        tag("p", "What is not there yet, and the command that makes it.", class_="note"),
        tag("div", tag("ul", rows, class_="missing"), class_="card"),
    )


def _overview(contents: Contents) -> Markup | None:
    found = pareto.points(contents.networks)
    first, second = pareto.draw(found), agreement.draw(contents)
    if first is None and second is None:
        return None
    sources = {one.accuracy[1] for one in contents.networks if one.accuracy is not None}
    cards = []
    if first is not None:
        cards.append(
            parts.card(
                "Accuracy against latency",
                first,
                tag("p", f"Accuracy of the {_listed(sorted(sources))}.", class_="note"),
            )
        )
    if second is not None:
        cards.append(parts.card("Predicted against measured", second))
    return tag("section", tag("h2", "Overview"), tag("div", cards, class_="grid2"))


def _listed(names: list[str]) -> str:
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} or {names[-1]}"


def _table(contents: Contents) -> Markup | None:
    if contents.table is None or contents.predictor is None:
        return None
    table, model = contents.table, contents.predictor
    fastest_s, slowest_s = model.range_s
    return tag(
        "section",
        tag("h2", "Latency table"),
        tag(
            "p",
            f"{len(table.blocks)} blocks measured"
            + (f", {len(table.estimates)} estimated" if table.estimates else "")
            + f"; {len(table.networks)} whole networks calibrate them. Networks of this space take "
            f"{ms(fastest_s)} to {ms(slowest_s)} ms (p{model.percentile:g}, predicted).",
            class_="note",
        ),
        tag(
            "div",
            parts.card(
                "Cost of each option of each layer",
                heat.draw(model, contents.networks),
                tag("p", "Letters are the options of the networks above.", class_="note")
                if len(contents.networks) > 1
                else None,
            ),
            parts.card(
                "How it was measured", parts.facts(_measured(table, model, contents.table_sha256))
            ),
            class_="grid2",
        ),
    )


def _measured(table: LatencyTable, model: Predictor, sha256: str | None) -> list[tuple[str, Child]]:
    found: list[tuple[str, Child]] = [
        ("table", table.name),
        ("quality", table.quality),
        ("graph form", table.form),
        ("error, left out", f"{percent(model.error)} of the latency, mean"),
        ("margin", f"{percent(model.margin)} of a budget"),
        ("command", parts.code(table.command)),
        ("SHA-256", parts.code(sha256 or "")),
    ]
    found += [(f"warning {i}", text) for i, text in enumerate(table.warnings, 1)]
    found += [(name, value) for name, value in table.conditions.items()]
    return found


def _training(contents: Contents) -> Markup | None:
    drawn = curves.draw(contents)
    if not drawn:
        return None
    return tag(
        "section",
        tag("h2", "Training"),
        tag("div", (parts.card(title, picture) for title, picture in drawn), class_="grid2"),
    )


def _fit(contents: Contents) -> Markup | None:
    found = contents.fit
    if found is None:
        return None
    rows: list[tuple[str, Child]] = [
        ("verdict", f"{found.verdict} at {percent(found.confidence, 0)} confidence"),
        ("budgets", f"{sum(one.verdict == 'PASS' for one in found.budgets)} of "
                    f"{len(found.budgets)} PASS"),
        ("unused", None if found.unused is None else f"{percent(found.unused)} of a budget, mean"),
        ("rounds", f"{found.rounds}, mean errors {', '.join(map(percent, found.round_errors))}"),
        ("measured", f"{found.networks} networks in {found.launches} launches"),
        ("head-room", percent(found.headroom)),
        ("weights", found.weights),
        ("ended", found.ended),
    ]  # fmt: skip
    return tag(
        "section",
        tag("h2", "Closed loop (sgnas fit)"),
        tag("div", parts.card("What was asked and found", parts.facts(rows)), class_="grid2"),
    )


def _environment(contents: Contents) -> Markup | None:
    reports = [one.report for one in contents.networks if one.report is not None]
    if reports:
        found = reports[-1].result.environment
    elif contents.table is not None:
        found = {
            "device": contents.table.device,
            **environment_of(contents.table.environment, contents.table.settings),
        }
    else:
        return None
    said = "of the last verdict" if reports else "of the table"
    return tag("section", tag("h2", f"Environment {said}"), parts.environment(found))


def _provenance(contents: Contents) -> Markup | None:
    chain: list[tuple[str, Child]] = []
    if contents.table_sha256:
        chain.append(("table", parts.code(contents.table_sha256)))
    if contents.supernet is not None:
        chain += [
            ("supernet", parts.code(contents.supernet.weights_sha256)),
            ("data", parts.code(contents.supernet.data_fingerprint)),
        ]
    if contents.generator is not None:
        chain.append(("generator", parts.code(contents.generator.weights_sha256)))
    for network in contents.networks:
        own = network.architecture.architecture.id
        chain.append((f"{network.letter}, architecture", parts.code(own)))
        if network.model is not None:
            chain.append((f"{network.letter}, weights", parts.code(network.model.weights_sha256)))
        if network.report is not None:
            sha256 = network.report.result.artefact_sha256
            chain.append((f"{network.letter}, file", parts.code(sha256)))
    if not chain:
        return None
    return tag(
        "section",
        tag("h2", "Provenance"),
        tag("div", parts.card("SHA-256 of what everything was made from", parts.facts(chain)),
            class_="grid1"),
    )  # fmt: skip
