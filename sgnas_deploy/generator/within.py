"""From scores to architectures that keep their latency budgets. No torch here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, final

import numpy as np
import numpy.typing as npt

from sgnas_deploy import solver
from sgnas_deploy.generator.scale import LatencyModel, Scale
from sgnas_deploy.solver import enumeration, spending

HAIR: Final = 1e-12
"""Share of a sum of costs that is kept back, because sums in another order differ in last bits."""


MILLION: Final = 1e6


@final
@dataclass(frozen=True)
class Kept:
    """An architecture within its target.

    Attributes:
        options: index of the chosen option of each decision.
        predicted_s: predicted latency, at most the target.
        score: sum of the chosen options' own scores (without any bonus).
    """

    options: tuple[int, ...]
    predicted_s: float
    score: float


def best_within(
    model: LatencyModel,
    scale: Scale,
    scores: Sequence[npt.NDArray[np.float64]],
    targets_s: npt.NDArray[np.float64],
    operations: Sequence[npt.NDArray[np.float64]] | None,
) -> tuple[Kept, ...]:
    """The best architecture within each target, each under its own scores.

    Args:
        model: the table's predictor.
        scale: its feasible range.
        scores: one array per decision, shape (n, options).
        targets_s: latencies to keep, at least `scale.fastest_s`, shape (n,).
        operations: what spare budget is spent on, one array per decision, see
            `solver.spending`; None where the scores alone decide.

    Returns:
        One architecture per target; `scale.largest` from its latency on.
    """
    if not (targets_s >= scale.fastest_s).all():
        raise ValueError("a target is below the fastest network")
    sums = model.total_cost(targets_s)
    room = sums - HAIR * np.abs(sums) - model.fixed_cost
    if scale.networks is None:
        room = np.clip(room, *solver.feasible_range(model.option_costs))
    if scale.networks is not None:
        # Never below the fastest network, for which no hair can be kept back.
        least = enumeration.totals(model.option_costs, np.array([scale.fastest]))[0]
        solutions = enumeration.solve(
            scale.networks, model.option_costs, scores, np.maximum(room, least), operations
        )
    elif operations is None and all((s == s[:1]).all() for s in scores):
        solutions = solver.solve(model.option_costs, _whole([s[0] for s in scores]), room)
    elif operations is None:
        solutions = solver.solve_each(model.option_costs, scores, room)
    else:
        solutions = spending.solve(model.option_costs, scores, operations, room)
    found = []
    for i, solution in enumerate(solutions):
        if solution is None:
            raise AssertionError(f"no network within {targets_s[i]!r} s, the fastest included")
        options, predicted = solution.options, model.predict_s(solution.options)
        if targets_s[i] >= scale.slowest_s:
            options, predicted = scale.largest, scale.slowest_s
        elif predicted > targets_s[i]:
            # Only at the very fastest, where no hair can be kept back.
            options, predicted = scale.fastest, scale.fastest_s
        if not predicted <= targets_s[i]:
            raise AssertionError(f"{predicted!r} s predicted on a target of {targets_s[i]!r} s")
        own = float(np.cumsum([s[i, o] for s, o in zip(scores, options, strict=True)])[-1])
        found.append(Kept(options, predicted, own))
    return tuple(found)


def _whole(
    scores: Sequence[npt.NDArray[np.float64]],
) -> Sequence[npt.NDArray[np.float64]]:
    """Scores in millions as whole numbers, where they are: the solver is fast with those."""
    whole = [np.rint(s * MILLION) for s in scores]
    exact = all((w / MILLION == s).all() for w, s in zip(whole, scores, strict=True))
    return whole if exact else scores
