"""`sgnas report`: a workspace as one HTML page, and its main figures for a terminal."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from sgnas_deploy import files
from sgnas_deploy.events import Reporter, Warned
from sgnas_deploy.reporting import gather, report_page
from sgnas_deploy.reporting import heat as heat_map
from sgnas_deploy.reporting.agreement import fitted, judged
from sgnas_deploy.verdict import Verdict
from sgnas_deploy.workspace import DEFAULT_ROOT, Workspace


@dataclass(frozen=True)
class ReportRequest:
    """Flags of `sgnas report`.

    Attributes:
        out: the file to write; None for `reports/report.html` in the workspace.
    """

    workdir: Path = DEFAULT_ROOT
    out: Path | None = None


class NetworkPoint(files.FrozenModel):
    """A network in a plot.

    Attributes:
        letter: its short name in the report.
        latency_s: measured, or predicted where `verdict` is None.
        accuracy: top-1, None where not known.
    """

    letter: str
    name: str
    verdict: Verdict | None
    budget_s: float | None
    predicted_s: float | None
    measured_s: float | None
    accuracy: float | None

    @property
    def latency_s(self) -> float | None:
        """Measured, else predicted."""
        return self.predicted_s if self.measured_s is None else self.measured_s


class HeatMap(files.FrozenModel):
    """Cost of each option of each decision, coarse.

    Attributes:
        labels: the first and the last column's option.
        costs_s: one row a decision, one column a group of options of rising operations.
    """

    labels: tuple[str, str]
    costs_s: tuple[tuple[float, ...], ...]


class MissingPart(files.FrozenModel):
    """What is not there yet, and the command that makes it."""

    what: str
    command: str


class ReportResult(files.FrozenModel):
    """What was written, and the main figures.

    Attributes:
        path: the page.
        size_bytes: of the page.
        networks: every network of the workspace.
        calibration: (predicted, measured) of each calibration network, left out of the fit.
        fit: the same of each network of `sgnas fit`.
        heat: the table's map, None without a table.
        missing: what the page could not show.
    """

    path: Path
    sha256: str
    size_bytes: int
    networks: tuple[NetworkPoint, ...]
    calibration: tuple[tuple[float, float], ...]
    fit: tuple[tuple[float, float], ...] = ()
    heat: HeatMap | None
    missing: tuple[MissingPart, ...]


HEAT_COLUMNS = 24


def report(request: ReportRequest, reporter: Reporter) -> ReportResult:
    """Write the page of a workspace; the same workspace gives the same bytes.

    Raises:
        BadInput: no workspace, or nothing in it.
        EnvironmentProblem: the page cannot be written.
    """
    workspace = Workspace(request.workdir)
    contents = gather(workspace)
    for trouble in contents.troubles:
        reporter.event(Warned(f"left out: {trouble}"))
    path = request.out or workspace.reports / "report.html"
    files.write_text(path, report_page(contents))
    predicted = {network.name: predicted_s for network, predicted_s, _ in judged(contents)}
    return ReportResult(
        path=path,
        sha256=files.sha256_of(path),
        size_bytes=path.stat().st_size,
        networks=tuple(
            NetworkPoint(
                letter=one.letter,
                name=one.name,
                verdict=one.verdict,
                budget_s=one.budget_s,
                predicted_s=predicted.get(one.name, one.predicted_s),
                measured_s=one.measured_s,
                accuracy=None if one.accuracy is None else one.accuracy[0],
            )
            for one in contents.networks
        ),
        calibration=contents.calibration,
        fit=tuple(fitted(contents)),
        heat=None if contents.predictor is None else _coarse(heat_map.of(contents.predictor)),
        missing=tuple(MissingPart(what=one.what, command=one.command) for one in contents.missing),
    )


def _coarse(found: heat_map.Map) -> HeatMap:
    """Neighbouring options averaged, so that the map fits a terminal."""
    rows, columns = found.costs_s.shape
    edges = np.linspace(0, columns, min(columns, HEAT_COLUMNS) + 1).astype(int)
    costs = []
    for row in range(rows):
        cells = []
        for low, high in pairwise(edges.tolist()):
            part = found.costs_s[row, low:high]
            part = part[np.isfinite(part)]
            cells.append(float(part.mean()) if len(part) else 0.0)
        costs.append(tuple(cells))
    return HeatMap(labels=(found.labels[0], found.labels[-1]), costs_s=tuple(costs))
