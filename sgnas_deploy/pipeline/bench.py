"""`sgnas bench nasbench201`: the method on a public table, with a real device's latencies."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from sgnas_deploy import files, generator, spaces
from sgnas_deploy.bench import csvs, nasbench201, scores
from sgnas_deploy.bench.nasbench201 import Answer, Question
from sgnas_deploy.bench.proposals import Scorer
from sgnas_deploy.bench.report import BudgetReport, MethodReport, PredictorReport
from sgnas_deploy.bench.scores import SupernetScores
from sgnas_deploy.errors import BadInput
from sgnas_deploy.events import Reporter, Warned, stage

SHIPPED: Final = Path(__file__).resolve().parent.parent / "bench" / "shipped"
"""The trained generator and the supernet's scores that come with the toolchain."""

MOST_BUDGETS: Final = 1000
FEWEST_SAMPLES: Final = 4
EVERY: Final = 5**6
"""Cells of the benchmark, those without a path included."""


@dataclass(frozen=True)
class BenchRequest:
    """Flags of `sgnas bench nasbench201`.

    Attributes:
        accuracies: CSV with a column `arch` and one per metric.
        latencies: CSV with `arch,latency_ms` of one device.
        samples: latencies that may be looked up to fit the predictor.
        budgets: how many, evenly over the device's predicted range.
        seed: of the samples' choice and of the rivals.
        trained: folder with another generator and supernet's scores; None for the shipped ones.
    """

    accuracies: Path
    latencies: Path
    samples: int = 50
    budgets: int = 10
    seed: int = 0
    trained: Path | None = None


class BenchResult(files.FrozenModel):
    """What came out.

    Attributes:
        latencies: the file.
        accuracies: the file.
        networks: rows of the latencies.
        looked_up: latencies that the predictor was fitted to.
        rest: networks that predictors were judged on.
        predictors: this one, operations and a constant.
        dead_edges: what the samples told: `executed`, `removed`, or `unclear`.
        margin: share of a budget that was kept back.
        fastest_s: smallest budget that makes sense, margin included.
        slowest_s: budget from which on everything is allowed.
        metrics: columns of the accuracies.
        methods: means over the budgets, by method.
        budgets: every budget's choices.
        supernet: space of the supernet that scored.
        images: images it scored on.
        seconds: how long it took.
        warnings: such as rows that are missing.
    """

    latencies: Path
    accuracies: Path
    networks: int
    looked_up: int
    rest: int
    predictors: tuple[PredictorReport, ...]
    dead_edges: str
    margin: float
    fastest_s: float
    slowest_s: float
    metrics: tuple[str, ...]
    methods: tuple[MethodReport, ...]
    budgets: tuple[BudgetReport, ...]
    supernet: str
    images: int
    seconds: float
    warnings: tuple[str, ...]


def bench(request: BenchRequest, reporter: Reporter) -> BenchResult:
    """Fit, generate, and only then compare.

    Raises:
        BadInput: files or flags that make no sense, or trained parts that do not fit together.
        EnvironmentProblem: torch is missing.
    """
    started = time.monotonic()
    _check(request)
    found, network = _trained(request.trained or SHIPPED)
    latencies = csvs.read_latencies(request.latencies, request.samples)
    if not request.accuracies.is_file():
        raise BadInput(
            f"there is no file {request.accuracies}",
            "--accuracies names a CSV file whose first line is such as: arch,cifar10_test",
        )
    question = Question(
        latencies, request.accuracies, request.samples, request.budgets, request.seed
    )
    with stage(reporter, "fitting, generating, comparing"):
        answer = nasbench201.run(question, network, _scores(found))
    warnings = _warnings(answer, len(latencies.networks))
    for text in warnings:
        reporter.event(Warned(text))
    return BenchResult(
        latencies=request.latencies,
        accuracies=request.accuracies,
        networks=len(latencies.networks),
        looked_up=answer.looked_up,
        rest=answer.rest,
        predictors=answer.predictors,
        dead_edges=answer.dead_edges,
        margin=answer.margin,
        fastest_s=answer.fastest_s,
        slowest_s=answer.slowest_s,
        metrics=answer.metrics,
        methods=answer.methods,
        budgets=answer.budgets,
        supernet=found.space,
        images=found.images,
        seconds=time.monotonic() - started,
        warnings=warnings,
    )


def _check(request: BenchRequest) -> None:
    if request.samples < FEWEST_SAMPLES:
        raise BadInput(
            f"{request.samples} samples are too few to fit to",
            f"allow at least {FEWEST_SAMPLES}, such as --samples 50",
        )
    if not 1 <= request.budgets <= MOST_BUDGETS:
        raise BadInput(f"{request.budgets} budgets are not possible", f"give 1 to {MOST_BUDGETS}")


def _scores(found: SupernetScores) -> npt.NDArray[np.float64]:
    networks = spaces.load(found.space).networks()
    assert networks is not None  # its scores were read, so it lists them
    return scores.smoothed(found.accuracy, networks)


def _trained(folder: Path) -> tuple[SupernetScores, Scorer]:
    """The supernet's scores, and the generator that was trained against that supernet."""
    found = scores.read(folder / "scores.json")
    described = generator.read_file(folder / "generator.safetensors")
    if described.supernet_sha256 != found.supernet_sha256:
        raise BadInput(
            f"generator and scores in {folder} are of different supernets",
            "make both anew with: python -m benchmarks.nasbench201 --ship FOLDER",
        )
    space = spaces.load(described.space)
    return found, generator.load(folder / "generator.safetensors", space, described)


def _warnings(answer: Answer, networks: int) -> tuple[str, ...]:
    found = []
    if networks < EVERY:
        found.append(f"the latencies have {networks:,} of {EVERY:,} cells")
    unknown = {method.method: method.missing for method in answer.methods if method.missing}
    if unknown:
        most = max(unknown.values())
        found.append(
            f"up to {most} of {len(answer.budgets)} choices of a method have no latency or no "
            "accuracy in the tables, and are left out of the means"
        )
    return tuple(found)
