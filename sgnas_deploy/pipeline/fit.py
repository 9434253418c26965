"""`sgnas fit`: generate, measure on the device, correct, until every budget is kept and used."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from sgnas_deploy import __version__, files, tables, targets
from sgnas_deploy.errors import BadInput
from sgnas_deploy.events import Note, NullReporter, Reporter, Warned
from sgnas_deploy.fitting.launching import Launcher
from sgnas_deploy.fitting.levels import Floats
from sgnas_deploy.fitting.loop import Loop
from sgnas_deploy.fitting.question import Question
from sgnas_deploy.fitting.report import FitResult, Fitted
from sgnas_deploy.generator.scale import Scale, option_macs
from sgnas_deploy.pipeline import fit_files
from sgnas_deploy.pipeline import generate as generating
from sgnas_deploy.pipeline.generate import GenerateRequest, Scores, Task
from sgnas_deploy.tables import LatencyTable, Predictor
from sgnas_deploy.tables.journal import Journal
from sgnas_deploy.tables.measuring import Bench
from sgnas_deploy.verdict import PercentileTest, sittings
from sgnas_deploy.verdict.settings import changed_since, untried
from sgnas_deploy.workspace import DEFAULT_ROOT
from sgnas_profilers.transports import Hello, Transport

__all__ = ["FitRequest", "FitResult", "Fitted", "fit"]

MOST_BUDGETS: Final = 200
MOST_ROUNDS: Final = 10


@dataclass(frozen=True)
class FitRequest:
    """Flags of `sgnas fit`: exactly one of `budgets_s` and `count`.

    Attributes:
        budgets_s: latency budgets.
        count: that many budgets, evenly over the range that was measured.
        device: None for the table's.
        host: `USER@HOST` to reach it over SSH; None for where it is known to be.
        percentile: the percentile of a hot run that must keep the budget.
        scores: what the solver maximises.
        rounds: how often candidates are generated and measured, at most.
        confidence: of every verdict.
        margin: share of every budget to keep free; None to find it out by measuring.
        max_seconds: longest time for the launches of one verdict.
        fresh: forget what an interrupted run has measured.
    """

    workdir: Path = DEFAULT_ROOT
    lut: str | None = None
    budgets_s: tuple[float, ...] = ()
    count: int | None = None
    device: str | None = None
    host: str | None = None
    percentile: float = 50.0
    scores: Scores = "generator"
    rounds: int = 3
    confidence: float = 0.95
    margin: float | None = None
    max_seconds: float = 60.0
    fresh: bool = False


def fit(
    request: FitRequest,
    reporter: Reporter | None = None,
    *,
    transport: Transport | None = None,
) -> FitResult:
    """Find, for every budget, a network that was measured within it.

    What was measured is kept in a journal until the result is written: the same command goes on
    where it was stopped.

    Args:
        request: what to do.
        reporter: who listens.
        transport: the way to the device; None for the one that the device needs.

    Raises:
        BadInput: impossible flags, or missing inputs.
        TooNoisy: launches differ too much to fit anything.
        EnvironmentProblem: the device or its runtime fails, or changed meanwhile; torch is missing
            (not with `--scores macs`).
    """
    begin_s = time.monotonic()
    reporter = reporter or NullReporter()
    task = _task(request)
    table = tables.read(task.table)
    target = targets.resolve(request.device or table.device, table.backend, request.host)
    device = target.device
    operations = option_macs(task.space)
    scorer = generating.scorer_of(task)

    def scores(model: Predictor, scale: Scale, targets_s: Floats) -> Sequence[Floats]:
        if request.scores == "macs":  # the same for every target
            return [np.broadcast_to(m, (len(targets_s), len(m))) for m in operations]
        return scorer(dataclasses.replace(task, model=model, scale=scale), targets_s)

    if transport is None:
        transport = targets.transport(target)
    with Bench(transport, table.backend, table.threads) as bench:
        warnings = [*untried(table.backend), *_changed(table, bench.hello)]
        for text in warnings:
            reporter.event(Warned(text))
        where = _where(device, table, bench.hello)
        journal_path = task.workspace.fit / f"{_digest(request, task)}.journal.jsonl"
        with Journal(journal_path, _conditions(request, task, bench.hello), request.fresh) as book:
            if book.records:
                reporter.event(Note(f"going on with {len(book.records)} launches made"))
            launcher = Launcher(task.space, table, bench, book)
            question = Question(
                table=table,
                space=task.space,
                scores=scores,
                operations=None if request.scores == "macs" else operations,
                budgets_s=request.budgets_s,
                count=request.count,
                percentile=request.percentile,
                confidence=request.confidence,
                rounds=request.rounds,
                margin=request.margin,
                max_seconds=request.max_seconds,
                shifts=sittings.shifts(sittings.read(task.workspace), where, request.percentile),
            )
            found = Loop(question, launcher, reporter).run()
            result = fit_files.write(
                request, task, table, device, found, bench.hello, tuple(warnings), reporter, begin_s
            )
            sittings.remember(
                task.workspace, where, request.percentile, fit_files.latencies(result)
            )
            files.write_model(task.workspace.reports / "fit.json", result)
            names = [one.name for one in result.budgets if one.name is not None]
            if names:
                task.workspace.remember("generate", names, task.space.id)
            book.remove()
    return result


def _task(request: FitRequest) -> Task:
    """The flags, checked, and the table."""
    asked = GenerateRequest(
        workdir=request.workdir,
        lut=request.lut,
        budgets_s=request.budgets_s,
        count=request.count,
        percentile=request.percentile,
        scores=request.scores,
        margin=request.margin,
    )
    generating.check(asked)
    number = len(request.budgets_s) if request.count is None else request.count
    if number > MOST_BUDGETS:
        raise BadInput(
            f"{number} budgets take too long to measure", f"give {MOST_BUDGETS} or fewer"
        )
    if not 1 <= request.rounds <= MOST_ROUNDS:
        raise BadInput(f"{request.rounds} rounds are not possible", f"give 1 to {MOST_ROUNDS}")
    if not (math.isfinite(request.max_seconds) and request.max_seconds > 0):
        raise BadInput(f"the time limit must be positive, not {request.max_seconds} s")
    for budget_s in request.budgets_s or (1.0,):
        PercentileTest(budget_s, request.percentile, request.confidence)
    return generating.task_of(asked)


def _changed(table: LatencyTable, hello: Hello) -> list[str]:
    """Words about a machine that is not the table's: measuring corrects for it, but say so."""
    changed = changed_since(table, hello)
    return [f"the table was measured otherwise: {'; '.join(changed)}"] if changed else []


def _where(device: str, table: LatencyTable, hello: Hello) -> str:
    """What must be the same for latencies of two sittings to be comparable."""
    return sittings.place(device, table.backend, table.threads, hello)


def _facts(request: FitRequest, task: Task) -> dict[str, str]:
    return {
        "table": task.table_sha256,
        "budgets": json.dumps(request.budgets_s),
        "count": str(request.count),
        "percentile": str(request.percentile),
        "scores": request.scores,
        "rounds": str(request.rounds),
        "confidence": str(request.confidence),
        "margin": str(request.margin),
        "max seconds": str(request.max_seconds),
        "tool version": __version__,
    }


def _digest(request: FitRequest, task: Task) -> str:
    """Ten digits that stand for the question: another question has another journal."""
    text = json.dumps(_facts(request, task), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def _conditions(request: FitRequest, task: Task, hello: Hello) -> dict[str, str]:
    facts = _facts(request, task)
    facts.update({f"settings.{name}": value for name, value in hello.backend.items()})
    facts.update({f"environment.{name}": value for name, value in hello.machine.items()})
    return facts
