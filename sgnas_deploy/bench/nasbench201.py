"""NAS-Bench-201 with a real device's latencies: few of them are seen, accuracies only at the end.

In this order: the predictor is fitted to at most K latencies; the generator, and its rivals, choose
a network for every budget; then, and not before, the accuracies are read and all is compared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

import numpy as np
import numpy.typing as npt

from sgnas_deploy import spaces
from sgnas_deploy.bench import choosing, csvs, rivals
from sgnas_deploy.bench.proposals import Proposals, Scorer
from sgnas_deploy.bench.report import (
    BudgetReport,
    MethodReport,
    Pick,
    PredictorReport,
    judged,
    oracle,
    summary,
)
from sgnas_deploy.bench.surrogate import FEWEST, Surrogate
from sgnas_deploy.blocks import macs
from sgnas_deploy.blocks.cell import EDGES, OPERATIONS
from sgnas_deploy.errors import BadInput
from sgnas_deploy.spaces.cell import canonical, to_string
from sgnas_deploy.tables.margin import MOST, margin

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Options = tuple[int, ...]

SPACE: Final = "nasbench201"
EVALUATIONS: Final = 200
"""Looks into the supernet that each rival gets for each budget."""
RERANKED: Final = 10
"""Of the generator's first choices, so many are looked up in the supernet."""

METHODS: Final = (
    "generator",
    "generator, reranked",
    "generator, swept",
    "random search",
    "evolution",
    "supernet, exhaustive",
)


@final
@dataclass(frozen=True)
class Question:
    """What is asked.

    Attributes:
        latencies: of the device.
        accuracies: the file; it is read after everything is chosen.
        samples: latencies that may be looked up.
        budgets: how many.
        seed: of the samples' pool and of the rivals.
    """

    latencies: csvs.Latencies
    accuracies: Path
    samples: int
    budgets: int
    seed: int


@final
@dataclass(frozen=True)
class Answer:
    """What came out.

    Attributes:
        looked_up: latencies that the predictor was fitted to.
        margin: share of a budget that was kept back.
        dead_edges: what the samples told: `executed`, `removed`, or `unclear`.
        predictors: this one, operations and a constant.
        rest: networks that those were judged on.
        metrics: columns of the accuracies.
        budgets: every budget's choices.
        methods: means over the budgets.
        fastest_s: predicted latency of the fastest network, margin included.
        slowest_s: the same of the slowest.
    """

    looked_up: int
    margin: float
    dead_edges: str
    predictors: tuple[PredictorReport, ...]
    rest: int
    metrics: tuple[str, ...]
    budgets: tuple[BudgetReport, ...]
    methods: tuple[MethodReport, ...]
    fastest_s: float
    slowest_s: float


def run(question: Question, generator: Scorer, supernet_accuracy: Floats) -> Answer:
    """Answer a question.

    Args:
        question: what is asked.
        generator: trained.
        supernet_accuracy: of each network of the space, in the order of `Space.networks()`.

    Raises:
        BadInput: too few latencies to fit to, or unreadable accuracies.
    """
    networks = spaces.load(SPACE).networks()
    assert networks is not None  # this space lists them
    every: list[Options] = [tuple(options) for options in networks.tolist()]
    samples, values_s, surrogate = _fitted(question)
    kept_back = _margin(surrogate.residuals)
    predicted_s = surrogate.predict_s(every)
    fastest, slowest = float(predicted_s.min()), float(predicted_s.max())
    budgets_s = np.linspace(fastest, slowest, question.budgets + 1)[1:] / (1 - kept_back)
    chosen, evaluations = _chosen(
        Proposals(generator, networks, _operations(every, live=True)),
        supernet_accuracy,
        predicted_s,
        budgets_s * (1 - kept_back),
        question.seed,
    )
    # Everything is chosen. Only now the truth.
    latencies_s = question.latencies.unlock()
    metrics = csvs.read_accuracies(question.accuracies)
    told = _Told(every, predicted_s, supernet_accuracy, latencies_s, metrics)
    reports = []
    for i, budget_s in enumerate(budgets_s.tolist()):
        picks = {method: told.pick(every[own[i]], budget_s) for method, own in chosen.items()}
        best = {m: oracle(budget_s, latencies_s, values) for m, values in metrics.items()}
        truth = {m: None if o is None else told.pick(o, budget_s) for m, o in best.items()}
        reports.append(BudgetReport(budget_s=budget_s, picks=picks, oracle=truth))
    seen = set(samples)
    rest = [options for options in question.latencies.networks if options not in seen]
    return Answer(
        looked_up=len(samples),
        margin=kept_back,
        dead_edges=_dead_edges(surrogate),
        predictors=_judged(surrogate, samples, values_s, rest, latencies_s),
        rest=len(rest),
        metrics=tuple(metrics),
        budgets=tuple(reports),
        methods=tuple(summary(m, evaluations[m], reports, tuple(metrics)) for m in METHODS),
        fastest_s=fastest / (1 - kept_back),
        slowest_s=slowest / (1 - kept_back),
    )


def _fitted(question: Question) -> tuple[tuple[Options, ...], Floats, Surrogate]:
    table = question.latencies
    if question.samples < FEWEST or len(table.networks) < FEWEST:
        raise BadInput(
            f"{min(question.samples, len(table.networks))} latencies are too few to fit to",
            f"allow at least {FEWEST} with --samples",
        )
    samples = choosing.choose(table.networks, question.samples, question.seed)
    values_s = np.array([table.look_up(options) for options in samples])
    return samples, values_s, Surrogate(samples, values_s)


