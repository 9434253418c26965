"""`sgnas validate`: measure exported networks against a budget and give a verdict."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from sgnas_deploy import files
from sgnas_deploy.errors import NotBuiltYet
from sgnas_deploy.events import Reporter
from sgnas_deploy.workspace import DEFAULT_ROOT

Verdict: TypeAlias = Literal["PASS", "FAIL", "UNDECIDED"]


@dataclass(frozen=True)
class ValidateRequest:
    """Flags of `sgnas validate`.

    Attributes:
        models: paths or names; empty for all that `export` made last.
        budgets_s: one for all, or one per model; empty for the budget each was generated for.
        device: None for the table's.
        percentile: None for the percentile each was generated for.
        confidence: 1 minus the largest tolerated probability of a wrong PASS (or FAIL).
        data: also report accuracy on this data; None for none.
        max_seconds: give up (UNDECIDED) on a network after that long.
    """

    workdir: Path = DEFAULT_ROOT
    models: tuple[str, ...] = ()
    budgets_s: tuple[float, ...] = ()
    device: str | None = None
    percentile: float | None = None
    confidence: float = 0.95
    data: str | None = None
    max_seconds: float = 60.0


class Validated(files.FrozenModel):
    """The verdict on one network.

    Attributes:
        name: its name in the workspace.
        verdict: PASS, FAIL, or UNDECIDED with the reason.
        reason: why it is UNDECIDED, else empty.
        budget_s: what it was held against.
        percentile: which percentile must keep the budget.
        confidence: of the verdict.
        predicted_s: what the table promised, None where no table did.
        p50_s: measured median of a hot run.
        p95_s: measured 95th percentile.
        unused: 1 - measured / budget at the percentile.
        n: hot runs measured.
        blocks: independent blocks of runs the test worked on.
        launches: fresh processes.
        environment: device, runtime, clocks, temperatures: what was readable.
        artefact_sha256: the file that was measured.
        accuracy: top-1 on the data, None where not asked for.
        line: all of it in one line, fit for a release note.
        report: where the JSON report stands.
    """

    name: str
    verdict: Verdict
    reason: str = ""
    budget_s: float
    percentile: float
    confidence: float
    predicted_s: float | None
    p50_s: float
    p95_s: float
    unused: float
    n: int
    blocks: int
    launches: int
    environment: dict[str, str]
    artefact_sha256: str
    artefact_bytes: int
    peak_rss_bytes: int | None = None
    accuracy: float | None = None
    parity_max_abs: float | None = None
    line: str
    report: Path


class ValidateResult(files.FrozenModel):
    """All verdicts; `verdict` is FAIL if any failed, else UNDECIDED if any is, else PASS."""

    verdict: Verdict
    networks: tuple[Validated, ...]


def validate(request: ValidateRequest, reporter: Reporter) -> ValidateResult:
    """Measure until the verdict is certain enough, or the time is up."""
    raise NotBuiltYet("sgnas validate is not built yet")
