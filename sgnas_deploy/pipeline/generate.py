"""`sgnas generate`: N budgets, one pass, N architectures that keep them."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias, final

import numpy as np
import numpy.typing as npt

from sgnas_deploy import architectures, files, generator, spaces, supernet, tables
from sgnas_deploy.architectures import Architecture, ArchitectureFile, Budgeted
from sgnas_deploy.errors import BadInput, ClearNo, EnvironmentProblem
from sgnas_deploy.events import Note, Reporter, Warned, stage
from sgnas_deploy.generator import GeneratorFile
from sgnas_deploy.generator.scale import Scale, option_macs, scale_of
from sgnas_deploy.generator.within import Kept, best_within
from sgnas_deploy.spaces import Space
from sgnas_deploy.tables import Predictor
from sgnas_deploy.workspace import DEFAULT_ROOT, Workspace

MOST_BUDGETS: Final = 100_000

Scores: TypeAlias = Literal["generator", "macs"]


@dataclass(frozen=True)
class GenerateRequest:
    """Flags of `sgnas generate`: exactly one of `budgets_s`, `count` and `maximum`.

    Attributes:
        budgets_s: latency budgets.
        count: that many budgets, evenly over the feasible range.
        maximum: the best network without a budget (`--latency-ms max`).
        percentile: the percentile of a hot run that must keep the budget.
        scores: what the solver maximises.
        margin: safety margin, a share of the budget; None for the table's own.
    """

    workdir: Path = DEFAULT_ROOT
    lut: str | None = None
    budgets_s: tuple[float, ...] = ()
    count: int | None = None
    maximum: bool = False
    percentile: float = 50.0
    scores: Scores = "generator"
    margin: float | None = None


class Generated(files.FrozenModel):
    """One generated architecture.

    Attributes:
        name: its name in the workspace.
        path: its file.
        budget_s: what was asked for.
        predicted_s: predicted latency at the percentile, margin not included.
        unused: 1 - predicted_s / budget_s, the margin included.
        labels: one text per decision.
        supernet_accuracy: top-1 in the supernet, None where there is none.
        spelling: the network as a benchmark writes it; None where none does.
    """

    name: str
    path: Path
    budget_s: float
    predicted_s: float
    unused: float
    macs: int
    params: int
    labels: tuple[str, ...]
    supernet_accuracy: float | None = None
    spelling: str | None = None


class GenerateResult(files.FrozenModel):
    """What was generated.

    Attributes:
        table: the table that the predictions come from.
        percentile: what the budgets speak of.
        margin: the safety margin, a share of the budget.
        scores: what the solver maximised.
        generator: the name of the generator that was asked; None for `macs`.
        unseen: whether that generator reads tables and was not trained on this one.
        fastest_s: the smallest feasible budget, margin included.
        slowest_s: the budget from which on nothing better exists.
        architectures: one per budget, in the order asked for.
        warnings: such as a budget above the slowest network.
        seconds: of the pass and the solver, loading not included.
    """

    table: Path
    percentile: float
    margin: float
    scores: Scores
    generator: str | None = None
    unseen: bool = False
    fastest_s: float
    slowest_s: float
    architectures: tuple[Generated, ...]
    warnings: tuple[str, ...] = ()
    seconds: float


@final
@dataclass(frozen=True)
class Task:
    """What is generated from: the table's predictor, its range, and the flags."""

    workspace: Workspace
    table: Path
    table_sha256: str
    model: Predictor
    space: Space
    scale: Scale
    margin: float
    request: GenerateRequest

    @property
    def fastest_s(self) -> float:
        """The smallest feasible budget, margin included."""
        return _with_margin(self.scale.fastest_s, self.margin)

    @property
    def slowest_s(self) -> float:
        """The budget of the network with the most operations, margin included."""
        return _with_margin(self.scale.slowest_s, self.margin)


def generate(request: GenerateRequest, reporter: Reporter) -> GenerateResult:
    """Generate architectures.

    Nothing is written unless every budget is feasible.

    Raises:
        ClearNo: a budget below the fastest network; the message has the feasible range.
        BadInput: a budget that is no positive finite number, or missing inputs.
        EnvironmentProblem: torch is missing (not with `--scores macs`), or the workspace cannot be
            written.
    """
    check(request)
    task = task_of(request)
    budgets_s = _budgets(task)
    warnings = [*task.model.warnings, *_too_generous(task, budgets_s)]
    source = source_of(task) if request.scores == "generator" else None
    if source is not None and source.unseen:
        text = f"{source.weights.stem} reads {task.table.stem}, which it was not trained on"
        reporter.event(Note(text))
    scores = scorer_of(task, source)
    started = time.perf_counter()
    targets_s = budgets_s * (1 - task.margin)
    operations = None if request.scores == "macs" else option_macs(task.space)
    kept = best_within(task.model, task.scale, scores(task, targets_s), targets_s, operations)
    seconds = time.perf_counter() - started
    described = _described(task, budgets_s, kept, source)
    if request.scores == "generator":
        described, problem = with_accuracy(task, described, reporter)
        warnings += [problem] if problem else []
    for text in warnings:
        reporter.event(Warned(text))
    for one in described:
        files.write_model(_path(task, one), one)
    task.workspace.remember("generate", [one.name for one in described], task.space.id)
    return GenerateResult(
        table=task.table,
        percentile=request.percentile,
        margin=task.margin,
        scores=request.scores,
        generator=None if source is None else source.weights.stem,
        unseen=source is not None and source.unseen,
        fastest_s=task.fastest_s,
        slowest_s=task.slowest_s,
        architectures=tuple(
            Generated(
                name=one.name,
                path=_path(task, one),
                budget_s=float(budget),
                predicted_s=found.predicted_s,
                unused=1 - found.predicted_s / float(budget),
                macs=one.macs,
                params=one.params,
                labels=one.labels,
                supernet_accuracy=one.supernet_accuracy,
                spelling=task.space.spelling(one.options),
            )
            for budget, found, one in zip(budgets_s, kept, described, strict=True)
        ),
        warnings=tuple(warnings),
        seconds=seconds,
    )


