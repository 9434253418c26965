"""`sgnas lut show|check|diff|merge|export|migrate`: look at tables, test them, join them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sgnas_deploy import files, targets
from sgnas_deploy.errors import BadInput
from sgnas_deploy.tables.codec import migrate as migrate_table
from sgnas_deploy.tables.codec import read, sha256, version_of, write
from sgnas_deploy.tables.exporting import FORMS, PARTS, FileForm, What
from sgnas_deploy.tables.format import SCHEMA_VERSION, LatencyTable
from sgnas_deploy.tables.measuring import differing
from sgnas_deploy.tables.merging import pooled
from sgnas_deploy.tables.noise import drift, noise
from sgnas_deploy.tables.predictor import block_times_s, predictor
from sgnas_deploy.workspace import Workspace
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
        estimated: how many further blocks have predicted costs.
        estimate_method: `features` or `transfer`.
        estimate_error: root mean square relative error of such predictions.
        sources: names of the tables that they were predicted from.
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
    estimated: int = 0
    estimate_method: str | None = None
    estimate_error: float | None = None
    sources: tuple[str, ...] = ()


class ShowResult(files.FrozenModel):
    """The workspace's tables and the shipped ones, or the one that was named."""

    tables: tuple[TableSummary, ...]
    warnings: tuple[str, ...] = ()


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


class MigrateResult(files.FrozenModel):
    """A table in the present format.

    Attributes:
        table: where it was written.
        sha256: of that file.
        before: the format's version of the file that was read.
        now: that of the file that was written.
    """

    table: Path
    sha256: str
    before: int
    now: int


class ExportedTable(files.FrozenModel):
    """A part of a table in a file for other programs.

    Attributes:
        out: the file.
        rows: how many records stand in it.
    """

    out: Path
    rows: int


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
        estimated=len(table.estimates),
        estimate_method=table.estimation.method if table.estimation else None,
        estimate_error=table.estimation.error if table.estimation else None,
        sources=tuple(s.table for s in table.estimation.sources) if table.estimation else (),
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


def transport_of(table: LatencyTable, host: str | None = None) -> Transport:
    """The way to the device that a table was measured on.

    Args:
        table: the table.
        host: `USER@HOST` of the device; None for where it is known to be.

    Raises:
        BadInput: it is not registered here, or nothing says where it is.
        EnvironmentProblem: there is no SSH client here.
    """
    return targets.transport(targets.resolve(table.device, table.backend, host))


def diff(workdir: Path, first: str, second: str) -> DiffResult:
    """Compare two tables.

    Raises:
        BadInput: one of them is missing or not valid.
    """
    workspace = Workspace(workdir)
    paths = workspace.find_table(first), workspace.find_table(second)
    a, b = read(paths[0]), read(paths[1])
    # Estimates of blocks that were not measured would be compared with each other.
    times = tuple(
        {key: cost_s for key, cost_s in block_times_s(table).items() if key in table.blocks}
        for table in (a, b)
    )
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
    joined = _measured_whole(paths[0])
    for path in paths[1:]:
        other = _measured_whole(path)
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


def _measured_whole(path: Path) -> LatencyTable:
    table = read(path)
    if table.estimates:
        raise BadInput(
            f"{path} has blocks that were not measured, and estimates cannot be pooled",
            "merge tables that were measured as a whole",
        )
    return table


def migrate(workdir: Path, lut: str, out: Path | None = None) -> MigrateResult:
    """Write a table of any version in the present one.

    Args:
        workdir: the workspace.
        lut: the table.
        out: where to; None for the table's own file. Architectures refer to a table by its hash,
            so those of the old file need it to stay where it is.

    Raises:
        BadInput: missing, damaged, or of a version that nothing leads on from.
    """
    path = Workspace(workdir).find_table(lut)
    before, table = version_of(path), migrate_table(path)
    target = out or path
    digest = write(target, table) if (before, target) != (SCHEMA_VERSION, path) else sha256(path)
    return MigrateResult(table=target, sha256=digest, before=before, now=SCHEMA_VERSION)


def export(workdir: Path, lut: str | None, out: Path, what: What, form: FileForm) -> ExportedTable:
    """Write a part of a table for a spreadsheet or another program.

    Args:
        workdir: the workspace.
        lut: the table.
        out: the file to write.
        what: `layers`: each option of each decision; `blocks`; `networks`: those that calibrate.
        form: `csv` with a header, or `json`, a list of objects with the same names.

    Raises:
        BadInput: no such table, or an unknown part or form.
    """
    if what not in PARTS:
        raise BadInput(f"unknown part {what!r} of a table", f"choose one of {', '.join(PARTS)}")
    if form not in FORMS:
        raise BadInput(f"unknown file format {form!r}", f"choose one of {', '.join(FORMS)}")
    table = read(Workspace(workdir).find_table(lut))
    rows = PARTS[what](table)
    files.write_text(out, FORMS[form](rows))
    return ExportedTable(out=out, rows=len(rows))


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
