"""`sgnas lut show|check|diff|merge`: look at latency tables, test them, join them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sgnas_deploy import devices, files, spaces
from sgnas_deploy.errors import BadInput, NotBuiltYet
from sgnas_deploy.events import Reporter
from sgnas_deploy.tables.checking import LAUNCHES, compare, fresh_networks, require_same_device
from sgnas_deploy.tables.codec import migrate as migrate_table
from sgnas_deploy.tables.codec import read, sha256, write
from sgnas_deploy.tables.format import LatencyTable
from sgnas_deploy.tables.measuring import Bench, differing, measure_networks, network_model
from sgnas_deploy.tables.merging import pooled
from sgnas_deploy.tables.noise import drift, noise
from sgnas_deploy.tables.predictor import block_times_s, predictor
from sgnas_deploy.tables.statistics import Errors
from sgnas_deploy.workspace import DEFAULT_ROOT, Workspace
from sgnas_profilers.transports import Transport


class TableSummary(files.FrozenModel):
    """A table in a few lines.

    Attributes:
        settings: what must not differ within a table (backend, versions, precision, ...).
        environment: the machine it was measured on.
        range_s: predicted latency of the fastest and the slowest network.
        noise: median coefficient of variation of a launch's single runs.
        drift: largest relative change of a re-timed network.
        warnings: what was found wrong with the measurement.
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
    noise: float = 0.0
    drift: float = 0.0
    warnings: tuple[str, ...] = ()


class ShowResult(files.FrozenModel):
    """The workspace's tables and the shipped ones, or the one that was named."""

    tables: tuple[TableSummary, ...]
    warnings: tuple[str, ...] = ()


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


def summary(path: Path) -> TableSummary:
    """One table in a few lines.

    Raises:
        BadInput: it cannot be read.
    """
    table = read(path)
    found = predictor(table)
    return TableSummary(
        path=path,
        sha256=sha256(path),
        space=table.space,
        device=table.device,
        form=table.form,
        created=table.created,
        command=table.command,
        blocks=len(table.blocks),
        networks=len(table.networks),
        settings=table.settings,
        environment=table.environment,
        error=found.error,
        margin=found.margin,
        range_s=found.range_s,
        noise=noise(table),
        drift=drift(table),
        warnings=table.warnings,
    )


def show(workdir: Path, lut: str | None) -> ShowResult:
    """Summaries of one table, or of all in the workspace and all that are shipped.

    A table of the workspace that cannot be read is left out with a warning; a table that was
    named must be readable.

    Raises:
        BadInput: the named table is missing or not valid.
    """
    workspace = Workspace(workdir)
    if lut is not None:
        return ShowResult(tables=(summary(workspace.find_table(lut)),))
    tables: list[TableSummary] = []
    warnings: list[str] = []
    for path in workspace.tables():
        found = _summary_or_reason(path)
        if isinstance(found, str):
            warnings.append(found)
        else:
            tables.append(found)
    return ShowResult(tables=tuple(tables), warnings=tuple(warnings))


def _summary_or_reason(path: Path) -> TableSummary | str:
    try:
        return summary(path)
    except BadInput as error:
        return str(error)


def check(
    request: CheckRequest, reporter: Reporter, transport: Transport | None = None
) -> CheckResult:
    """Measure fresh networks with the table's settings and compare.

    Raises:
        BadInput: no such table, or an impossible number.
        NotBuiltYet: the table's device cannot be reached yet.
        EnvironmentProblem: the table is of another machine or setting.
    """
    if not 2 <= request.networks <= 1000:
        raise BadInput(f"--networks must be between 2 and 1000, not {request.networks}")
    path = Workspace(request.workdir).find_table(request.lut)
    table = read(path)
    predictor(table, request.percentile)
    if transport is None:
        transport = transport_of(table)
    space = spaces.load(table.space)
    networks = fresh_networks(table, request.networks, request.seed)

    def model(options: tuple[int, ...]) -> bytes:
        return network_model(space, options, table.form, table.batch)

    with Bench(transport, table.backend, table.threads) as bench:
        require_same_device(table, bench)
        plan = table.network_plan.timing
        samples_s = measure_networks(bench, model, networks, LAUNCHES, plan, request.seed, reporter)
    found = compare(table, samples_s, request.percentile)
    return CheckResult(
        path=path,
        networks=len(networks),
        percentile=request.percentile,
        table=_agreement(found.table_errors),
        macs=_agreement(found.macs_errors),
        constant=_agreement(found.constant_errors),
        repeat=_agreement(found.repeat_errors),
        points=tuple(
            (float(p), float(m)) for p, m in zip(found.table, found.measured, strict=True)
        ),
        passed=found.table_errors.mape <= found.predictor.margin,
    )


