"""The page of one verdict, and of all that it rests on."""

from __future__ import annotations

from sgnas_deploy.models import ExportFile
from sgnas_deploy.reporting import parts
from sgnas_deploy.reporting.markup import Child, Markup, tag
from sgnas_deploy.reporting.units import ms, percent
from sgnas_deploy.verdict.results import VerdictReport


def verdict_page(report: VerdictReport) -> str:
    """One verdict and all that it rests on, as one HTML file."""
    result = report.result
    class_ = parts.CLASSES[result.verdict]
    lead = (
        f"{result.verdict}: p{result.percentile:g} of a hot run against a budget of "
        f"{ms(result.budget_s)} ms, at {100 * result.confidence:g} % confidence."
    )
    picture = parts.launches(report)
    return parts.document(
        result.name,
        lead,
        tag(
            "section",
            tag("div", tag("h3", "Verdict"), parts.badge(result.verdict), class_="head"),
            parts.verdict_figures(result),
            parts.budget_bar(result),
            tag("p", result.line, class_=f"line-of {class_}"),
            tag("p", f"Why it is undecided: {result.reason}", class_="note")
            if result.reason
            else None,
            tag(
                "p",
                "The weights are arbitrary: this verdict speaks of latency only.",
                class_="note",
            )
            if result.weights == "arbitrary"
            else None,
            class_="card",
        ),
        tag("h2", "Evidence"),
        tag(
            "div",
            parts.card("Launches", picture) if picture else None,
            parts.card("Test", parts.facts(_test(report))),
            parts.card("File", parts.facts(_file(report))),
            _compared(report),
            parts.card("Settings", parts.facts(_settings(report))),
            _warnings(report.warnings),
            class_="grid2",
        ),
        tag("h2", "Environment"),
        parts.environment(result.environment),
    )


def _test(report: VerdictReport) -> list[tuple[str, Child]]:
    test = report.test
    return [
        ("method", test.method),
        ("tolerated", f"{percent(test.tolerated)} of the runs slower than the budget"),
        ("observed", percent(test.slower)),
        ("for PASS", f"log evidence {test.log_pass:.2f} of {test.log_needed:.2f}"),
        ("for FAIL", f"log evidence {test.log_fail:.2f} of {test.log_needed:.2f}"),
        ("launches alike", f"{test.discount:.3g} counted as one"),
        ("period", f"{test.period_s:.1f} s"),
    ]


def _settings(report: VerdictReport) -> list[tuple[str, Child]]:
    return [
        (name, f"{value:g}" if isinstance(value, float) else str(value))
        for name, value in report.settings.items()
    ]


def _file(report: VerdictReport) -> list[tuple[str, Child]]:
    export, result = report.export, report.result
    found: list[tuple[str, Child]] = [
        ("format", f"{export.format}, {export.precision}, batch {export.batch}"),
        ("graph form", export.form),
        ("SHA-256", parts.code(result.artefact_sha256)),
    ]
    if isinstance(export, ExportFile):
        found += [
            ("trained on", f"{export.model.data}, {len(export.model.classes)} classes"),
            ("weights", parts.code(export.model.weights_sha256)),
        ]
    return found


def _compared(report: VerdictReport) -> Markup | None:
    """How the file answered at export, beside the PyTorch network in single precision."""
    export, result = report.export, report.result
    if result.parity_max_abs is None:
        return None
    checks = export.checks if isinstance(export, ExportFile) else None
    of_source = checks is not None and checks.of == "source"
    whose = ": of its ONNX source, not of the engine" if of_source else ""
    rows: list[tuple[str, Child]] = [
        ("largest difference", f"{result.parity_max_abs:.1e} in a logit, to PyTorch{whose}")
    ]
    if checks is not None:
        rows += [
            ("smallest cosine", f"{checks.cosine:.6f}, at least {checks.cosine_limit:g} allowed"),
            ("top-1 agreement", f"{percent(checks.agreement, 2)} of {checks.images} images"),
            ("images", checks.source),
        ]
        if checks.accuracy is not None and checks.accuracy_fp32 is not None:
            told = (
                f"{100 * checks.drop:.2f} points, from {percent(checks.accuracy_fp32, 2)} to "
                f"{percent(checks.accuracy, 2)}; {100 * checks.max_drop:.2f} allowed"
            )
            rows.append(("accuracy drop", told))
    note = (
        "The engine could not run where it was exported: all of these figures are of its ONNX "
        "source, not of the engine."
    )
    return parts.card(
        "Compared with PyTorch, at export",
        parts.facts(rows),
        tag("p", note, class_="note") if of_source else None,
    )


def _warnings(texts: tuple[str, ...]) -> Markup | None:
    if not texts:
        return None
    return parts.card("Warnings", tag("ul", (tag("li", text) for text in texts)))
