"""A result of `sgnas bench nasbench201`. All figures are invented round numbers."""

from __future__ import annotations

from pathlib import Path

from sgnas_deploy.bench.nasbench201 import METHODS
from sgnas_deploy.bench.report import BudgetReport, MethodReport, Pick, PredictorReport
from sgnas_deploy.pipeline.bench import BenchResult

_CELL = "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|none~1|none~2|"


def pick(latency_s: float | None, accuracy: float | None) -> Pick:
    return Pick(
        arch=_CELL,
        predicted_s=0.009,
        latency_s=latency_s,
        kept=None if latency_s is None else latency_s <= 0.01,
        unused=None if latency_s is None else 1 - latency_s / 0.01,
        supernet_accuracy=0.5,
        accuracy={"cifar10_test": accuracy},
    )


def _budget(latency_s: float | None, accuracy: float | None) -> BudgetReport:
    return BudgetReport(
        budget_s=0.01,
        picks={method: pick(latency_s, accuracy) for method in METHODS},
        oracle={"cifar10_test": pick(0.0099, 94.0)},
    )


BENCH = BenchResult(
    latencies=Path("tx2.csv"),
    accuracies=Path("accuracies.csv"),
    networks=15000,
    looked_up=50,
    rest=14950,
    predictors=(
        PredictorReport(name="sgnas", median_error=0.02, mape=0.03, spearman=0.99),
        PredictorReport(name="flops", median_error=0.1, mape=0.2, spearman=0.9),
        PredictorReport(name="constant", median_error=0.4, mape=0.5, spearman=None),
    ),
    dead_edges="executed",
    margin=0.05,
    fastest_s=0.004,
    slowest_s=0.02,
    metrics=("cifar10_test",),
    methods=tuple(
        MethodReport(
            method=method,
            evaluations=10.0 * number,
            kept=0.9,
            unused=0.06,
            accuracy={"cifar10_test": 93.0},
            regret={"cifar10_test": 1.0},
            missing=1,
        )
        for number, method in enumerate(METHODS)
    ),
    budgets=(_budget(0.009, 93.0), _budget(0.0101, 93.5), _budget(None, None)),
    supernet="nasbench201+r16+n2",
    images=256,
    seconds=7.0,
    warnings=("the latencies have 15,000 of 15,625 cells",),
)