def check(request: GenerateRequest) -> None:
    """Raise BadInput where the flags make no sense together."""
    for budget in request.budgets_s:
        if not (math.isfinite(budget) and budget > 0):
            raise BadInput(
                f"a latency budget of {budget * 1e3:g} ms is not possible",
                "give a positive number of milliseconds, such as --latency-ms 10",
            )
    asked = [bool(request.budgets_s), request.count is not None, request.maximum]
    if sum(asked) != 1:
        raise BadInput(
            "give either latency budgets, or a count, or the maximum",
            "such as: sgnas generate --latency-ms 10, or: sgnas generate --count 3",
        )
    number = len(request.budgets_s) if request.count is None else request.count
    if not (request.maximum or 1 <= number <= MOST_BUDGETS):
        raise BadInput(f"{number} budgets are not possible", f"give 1 to {MOST_BUDGETS}")
    if request.margin is not None and not 0 <= request.margin < 1:
        raise BadInput(
            f"a margin of {request.margin:g} is not possible",
            "give a share of the budget, at least 0 and below 1, such as 0.05",
        )


def _table(request: GenerateRequest, workspace: Workspace) -> Path:
    try:
        return workspace.find_table(request.lut, None if request.lut else workspace.space)
    except BadInput as error:
        if request.lut or request.scores == "macs" or any(workspace.luts.glob("*.json")):
            raise
        # Nothing is there yet: name the whole way, not only its first step.
        more = "sgnas train supernet --data digits|DIR, and: sgnas train generator"
        raise BadInput(error.message, f"{error.cure}, then: {more}") from None


def task_of(request: GenerateRequest) -> Task:
    """Read the table that a request names, or the only one there is."""
    workspace = Workspace(request.workdir)
    path = _table(request, workspace)
    table = tables.read(path)
    model = tables.predictor(table, request.percentile)
    space = spaces.load(table.space)
    return Task(
        workspace=workspace,
        table=path,
        table_sha256=tables.sha256(path),
        model=model,
        space=space,
        scale=scale_of(model, space),
        margin=model.margin if request.margin is None else request.margin,
        request=request,
    )


def _with_margin(latency_s: float, margin: float) -> float:
    """The smallest budget that leaves `latency_s` when the margin is taken off."""
    budget = latency_s / (1 - margin)
    while budget * (1 - margin) < latency_s:
        budget = math.nextafter(budget, math.inf)
    return budget


def _budgets(task: Task) -> npt.NDArray[np.float64]:
    """The budgets, all feasible.

    `--count`: evenly over the range, both ends included; a single one is the middle.
    """
    request, fastest, slowest = task.request, task.fastest_s, task.slowest_s
    if request.maximum:
        return np.array([slowest])
    if request.count == 1:
        return np.array([(fastest + slowest) / 2])
    if request.count is not None:
        return np.linspace(fastest, slowest, request.count)
    for budget in request.budgets_s:
        if budget < fastest:
            raise ClearNo(
                f"no network of {task.space.id} keeps {budget * 1e3:.4g} ms: budgets from "
                f"{_ms(fastest, up=True)} to {_ms(slowest)} ms are feasible, "
                f"the margin of {task.margin:.1%} included",
                f"ask for at least: sgnas generate --latency-ms {_ms(fastest, up=True)}",
            )
    return np.array(request.budgets_s, dtype=np.float64)


def _ms(latency_s: float, up: bool = False) -> str:
    """Milliseconds in four digits; with `up`, never less than the latency."""
    ms = latency_s * 1e3
    text = f"{ms:.4g}"
    if up and float(text) < ms:
        text = f"{ms + 10.0 ** (math.floor(math.log10(ms)) - 3):.4g}"
    return text


def _too_generous(task: Task, budgets_s: npt.NDArray[np.float64]) -> list[str]:
    return [
        f"{budget * 1e3:.4g} ms is more than {task.space.id} has a use for: from "
        f"{_ms(task.slowest_s)} ms on, the largest network is generated"
        for budget in budgets_s
        if budget > task.slowest_s
    ]


Scorer: TypeAlias = Callable[[Task, npt.NDArray[np.float64]], Sequence[npt.NDArray[np.float64]]]


