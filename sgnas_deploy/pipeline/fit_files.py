"""What `sgnas fit` leaves in the workspace: architectures, measured files, the result."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from sgnas_deploy import architectures, files
from sgnas_deploy.architectures import Architecture, ArchitectureFile, Budgeted
from sgnas_deploy.events import Reporter, Warned
from sgnas_deploy.fitting import artefact
from sgnas_deploy.fitting.launching import model_of
from sgnas_deploy.fitting.question import Answer, Answers
from sgnas_deploy.fitting.report import FitResult, Fitted
from sgnas_deploy.pipeline import generate as generating
from sgnas_deploy.pipeline.generate import Task
from sgnas_deploy.tables import LatencyTable
from sgnas_deploy.verdict.conditions import environment_of
from sgnas_deploy.verdict.results import overall
from sgnas_profilers.transports import Hello

if TYPE_CHECKING:
    from sgnas_deploy.pipeline.fit import FitRequest


def write(
    request: FitRequest,
    task: Task,
    table: LatencyTable,
    device: str,
    found: Answers,
    hello: Hello,
    warnings: tuple[str, ...],
    reporter: Reporter,
    begin_s: float,
) -> FitResult:
    """Write architectures and measured files, and put the result together.

    Args:
        request: what was asked.
        task: the same, with the space and the paths.
        table: the latency table.
        device: where was measured.
        found: what the loop found.
        hello: how the device introduced itself.
        warnings: what the user was told.
        reporter: who listens.
        begin_s: `time.monotonic` at the start.
    """
    described = _described(request, task, found)
    if request.scores == "generator":
        known = tuple(one for one in described if one is not None)
        judged, problem = generating.with_accuracy(task, known, reporter)
        if problem:
            warnings = (*warnings, problem)
            reporter.event(Warned(problem))
        rest = iter(judged)
        described = [None if one is None else next(rest) for one in described]
    budgets = tuple(
        _fitted(task, table, answer, one)
        for answer, one in zip(found.answers, described, strict=True)
    )
    unused = [one.unused for one in budgets if one.verdict == "PASS" and one.unused is not None]
    return FitResult(
        verdict=overall([one.verdict for one in budgets]),
        space=task.space.id,
        table=task.table,
        table_sha256=task.table_sha256,
        device=device,
        threads=table.threads,
        batch=table.batch,
        precision=table.precision,
        form=table.form,
        percentile=request.percentile,
        confidence=request.confidence,
        scores=request.scores,
        headroom=found.headroom.share,
        headroom_noise=found.headroom.noise,
        headroom_shift=found.headroom.shift,
        spread=found.levels.spread,
        moved=found.levels.moved,
        fastest_s=found.fastest_s,
        slowest_s=found.slowest_s,
        rounds=found.rounds,
        round_errors=found.errors,
        networks=len(found.levels.of),
        launches=len(found.launches),
        budgets=budgets,
        unused=float(np.mean(unused)) if unused else None,
        environment=environment_of(hello.machine, hello.backend),
        warnings=warnings,
        ended=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        seconds=time.monotonic() - begin_s,
    )


def _described(request: FitRequest, task: Task, found: Answers) -> list[ArchitectureFile | None]:
    """The architectures' files; None where a budget has a clear no."""
    sha256 = None
    if request.scores == "generator":
        sha256 = generating.source_of(task).described.weights_sha256
    names = generating.names_of(task, np.array([one.budget_s for one in found.answers]))
    described: list[ArchitectureFile | None] = []
    for name, answer in zip(names, found.answers, strict=True):
        if answer.options is None or answer.verdict == "FAIL":
            described.append(None)
            continue
        budgeted = Budgeted(
            budget_s=answer.budget_s,
            percentile=request.percentile,
            predicted_s=answer.level_s,
            margin=max(0.0, min(answer.headroom, 1 - answer.level_s / answer.budget_s)),
            scores=request.scores,
            score=answer.score,
            table_sha256=task.table_sha256,
            generator_sha256=sha256,
            measured_s=answer.level_s,
        )
        architecture = Architecture(task.space.id, answer.options)
        described.append(architectures.describe(name, architecture, budgeted))
    return described


def _fitted(
    task: Task,
    table: LatencyTable,
    answer: Answer,
    described: ArchitectureFile | None,
) -> Fitted:
    if described is None:
        return Fitted(
            budget_s=answer.budget_s,
            verdict=answer.verdict,
            reason=answer.reason,
            headroom=answer.headroom,
            candidates=answer.candidates,
        )
    model = model_of(task.space, table, described.options)
    architecture_path = task.workspace.architectures / f"{described.name}.json"
    files.write_model(architecture_path, described)
    path, beside = artefact.write(
        task.workspace.fit,
        described,
        model,
        form=table.form,
        batch=table.batch,
        precision=table.precision,
    )
    runs_s = np.concatenate([one.samples_s for one in answer.fresh])
    return Fitted(
        budget_s=answer.budget_s,
        verdict=answer.verdict,
        reason=answer.reason,
        headroom=answer.headroom,
        name=described.name,
        path=architecture_path,
        artefact=path,
        artefact_sha256=beside.artefact_sha256,
        table_s=answer.table_s,
        predicted_s=answer.predicted_s,
        measured_s=answer.level_s,
        correction=answer.level_s / answer.table_s,
        unused=1 - answer.level_s / answer.budget_s,
        p50_s=float(np.percentile(runs_s, 50)),
        p95_s=float(np.percentile(runs_s, 95)),
        launches=len(answer.fresh),
        runs=len(runs_s),
        candidates=answer.candidates,
        macs=described.macs,
        params=described.params,
        labels=described.labels,
        supernet_accuracy=described.supernet_accuracy,
    )


def latencies(result: FitResult) -> dict[str, float]:
    """Measured latency of every file in seconds, by its SHA-256."""
    return {
        one.artefact_sha256: one.measured_s
        for one in result.budgets
        if one.artefact_sha256 is not None and one.measured_s is not None
    }
