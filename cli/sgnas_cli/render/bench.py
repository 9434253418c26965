"""What `sgnas bench nasbench201` shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group, RenderableType

from sgnas_cli.render import figures, parts

if TYPE_CHECKING:
    from sgnas_deploy.bench.report import Pick
    from sgnas_deploy.pipeline.bench import BenchResult

_OWN = "generator"
_SHORT = {"median_error": "median\nerror %", "mape": "MAPE\n%", "spearman": "Spearman"}


def benched(result: BenchResult) -> RenderableType:
    """Methods, the generator's choices by budget, and the predictors."""
    return Group(
        _methods(result),
        *(_budgets(result, metric) for metric in result.metrics),
        _predictors(result),
        parts.facts(
            [
                ("latencies", f"{result.latencies} ({result.networks:,} cells)"),
                ("looked up", f"{result.looked_up} to fit the predictor"),
                ("dead edges", f"{result.dead_edges} by the runtime, as the samples tell"),
                ("margin", f"{figures.percent(result.margin)} % of a budget is kept back"),
                ("accuracies", f"{result.accuracies}, read after everything was chosen"),
                ("supernet", f"{result.supernet}, scored on {result.images} images"),
                ("took", figures.duration(result.seconds)),
            ]
        ),
    )


def _methods(result: BenchResult) -> RenderableType:
    columns = ["mean over\nbudgets", "looks at\nsupernet", "kept\n%", "unused\n%"]
    for metric in result.metrics:
        columns += [f"{metric}\n", "behind\noracle"]
    rows = []
    for method in result.methods:
        row = [
            method.method,
            f"{method.evaluations:.0f}",
            figures.percent(method.kept, 0),
            figures.percent(method.unused),
        ]
        for metric in result.metrics:
            row += [_number(method.accuracy[metric]), _number(method.regret[metric])]
        rows.append(row)
    return parts.table(columns, rows)


def _budgets(result: BenchResult, metric: str) -> RenderableType:
    """The generator's choices, and the oracle's, under every budget."""
    rows = []
    for report in result.budgets:
        pick, best = report.picks[_OWN], report.oracle[metric]
        rows.append(
            (
                pick.arch,
                figures.ms(report.budget_s),
                _latency(pick),
                {True: "yes", False: "no", None: figures.MISSING}[pick.kept],
                _number(pick.accuracy[metric]),
                _number(None if best is None else best.accuracy[metric]),
            )
        )
    title = f"{_OWN}\n"
    return parts.table((title, "budget\nms", "true\nms", "kept\n", f"{metric}\n", "oracle\n"), rows)


def _predictors(result: BenchResult) -> RenderableType:
    return parts.table(
        (f"predictor, on\n{result.rest:,} others", *_SHORT.values()),
        [
            (
                one.name,
                figures.percent(one.median_error),
                figures.percent(one.mape),
                figures.MISSING if one.spearman is None else f"{one.spearman:.3f}",
            )
            for one in result.predictors
        ],
    )


def _latency(pick: Pick) -> str:
    return figures.MISSING if pick.latency_s is None else figures.ms(pick.latency_s)


def _number(value: float | None) -> str:
    return figures.MISSING if value is None else f"{value:.2f}"