@final
@dataclass(frozen=True)
class Source:
    """The generator that is asked.

    Attributes:
        weights: its file.
        described: what stands beside it.
        unseen: whether it reads tables and was not trained on this one.
    """

    weights: Path
    described: GeneratorFile
    unseen: bool


def source_of(task: Task) -> Source:
    """The table's own generator; where there is none that fits, the space's that reads tables.

    Raises:
        BadInput: neither is there, or neither fits.
    """
    folder = task.workspace.generator
    own = generator.weights_path(folder, task.table.stem)
    any_device = generator.any_device_path(folder, task.space.id)
    trained = supernet.weights_path(task.workspace.supernet, task.space)
    supernet_sha256 = files.sha256_of(trained) if trained.is_file() else None

    def fitting(weights: Path) -> Source:
        described = generator.read_file(weights)
        generator.check(
            described,
            space=task.space.id,
            table_sha256=task.table_sha256,
            percentile=task.request.percentile,
            supernet_sha256=supernet_sha256,
        )
        return Source(weights, described, not described.knows(task.table_sha256))

    if not any_device.is_file():
        return fitting(own)
    if not own.is_file():
        return fitting(any_device)
    try:
        return fitting(own)
    except BadInput:  # the table was measured, or the supernet trained, anew since
        return fitting(any_device)


def scorer_of(task: Task, source: Source | None = None) -> Scorer:
    """What gives the options' scores for target latencies; a generator is loaded here, once.

    Args:
        task: what is asked.
        source: what `source_of` said, where that is known.

    Raises:
        BadInput: a generator that is not there, or does not fit.
        EnvironmentProblem: torch is missing (not with `--scores macs`).
    """
    if task.request.scores == "macs":
        return _macs_scores
    return _generator_scores(task, source or source_of(task))


def _macs_scores(
    task: Task, targets_s: npt.NDArray[np.float64]
) -> Sequence[npt.NDArray[np.float64]]:
    """Operations, in millions: the same for every budget."""
    return [np.broadcast_to(m, (len(targets_s), len(m))) for m in option_macs(task.space)]


def _generator_scores(task: Task, source: Source) -> Scorer:
    """Load the generator; what is returned asks it for all budgets in one pass."""
    network = generator.load(source.weights, task.space, source.described)

    def scores(task: Task, targets_s: npt.NDArray[np.float64]) -> Sequence[npt.NDArray[np.float64]]:
        network.turn_to(task.model, task.scale)
        return network.option_scores(task.scale.share(targets_s))

    return scores


def _described(
    task: Task,
    budgets_s: npt.NDArray[np.float64],
    kept: Sequence[Kept],
    source: Source | None,
) -> tuple[ArchitectureFile, ...]:
    sha256 = None if source is None else source.described.weights_sha256
    found = []
    for name, budget, one in zip(names_of(task, budgets_s), budgets_s, kept, strict=True):
        budgeted = Budgeted(
            budget_s=float(budget),
            percentile=task.request.percentile,
            predicted_s=one.predicted_s,
            margin=task.margin,
            scores=task.request.scores,
            score=one.score,
            table_sha256=task.table_sha256,
            generator_sha256=sha256,
        )
        found.append(
            architectures.describe(name, Architecture(task.space.id, one.options), budgeted)
        )
    return tuple(found)


def names_of(task: Task, budgets_s: npt.NDArray[np.float64]) -> tuple[str, ...]:
    """`SPACE-BUDGETms`, in as many digits as it takes to tell them apart; repeats are numbered."""
    different = len(set(budgets_s.tolist()))
    digits = 4
    while True:
        texts = [f"{budget * 1e3:.{digits}g}" for budget in budgets_s]
        if len(set(texts)) == different or digits == 17:
            break
        digits += 1
    seen: Counter[str] = Counter()
    names: list[str] = []
    for text in texts:
        seen[text] += 1
        again = f"-{seen[text]}" if seen[text] > 1 else ""
        names.append(f"{task.space.id}-{text}ms{again}")
    return tuple(names)


def _path(task: Task, one: ArchitectureFile) -> Path:
    return task.workspace.architectures / f"{one.name}.json"


def with_accuracy(
    task: Task, described: tuple[ArchitectureFile, ...], reporter: Reporter
) -> tuple[tuple[ArchitectureFile, ...], str | None]:
    """Top-1 in the supernet on images that nothing is trained on; or why it is not known."""
    weights = supernet.weights_path(task.workspace.supernet, task.space)
    if not weights.is_file():
        return described, None
    try:
        from sgnas_deploy.generator import judging

        judge = judging.Judge(weights, task.space)
        title = f"evaluating {len(described)} networks in the supernet"
        with stage(reporter, title, judge.images, "images") as progress:
            accuracies = judge.accuracies([one.options for one in described], progress.advance)
    except (BadInput, EnvironmentProblem) as error:
        return described, f"accuracy in the supernet is not known: {error.message}"
    found = [
        one.model_copy(update={"supernet_accuracy": accuracy})
        for one, accuracy in zip(described, accuracies, strict=True)
    ]
    return tuple(found), None
