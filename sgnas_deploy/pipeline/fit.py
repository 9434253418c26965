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
from typing import Final, Literal, final

import numpy as np

from sgnas_deploy import __version__, architectures, files, generator, tables, targets
from sgnas_deploy.architectures import Architecture, ArchitectureFile, Budgeted
from sgnas_deploy.errors import BadInput
from sgnas_deploy.events import Note, NullReporter, Reporter, Warned
from sgnas_deploy.fitting import artefact
from sgnas_deploy.fitting.levels import Floats, Launch, Options
from sgnas_deploy.fitting.loop import Answer, Answers, Loop, Question
from sgnas_deploy.generator.scale import Scale, option_macs
from sgnas_deploy.pipeline import generate as generating
from sgnas_deploy.pipeline.generate import GenerateRequest, Scores, Task
from sgnas_deploy.tables import LatencyTable, Predictor
from sgnas_deploy.tables.codec import rounded
from sgnas_deploy.tables.journal import Journal, NetworkRecord
from sgnas_deploy.tables.measuring import Bench, network_model
from sgnas_deploy.verdict import PercentileTest, Verdict, sittings
from sgnas_deploy.verdict.settings import changed_since
from sgnas_deploy.workspace import DEFAULT_ROOT
from sgnas_profilers.transports import Hello, Transport

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


class Fitted(files.FrozenModel):
    """What came of one budget.

    Attributes:
        budget_s: what was asked for.
        verdict: PASS, FAIL (a clear no), or UNDECIDED.
        reason: why not PASS, or why less than 95 % of the budget is used; else empty.
        name: of the architecture in the workspace; None where there is none, as the rest.
        path: its file.
        artefact: ONNX file with arbitrary weights, what was measured.
        artefact_sha256: of that file.
        table_s: what the table predicted.
        predicted_s: what the corrected prediction said before the network was first launched.
        measured_s: latency at the percentile, at the sitting's mean speed.
        correction: measured_s / table_s.
        unused: 1 - measured_s / budget_s.
        p50_s: median of the runs that the verdict rests on.
        p95_s: 95th percentile of them.
        launches: fresh processes that the verdict rests on.
        runs: hot runs in them.
        candidates: networks that were measured for this budget.
        labels: one text per decision.
        supernet_accuracy: top-1 in the supernet, None where there is none.
    """

    budget_s: float
    verdict: Verdict
    reason: str = ""
    name: str | None = None
    path: Path | None = None
    artefact: Path | None = None
    artefact_sha256: str | None = None
    table_s: float | None = None
    predicted_s: float | None = None
    measured_s: float | None = None
    correction: float | None = None
    unused: float | None = None
    p50_s: float | None = None
    p95_s: float | None = None
    launches: int = 0
    runs: int = 0
    candidates: int = 0
    macs: int | None = None
    params: int | None = None
    labels: tuple[str, ...] = ()
    supernet_accuracy: float | None = None


class FitResult(files.FrozenModel):
    """`reports/fit.json`, and what the command prints.

    Attributes:
        verdict: FAIL if any budget failed, else UNDECIDED if any is, else PASS.
        table: the table that it began with.
        device: where was measured.
        weights: of the measured files: `arbitrary`, since latency needs no training.
        headroom: share of a budget that was kept free for a later verdict.
        headroom_noise: of that, what noise within a sitting asks for.
        headroom_shift: standard deviation of the speed between two sittings, as far as known.
        spread: standard deviation of a launch around its network's level, relative.
        moved: change of the machine's speed from the first third of the sitting to the last.
        fastest_s: measured latency of the fastest network.
        slowest_s: of the one with the most operations.
        rounds: how often candidates were generated.
        round_errors: mean absolute error of each round's predictions, relative.
        networks: how many different networks were measured.
        launches: fresh processes in all.
        budgets: one each, in the order asked for.
        unused: mean over the budgets that passed, None where none did.
        environment: the machine and runtime.
        ended: UTC, ISO 8601.
        seconds: in all.
    """

    kind: Literal["sgnas-fit"] = "sgnas-fit"
    schema_version: Literal[1] = 1
    verdict: Verdict
    space: str
    table: Path
    table_sha256: str
    device: str
    threads: int
    batch: int
    precision: str
    form: str
    percentile: float
    confidence: float
    scores: Scores
    weights: Literal["arbitrary"] = "arbitrary"
    headroom: float
    headroom_noise: float
    headroom_shift: float
    spread: float
    moved: float
    fastest_s: float
    slowest_s: float
    rounds: int
    round_errors: tuple[float, ...]
    networks: int
    launches: int
    budgets: tuple[Fitted, ...]
    unused: float | None
    environment: dict[str, str]
    warnings: tuple[str, ...] = ()
    ended: str
    seconds: float


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
        warnings = _changed(table, bench.hello)
        for text in warnings:
            reporter.event(Warned(text))
        where = _where(device, table, bench.hello)
        journal_path = task.workspace.root / "fit" / f"{_digest(request, task)}.journal.jsonl"
        with Journal(journal_path, _conditions(request, task, bench.hello), request.fresh) as book:
            if book.records:
                reporter.event(Note(f"going on with {len(book.records)} launches made"))
            launcher = _Launcher(task, table, bench, book)
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
            result = _result(
                request, task, table, device, found, bench.hello, tuple(warnings), reporter, begin_s
            )
            sittings.remember(task.workspace, where, request.percentile, _latencies(result))
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


