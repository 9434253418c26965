"""`sgnas demo`: the whole job on an embedded default, no GPU, no download of data."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar, final

from sgnas_deploy import files, tables
from sgnas_deploy.errors import BadInput
from sgnas_deploy.events import Note, Reporter
from sgnas_deploy.pipeline.export import ExportRequest, export
from sgnas_deploy.pipeline.generate import Generated, GenerateRequest, generate
from sgnas_deploy.pipeline.profile import ProfileRequest, profile
from sgnas_deploy.pipeline.retrain import Retrained, RetrainRequest, retrain
from sgnas_deploy.pipeline.train_generator import TrainGeneratorRequest, train_generator
from sgnas_deploy.pipeline.train_supernet import TrainSupernetRequest, train_supernet
from sgnas_deploy.pipeline.validate import Validated, ValidateRequest, validate
from sgnas_deploy.verdict import Verdict
from sgnas_deploy.workspace import Workspace

SPACE: Final = "tiny"
DATA: Final = "digits"
BUDGETS: Final = 3
_STEPS: Final = 7

R = TypeVar("R")


@dataclass(frozen=True)
class DemoRequest:
    """Flags of `sgnas demo`."""

    workdir: Path = Path("demo-work")
    fresh: bool = False


class DemoRow(files.FrozenModel):
    """One budget from question to verdict.

    Attributes:
        name: of the network in the workspace.
        budget_s: the latency budget, for the median of a hot run.
        predicted_s: what the table promised, margin not included.
        p50_s: measured median of a hot run.
        p95_s: measured 95th percentile.
        unused: 1 - p50_s / budget_s.
        supernet_accuracy: top-1 of the sub-network in the supernet.
        accuracy: top-1 of the exported file, on images that nothing was trained on.
    """

    name: str
    budget_s: float
    predicted_s: float
    p50_s: float
    p95_s: float
    unused: float
    verdict: Verdict
    supernet_accuracy: float | None
    accuracy: float
    params: int
    macs: int


class DemoResult(files.FrozenModel):
    """The whole job.

    Attributes:
        margin: the safety margin, a share of the budget.
        stages: name and seconds of each step.
        workdir: where everything lies.
    """

    margin: float
    rows: tuple[DemoRow, ...]
    verdict: Verdict
    stages: tuple[tuple[str, float], ...]
    workdir: Path


@final
class _Steps:
    """Says before each step which command does the same, and how long each took."""

    def __init__(self, request: DemoRequest, reporter: Reporter) -> None:
        self._request = request
        self._reporter = reporter
        self.seconds: list[tuple[str, float]] = []

    def run(self, command: str, step: Callable[[], R], fresh: bool = False) -> R:
        """Run one step; `fresh` where its command has that flag."""
        flag = " --fresh" if fresh and self._request.fresh else ""
        workdir = shlex.quote(str(self._request.workdir))
        number = f"[{len(self.seconds) + 1}/{_STEPS}]"
        self._reporter.event(Note(f"{number} sgnas {command}{flag} --workdir {workdir}"))
        started_s = time.monotonic()
        result = step()
        name = command.split(" --")[0]
        self.seconds.append((name, time.monotonic() - started_s))
        return result


def demo(request: DemoRequest, reporter: Reporter) -> DemoResult:
    """Profile, train, generate, retrain, export, validate.

    Every step goes on where an interrupted demo stopped; a table that is there is kept, because a
    new one would ask for a new generator. Verdicts other than PASS are results, not errors.

    Args:
        request: the flags.
        reporter: hears each step's command line, and what the step says.

    Raises:
        SgnasError: whatever a step raises.
    """
    workdir, fresh = request.workdir, request.fresh
    steps = _Steps(request, reporter)

    steps.run(
        f"profile --device cpu --space {SPACE} --quality quick",
        lambda: _profile_once(request, reporter),
        fresh=True,
    )
    steps.run(
        f"train supernet --space {SPACE} --data {DATA}",
        lambda: train_supernet(
            TrainSupernetRequest(data=DATA, space=SPACE, workdir=workdir, fresh=fresh), reporter
        ),
        fresh=True,
    )
    steps.run(
        "train generator",
        lambda: train_generator(TrainGeneratorRequest(workdir=workdir, fresh=fresh), reporter),
        fresh=True,
    )
    generated = steps.run(
        f"generate --count {BUDGETS}",
        lambda: generate(GenerateRequest(workdir=workdir, count=BUDGETS), reporter),
    )
    retrained = steps.run(
        "retrain",
        lambda: retrain(RetrainRequest(workdir=workdir, fresh=fresh), reporter),
        fresh=True,
    )
    steps.run(
        "export --format onnx",
        lambda: export(ExportRequest(workdir=workdir, format="onnx"), reporter),
    )
    validated = steps.run(
        f"validate --data {DATA}",
        lambda: validate(ValidateRequest(workdir=workdir, data=DATA), reporter),
    )
    return DemoResult(
        margin=generated.margin,
        rows=tuple(
            _row(*one)
            for one in zip(
                generated.architectures, retrained.models, validated.networks, strict=True
            )
        ),
        verdict=validated.verdict,
        stages=tuple(steps.seconds),
        workdir=workdir,
    )


def _profile_once(request: DemoRequest, reporter: Reporter) -> None:
    if not request.fresh:
        try:
            table = Workspace(request.workdir).find_table(None, SPACE)
            tables.read(table)
        except BadInput:
            pass  # none yet, or none that can be read
        else:
            reporter.event(Note(f"{table} is there and is kept; --fresh measures anew"))
            return
    profile(
        ProfileRequest(
            device="cpu",
            space=SPACE,
            quality="quick",
            workdir=request.workdir,
            fresh=request.fresh,
        ),
        reporter,
    )


def _row(asked: Generated, trained: Retrained, measured: Validated) -> DemoRow:
    return DemoRow(
        name=measured.name,
        budget_s=measured.budget_s,
        predicted_s=asked.predicted_s,
        p50_s=measured.p50_s,
        p95_s=measured.p95_s,
        unused=measured.unused,
        verdict=measured.verdict,
        supernet_accuracy=trained.supernet_accuracy
        if trained.supernet_accuracy is not None
        else asked.supernet_accuracy,
        accuracy=measured.accuracy if measured.accuracy is not None else trained.accuracy,
        params=asked.params,
        macs=asked.macs,
    )