def transport_of(table: LatencyTable) -> Transport:
    """The way to the device that a table was measured on.

    Raises:
        BadInput: it is not registered here.
        NotBuiltYet: it cannot be reached yet.
    """
    device = devices.find(table.device)
    if device.transport != "local" or table.backend not in devices.BUILT_BACKENDS:
        raise NotBuiltYet(
            f"measuring on device {table.device!r} with {table.backend} is not built yet",
            "what works today is --device cpu",
        )
    from sgnas_profilers.transports.local import LocalTransport

    return LocalTransport()


def diff(workdir: Path, first: str, second: str) -> DiffResult:
    """Compare two tables.

    Raises:
        BadInput: one of them is missing or not valid.
    """
    workspace = Workspace(workdir)
    paths = workspace.find_table(first), workspace.find_table(second)
    a, b = read(paths[0]), read(paths[1])
    times = block_times_s(a), block_times_s(b)
    common = [key for key in times[0] if key in times[1]]
    ratios: tuple[float, float, float, float, float] | None = None
    if common:
        values = [times[1][key] / times[0][key] for key in common]
        q5, q25, q50, q75, q95 = (float(q) for q in np.percentile(values, [5, 25, 50, 75, 95]))
        ratios = (q5, q25, q50, q75, q95)
    return DiffResult(
        first=paths[0],
        second=paths[1],
        settings=differing(_conditions(a), _conditions(b)),
        common=len(common),
        only_first=len(times[0]) - len(common),
        only_second=len(times[1]) - len(common),
        ratios=ratios,
    )


def merge(workdir: Path, tables: tuple[str, ...], out: Path) -> MergeResult:
    """Join tables of one space and one environment: their samples are pooled.

    Raises:
        BadInput: they differ in what must not differ; the message names it.
    """
    if len(tables) < 2:
        raise BadInput("a merge needs two tables or more")
    workspace = Workspace(workdir)
    paths = [workspace.find_table(name) for name in tables]
    if len({sha256(path) for path in paths}) < len(paths):
        raise BadInput(
            "a table stands twice, and its samples would count twice", "name each table once"
        )
    joined = read(paths[0])
    for path in paths[1:]:
        other = read(path)
        found = differing(_conditions(joined), _conditions(other))
        if found:
            names = ", ".join(f"{name} ({a} / {b})" for name, a, b in found)
            raise BadInput(
                f"{paths[0]} and {path} cannot be merged, they differ in {names}",
                "merge only tables that were measured on one machine with one setting",
            )
        joined = pooled(joined, other)
    digest = write(out, joined)
    return MergeResult(
        table=out, sha256=digest, blocks=len(joined.blocks), networks=len(joined.networks)
    )


def migrate(workdir: Path, lut: str) -> Path:
    """Rewrite a table of an older version in the present one.

    Raises:
        BadInput: missing, damaged, or of a version that nothing leads on from.
    """
    path = Workspace(workdir).find_table(lut)
    write(path, migrate_table(path))
    return path


def _agreement(errors: Errors) -> Agreement:
    return Agreement(
        mape=errors.mape, maximum=errors.maximum, bias=errors.bias, spearman=errors.spearman
    )


def _conditions(table: LatencyTable) -> dict[str, str]:
    """All that must be the same for samples to be pooled."""
    facts = {
        "space": table.space,
        "device": table.device,
        "backend": table.backend,
        "precision": table.precision,
        "batch": str(table.batch),
        "threads": str(table.threads),
        "form": table.form,
        "statistic": table.statistic,
        "block_plan": repr(table.block_plan.timing),
        "network_plan": repr(table.network_plan.timing),
    }
    facts.update({f"settings.{name}": value for name, value in table.settings.items()})
    facts.update({f"environment.{name}": value for name, value in table.environment.items()})
    return facts
