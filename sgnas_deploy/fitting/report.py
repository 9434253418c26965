"""What `sgnas fit` reports: values only; `reports/fit.json` has this layout."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from sgnas_deploy import files
from sgnas_deploy.verdict import Verdict


class Fitted(files.FrozenModel):
    """What came of one budget.

    Attributes:
        budget_s: what was asked for.
        verdict: PASS, FAIL (a clear no), or UNDECIDED.
        reason: why not PASS, or why less than 95 % of the budget is used; else empty.
        headroom: share of the budget that was to stay free for a later verdict.
        name: of the architecture in the workspace; None where there is none, as the rest.
        path: its file.
        artefact: ONNX file with arbitrary weights, what was measured.
        artefact_sha256: of that file.
        table_s: what the table predicted.
        predicted_s: what the corrected prediction said before the network was first launched.
        measured_s: latency at the percentile, at the sitting's usual speed.
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
    headroom: float | None = None
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
        headroom: share of a budget that was kept free for a later verdict, mean over the range.
        headroom_noise: of that, what noise within a sitting asks for.
        headroom_shift: standard deviation of the speed between two sittings, as far as known.
        spread: standard deviation of a launch around its network's level, relative; root mean
            square over all launches.
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
    scores: Literal["generator", "macs"]
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