@final
class _Launcher:
    """Launches networks as `validate` does, one in a fresh process; leaves out what was done."""

    def __init__(self, task: Task, table: LatencyTable, bench: Bench, journal: Journal) -> None:
        self._task = task
        self._table = table
        self._bench = bench
        self._journal = journal
        self._plan = table.network_plan.timing
        self._done = {
            (record.number, record.options): record
            for record in journal.records
            if isinstance(record, NetworkRecord)
        }
        self._models: dict[Options, bytes] = {}

    def launch(self, options: Options, sweep: int) -> Launch:
        """One fresh process that times one network."""
        record = self._done.get((sweep, options))
        if record is None:
            with self._bench.process() as agent:
                found = agent.measure(self._model(options), self._plan)
            record = NetworkRecord(
                options=options,
                number=sweep,
                samples_s=tuple(rounded(sample) for sample in found.timing.samples_s),
                inner_loops=found.timing.inner_loops,
                warmup_runs=found.timing.warmup_runs,
                state=dict(found.state),
            )
            self._journal.append(record)
            self._done[sweep, options] = record
        return Launch(options, sweep, record.samples_s)

    def _model(self, options: Options) -> bytes:
        found = self._models.get(options)
        if found is None:
            found = model_of(self._task, self._table, options)
            # Networks come back in every sweep of a round; those of earlier rounds seldom do.
            if len(self._models) >= 64:
                self._models.pop(next(iter(self._models)))
            self._models[options] = found
        return found


def model_of(task: Task, table: LatencyTable, options: Options) -> bytes:
    """A network as it is measured: the table's form and batch, arbitrary weights."""
    return network_model(
        task.space, options, table.form, table.batch, table.precision, table.backend
    )


def _result(
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
        _fitted(task, table, found, answer, one)
        for answer, one in zip(found.answers, described, strict=True)
    )
    unused = [one.unused for one in budgets if one.verdict == "PASS" and one.unused is not None]
    verdicts = [one.verdict for one in budgets]
    worst: tuple[Verdict, ...] = ("FAIL", "UNDECIDED")
    return FitResult(
        verdict=next((one for one in worst if one in verdicts), "PASS"),
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
        environment={
            **{f"machine.{name}": text for name, text in hello.machine.items()},
            **{f"backend.{name}": text for name, text in hello.backend.items()},
        },
        warnings=warnings,
        ended=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        seconds=time.monotonic() - begin_s,
    )


def _described(request: FitRequest, task: Task, found: Answers) -> list[ArchitectureFile | None]:
    """The architectures' files; None where a budget has a clear no."""
    sha256 = None
    if request.scores == "generator":
        sha256 = files.sha256_of(generator.weights_path(task.workspace.generator, task.table.stem))
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
            margin=max(0.0, min(found.headroom.share, 1 - answer.level_s / answer.budget_s)),
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
    found: Answers,
    answer: Answer,
    described: ArchitectureFile | None,
) -> Fitted:
    if described is None:
        return Fitted(
            budget_s=answer.budget_s,
            verdict=answer.verdict,
            reason=answer.reason,
            candidates=answer.candidates,
        )
    model = model_of(task, table, described.options)
    architecture_path = task.workspace.architectures / f"{described.name}.json"
    files.write_model(architecture_path, described)
    path = artefact.write(
        task.workspace.root / "fit",
        described,
        model,
        form=table.form,
        batch=table.batch,
        precision=table.precision,
    )
    mine = [one for one in found.launches if one.options == described.options]
    runs_s = np.concatenate([one.samples_s for one in mine[-answer.fresh :]])
    return Fitted(
        budget_s=answer.budget_s,
        verdict=answer.verdict,
        reason=answer.reason,
        name=described.name,
        path=architecture_path,
        artefact=path,
        artefact_sha256=hashlib.sha256(model).hexdigest(),
        table_s=answer.table_s,
        predicted_s=answer.predicted_s,
        measured_s=answer.level_s,
        correction=answer.level_s / answer.table_s,
        unused=1 - answer.level_s / answer.budget_s,
        p50_s=float(np.percentile(runs_s, 50)),
        p95_s=float(np.percentile(runs_s, 95)),
        launches=answer.fresh,
        runs=len(runs_s),
        candidates=answer.candidates,
        macs=described.macs,
        params=described.params,
        labels=described.labels,
        supernet_accuracy=described.supernet_accuracy,
    )


def _latencies(result: FitResult) -> dict[str, float]:
    return {
        one.artefact_sha256: one.measured_s
        for one in result.budgets
        if one.artefact_sha256 is not None and one.measured_s is not None
    }