def _margin(residuals: Sequence[float]) -> float:
    """Share of a budget to keep back: that of a table, and no sample would have been too slow."""
    worst = max(residuals)
    return min(max(margin(residuals, 0.0).share, 1 - 1 / (1 + worst)), MOST)


def _chosen(
    proposals: Proposals, scores: Floats, predicted_s: Floats, targets_s: Floats, seed: int
) -> tuple[dict[str, list[int]], dict[str, float]]:
    """Indices of what each method chooses for each target, and its looks into the supernet."""
    low, high = float(predicted_s.min()), float(predicted_s.max())
    shares = (predicted_s - low) / (high - low) if high > low else np.zeros(len(predicted_s))
    found: dict[str, list[int]] = {method: [] for method in METHODS}
    looks: dict[str, list[int]] = {method: [] for method in METHODS}

    def add(method: str, index: int, evaluations: int) -> None:
        found[method].append(index)
        looks[method].append(evaluations)

    for number, target in enumerate(targets_s.tolist()):
        # Every target is above the fastest network's prediction: something is always allowed.
        allowed = predicted_s <= target
        share = (target - low) / (high - low) if high > low else 1.0
        top = proposals.top(share, predicted_s, target, RERANKED)
        swept = proposals.sweep(shares, share)
        count = min(EVALUATIONS, int(allowed.sum()))
        rng = np.random.default_rng([seed, number])
        add("generator", int(top[0]), 0)
        add("generator, reranked", _best(top, scores), len(top))
        add("generator, swept", _best(swept, scores), len(swept))
        add("random search", rivals.random_search(scores, allowed, count, rng), count)
        networks = proposals.networks
        add("evolution", rivals.evolution(networks, scores, allowed, count, rng), count)
        within = np.flatnonzero(allowed)
        add("supernet, exhaustive", _best(within, scores), len(within))
    return found, {method: float(np.mean(own)) for method, own in looks.items()}


def _best(indices: Ints, scores: Floats) -> int:
    return int(indices[scores[indices].argmax()])


@final
class _Told:
    """Looks up what the tables say of a network."""

    def __init__(
        self,
        every: Sequence[Options],
        predicted_s: Floats,
        scores: Floats,
        latencies_s: Mapping[Options, float],
        metrics: Mapping[str, Mapping[Options, float]],
    ) -> None:
        self._index = {options: i for i, options in enumerate(every)}
        self._predicted_s = predicted_s
        self._scores = scores
        self._latencies_s = latencies_s
        self._metrics = metrics

    def pick(self, options: Options, budget_s: float) -> Pick:
        """The network under a budget."""
        index = self._index.get(options)
        latency_s = self._latencies_s.get(options)
        return Pick(
            arch=to_string(options),
            # The oracle may choose a spelling with dead edges, which is not predicted.
            predicted_s=latency_s or 0.0 if index is None else float(self._predicted_s[index]),
            latency_s=latency_s,
            kept=None if latency_s is None else latency_s <= budget_s,
            unused=None if latency_s is None else 1 - latency_s / budget_s,
            supernet_accuracy=None if index is None else float(self._scores[index]),
            accuracy={m: values.get(options) for m, values in self._metrics.items()},
        )


def _dead_edges(surrogate: Surrogate) -> str:
    spellings = {setting.spelling for setting in surrogate.settings}
    if len(spellings) > 1:
        return "unclear"
    return "executed" if spellings == {"written"} else "removed"


def _judged(
    surrogate: Surrogate,
    samples: Sequence[Options],
    values_s: Floats,
    rest: Sequence[Options],
    latencies_s: Mapping[Options, float],
) -> tuple[PredictorReport, ...]:
    """The predictor, operations and a constant, all fitted to the samples, on the rest."""
    if not rest:
        return ()
    true_s = np.array([latencies_s[options] for options in rest])
    by_operations = min(
        (_by_operations(samples, values_s, rest, live) for live in (False, True)),
        key=lambda found: found[0],
    )[1]
    constant = np.full(len(rest), float(np.median(values_s)))
    return (
        judged("sgnas", surrogate.predict_s(rest), true_s),
        judged("flops", by_operations, true_s),
        judged("constant", constant, true_s),
    )


def _by_operations(
    samples: Sequence[Options], values_s: Floats, rest: Sequence[Options], live: bool
) -> tuple[float, Floats]:
    """A line through operations: its mean relative error on the samples, its predictions."""
    seen, unseen = _operations(samples, live), _operations(rest, live)
    # Relative errors count, as they are what is reported.
    design = np.column_stack([np.ones(len(seen)), seen]) / values_s[:, None]
    (offset, slope), *_ = np.linalg.lstsq(design, np.ones(len(seen)), rcond=None)
    least = values_s.min() / 2
    error = np.abs(np.maximum(offset + slope * seen, least) / values_s - 1).mean()
    return float(error), np.maximum(offset + slope * unseen, least)


def _operations(networks: Sequence[Options], live: bool) -> Floats:
    """Multiply-accumulates in millions: of all edges, as the benchmark counts, or of live ones."""
    space = spaces.load(SPACE)
    of_edge = [
        [sum(map(macs, space.option_blocks(edge, o))) for o in range(len(OPERATIONS))]
        for edge in range(len(EDGES))
    ]
    nothing = (OPERATIONS.index("none"),) * len(EDGES)
    fixed = sum(map(macs, space.fixed_blocks()))
    found = []
    for options in networks:
        own = (canonical(options) or nothing) if live else options
        found.append(fixed + sum(costs[o] for costs, o in zip(of_edge, own, strict=True)))
    return np.array(found, np.float64) / 1e6
