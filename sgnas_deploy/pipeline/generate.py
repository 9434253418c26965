"""`sgnas generate`: N budgets, one pass, N architectures that keep them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from sgnas_deploy import files
from sgnas_deploy.errors import NotBuiltYet
from sgnas_deploy.events import Reporter
from sgnas_deploy.workspace import DEFAULT_ROOT

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


class GenerateResult(files.FrozenModel):
    """What was generated.

    Attributes:
        table: the table that the predictions come from.
        percentile: what the budgets speak of.
        margin: the safety margin, a share of the budget.
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
    fastest_s: float
    slowest_s: float
    architectures: tuple[Generated, ...]
    warnings: tuple[str, ...] = ()
    seconds: float


def generate(request: GenerateRequest, reporter: Reporter) -> GenerateResult:
    """Generate architectures.

    Raises:
        ClearNo: a budget below the fastest network; the message has the feasible range.
        BadInput: a budget that is no positive finite number, or missing inputs.
    """
    raise NotBuiltYet("sgnas generate is not built yet")
