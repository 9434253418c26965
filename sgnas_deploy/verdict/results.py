"""Verdicts as `sgnas validate` gives them: values only.

`reports/NAME.verdict.json` is a `VerdictReport`. NAME is that of `name_of`, so that the verdicts on
`models/net.onnx`, `models/net.plan` and `fit/net.onnx` stand side by side.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from sgnas_deploy import files
from sgnas_deploy.fitting import artefact
from sgnas_deploy.fitting.artefact import Described
from sgnas_deploy.verdict import report
from sgnas_deploy.verdict.percentile import Verdict


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
        measured_s: measured at `percentile`.
        unused: 1 - measured / budget at the percentile; negative above the budget.
        n: hot runs measured.
        blocks: units of observation of the test: the launches.
        launches: fresh processes.
        environment: device, runtime, clocks, temperatures: what was readable.
        artefact_sha256: the file that was measured.
        artefact_bytes: its size.
        peak_rss_bytes: largest resident memory of a measuring process on its host, runtime
            included; what a GPU holds is not in it, nor is another program that runs the file
            (trtexec).
        accuracy: top-1 on the data, None where not asked for.
        parity_max_abs: largest difference of a logit to the PyTorch network, at export; None
            where there is no such network.
        parity_of: of what: the `artefact` itself, or the ONNX `source` of an engine that could not
            run where it was exported; None where there was no comparison, or nothing says.
        weights: `arbitrary` where `sgnas fit` wrote the file: the verdict speaks of latency only.
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
    measured_s: float | None = None
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
    parity_of: Literal["artefact", "source"] | None = None
    weights: Literal["trained", "arbitrary"] = "trained"
    line: str
    report: Path

    @property
    def on_gpu(self) -> bool:
        """Whether a GPU did the work, as the runtime told."""
        return self.environment.get("backend.provider") == "CUDA"


def name_of(path: Path) -> str:
    """What a verdict on a file is called.

    Its name, without `.onnx`; with `.fit` for a file of `fit`, because the trained network of the
    same name is another file.
    """
    if artefact.is_untrained(path):
        return f"{path.stem}.fit"
    return path.stem if path.suffix == ".onnx" else path.name


class ValidateResult(files.FrozenModel):
    """All verdicts; `verdict` is FAIL if any failed, else UNDECIDED if any is, else PASS."""

    verdict: Verdict
    networks: tuple[Validated, ...]


class VerdictReport(files.FrozenModel):
    """`reports/NAME.verdict.json`: the verdict, and all that it rests on; `.html` shows it.

    Attributes:
        kind: `sgnas-verdict`.
        schema_version: version of this layout.
        result: what the command printed.
        export: the description of the file that was measured.
        settings: backend, threads and timing plan.
        test: the evidence.
        launches: every fresh process with all its samples.
        warnings: what the user was told.
    """

    kind: Literal["sgnas-verdict"] = "sgnas-verdict"
    schema_version: Literal[1] = report.SCHEMA_VERSION
    result: Validated
    export: Described
    settings: dict[str, str | float]
    test: report.TestRecord
    launches: tuple[report.LaunchRecord, ...]
    warnings: tuple[str, ...]


def overall(verdicts: Sequence[Verdict]) -> Verdict:
    """FAIL if any failed, else UNDECIDED if any is, else PASS."""
    for worst in ("FAIL", "UNDECIDED"):
        if worst in verdicts:
            return worst
    return "PASS"
