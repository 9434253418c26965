"""`sgnas demo`: the whole job on an embedded default, no GPU, no download of data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sgnas_deploy import files
from sgnas_deploy.errors import NotBuiltYet
from sgnas_deploy.events import Reporter
from sgnas_deploy.pipeline.validate import Verdict


@dataclass(frozen=True)
class DemoRequest:
    """Flags of `sgnas demo`."""

    workdir: Path = Path("demo-work")
    fresh: bool = False


class DemoRow(files.FrozenModel):
    """One budget from question to verdict."""

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


def demo(request: DemoRequest, reporter: Reporter) -> DemoResult:
    """Profile, train, generate, retrain, export, validate."""
    raise NotBuiltYet("sgnas demo is not built yet")
