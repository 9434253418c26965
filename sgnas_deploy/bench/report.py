"""What `sgnas bench nasbench201` reports; predictors are judged on what they have not seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from sgnas_deploy import files

Floats = npt.NDArray[np.float64]
Options = tuple[int, ...]

CLOSE: Final = 1e-12


class PredictorReport(files.FrozenModel):
    """How well latencies were predicted.

    Attributes:
        name: `sgnas`, `flops`, or `constant`.
        median_error: median of |predicted / true - 1|.
        mape: mean of the same.
        spearman: rank correlation, None for a constant.
    """

    name: str
    median_error: float
    mape: float
    spearman: float | None


class Pick(files.FrozenModel):
    """One network chosen for one budget.

    Attributes:
        arch: its string.
        predicted_s: what the predictor said.
        latency_s: what the table says, None where it has no row.
        kept: whether that is within the budget, None where not known.
        unused: 1 - latency_s / budget, None where not known.
        supernet_accuracy: its accuracy in the supernet.
        accuracy: by metric; None where the table has no row.
    """

    arch: str
    predicted_s: float
    latency_s: float | None
    kept: bool | None
    unused: float | None
    supernet_accuracy: float | None
    accuracy: dict[str, float | None]


class BudgetReport(files.FrozenModel):
    """What everyone chose for one budget.

    Attributes:
        budget_s: the budget.
        picks: by method.
        oracle: by metric, the best network whose true latency keeps the budget.
    """

    budget_s: float
    picks: dict[str, Pick]
    oracle: dict[str, Pick | None]


class MethodReport(files.FrozenModel):
    """A method over all budgets.

    Attributes:
        method: its name.
        evaluations: looks into the supernet for each budget, on average.
        kept: share of the budgets with a known latency that were kept.
        unused: mean unused share where kept.
        accuracy: by metric, the mean over the budgets.
        regret: by metric, how much the oracle is better on average.
        missing: picks whose latency or any accuracy is not in the tables.
    """

    method: str
    evaluations: float
    kept: float | None
    unused: float | None
    accuracy: dict[str, float | None]
    regret: dict[str, float | None]
    missing: int


def ranks(values: Floats) -> Floats:
    """Ranks, equal values share their mean rank."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    found: Floats = (ends - (counts - 1) / 2)[inverse]
    return found


def spearman(first: Floats, second: Floats) -> float | None:
    """Rank correlation, None where one of them does not vary."""
    a, b = ranks(first) - ranks(first).mean(), ranks(second) - ranks(second).mean()
    norm = float(np.sqrt((a**2).sum() * (b**2).sum()))
    return None if norm < CLOSE else float((a * b).sum() / norm)


def judged(name: str, predicted_s: Floats, true_s: Floats) -> PredictorReport:
    """A predictor against the truth."""
    errors = np.abs(predicted_s / true_s - 1)
    return PredictorReport(
        name=name,
        median_error=float(np.median(errors)),
        mape=float(errors.mean()),
        spearman=spearman(predicted_s, true_s),
    )


def summary(
    method: str, evaluations: float, budgets: Sequence[BudgetReport], metrics: Sequence[str]
) -> MethodReport:
    """A method's means over the budgets."""
    picks = [(report, report.picks[method]) for report in budgets]
    known = [pick for _, pick in picks if pick.kept is not None]
    unused = [p.unused for p in known if p.kept and p.unused is not None]
    accuracy, regret = {}, {}
    for metric in metrics:
        own = [p.accuracy[metric] for _, p in picks]
        accuracy[metric] = _mean([value for value in own if value is not None])
        regret[metric] = _mean(_regrets(picks, metric))
    return MethodReport(
        method=method,
        evaluations=evaluations,
        kept=_mean([float(bool(pick.kept)) for pick in known]),
        unused=_mean(unused),
        accuracy=accuracy,
        regret=regret,
        missing=sum(
            pick.latency_s is None or any(v is None for v in pick.accuracy.values())
            for _, pick in picks
        ),
    )


def _regrets(picks: Sequence[tuple[BudgetReport, Pick]], metric: str) -> list[float]:
    """How much the oracle is better; only where the pick keeps the budget, else it may be worse."""
    found = []
    for report, pick in picks:
        best, own = report.oracle[metric], pick.accuracy[metric]
        if best is not None and own is not None and pick.kept:
            top = best.accuracy[metric]
            assert top is not None  # the oracle is chosen by it
            found.append(top - own)
    return found


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None


def oracle(
    budget_s: float, latencies_s: Mapping[Options, float], accuracy: Mapping[Options, float]
) -> Options | None:
    """The network with the best true accuracy within the budget, the faster of equals."""
    within = [o for o in accuracy if latencies_s.get(o, np.inf) <= budget_s]
    return min(within, key=lambda o: (-accuracy[o], latencies_s[o], o), default=None)
