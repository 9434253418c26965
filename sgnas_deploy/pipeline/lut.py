"""`sgnas lut show|check|diff|merge`: look at latency tables, test them, join them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sgnas_deploy import files
from sgnas_deploy.errors import NotBuiltYet
from sgnas_deploy.events import Reporter
from sgnas_deploy.workspace import DEFAULT_ROOT


class TableSummary(files.FrozenModel):
    """A table in a few lines.

    Attributes:
        settings: what must not differ within a table (backend, versions, precision, ...).
        environment: the machine it was measured on.
        range_s: predicted latency of the fastest and the slowest network.
    """

    path: Path
    sha256: str
    space: str
    device: str
    form: str
    created: str
    command: str
    blocks: int
    networks: int
    settings: dict[str, str]
    environment: dict[str, str]
    error: float
    margin: float
    range_s: tuple[float, float]


class ShowResult(files.FrozenModel):
    """The workspace's tables and the shipped ones, or the one that was named."""

    tables: tuple[TableSummary, ...]


class Agreement(files.FrozenModel):
    """How well predictions agree with fresh measurements; errors are relative."""

    mape: float
    maximum: float
    bias: float
    spearman: float


class CheckResult(files.FrozenModel):
    """A table against freshly measured networks that it was not fitted on.

    Attributes:
        networks: how many.
        table: the table's prediction.
        macs: the same calibration networks, with multiply-accumulates instead of the table.
        constant: their mean.
        repeat: the same networks measured twice: the floor.
        points: (predicted_s, measured_s) of each network.
        passed: the table's mean error is within its margin.
    """

    path: Path
    networks: int
    percentile: float
    table: Agreement
    macs: Agreement
    constant: Agreement
    repeat: Agreement
    points: tuple[tuple[float, float], ...]
    passed: bool


class DiffResult(files.FrozenModel):
    """Two tables side by side.

    Attributes:
        settings: what differs: name, first value, second value.
        common: blocks in both.
        ratios: quantiles 5, 25, 50, 75, 95 of second / first over the common blocks.
    """

    first: Path
    second: Path
    settings: tuple[tuple[str, str, str], ...]
    common: int
    only_first: int
    only_second: int
    ratios: tuple[float, float, float, float, float] | None


class MergeResult(files.FrozenModel):
    """Tables joined: samples of the same block are pooled."""

    table: Path
    sha256: str
    blocks: int
    networks: int


@dataclass(frozen=True)
class CheckRequest:
    """Flags of `sgnas lut check`."""

    workdir: Path = DEFAULT_ROOT
    lut: str | None = None
    networks: int = 20
    percentile: float = 50.0
    seed: int = 1


def show(workdir: Path, lut: str | None) -> ShowResult:
    """Summaries of one table, or of all in the workspace and all that are shipped."""
    raise NotBuiltYet("sgnas lut show is not built yet")


def check(request: CheckRequest, reporter: Reporter) -> CheckResult:
    """Measure fresh networks with the table's settings and compare."""
    raise NotBuiltYet("sgnas lut check is not built yet")


def diff(workdir: Path, first: str, second: str) -> DiffResult:
    """Compare two tables."""
    raise NotBuiltYet("sgnas lut diff is not built yet")


def merge(workdir: Path, tables: tuple[str, ...], out: Path) -> MergeResult:
    """Join tables of one space and one environment.

    Raises:
        BadInput: they differ in what must not differ; the message names it.
    """
    raise NotBuiltYet("sgnas lut merge is not built yet")
