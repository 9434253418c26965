"""`sgnas lut show|check|diff|merge|export|migrate`."""

from __future__ import annotations

from typing import Annotated

import typer

from sgnas_cli import options
from sgnas_cli.options import examples
from sgnas_deploy.errors import BadInput
from sgnas_profilers.errors import NO, UNDECIDED

_Table = Annotated[
    str | None,
    typer.Argument(
        metavar="TABLE",
        show_default=False,
        help="A file, or a name in the workspace; none: all (show), or the only one (check).",
    ),
]
_Lut = Annotated[str | None, typer.Option("--lut", metavar="TABLE", help="The same as TABLE.")]


def _one(table: str | None, lut: str | None) -> str | None:
    if table is not None and lut is not None:
        raise BadInput("two tables were named", "name one, with --lut or without")
    return table if lut is None else lut


def show(
    table: _Table = None,
    lut: _Lut = None,
    workdir: options.Workdir = options.WORKDIR,
    as_json: options.AsJson = False,
) -> None:
    """Show one table, or all there are.

    All: those of the workspace, and those that are shipped with sgnas.
    """
    from sgnas_cli import output, render
    from sgnas_deploy.pipeline import lut as pipeline

    output.show(pipeline.show(workdir, _one(table, lut)), render.tables_shown, as_json)


def check(
    table: _Table = None,
    lut: _Lut = None,
    networks: options.Networks = 60,
    optimised: options.Optimised = 12,
    host: options.Host = None,
    percentile: options.Percentile = 50.0,
    seed: options.Seed = 1,
    workdir: options.Workdir = options.WORKDIR,
    as_json: options.AsJson = False,
) -> None:
    """Compare what a table predicts with fresh measurements.

    The report has the error of the table beside that of measuring twice, of
    multiply-accumulates and of a constant, for a low percentile and the one asked for.
    Exit code 1 when the mean error is beyond the table's margin, 3 when measuring
    twice differs by more than the margin.
    """
    from sgnas_cli import output, progress, render
    from sgnas_deploy.pipeline import lut_check as pipeline

    request = pipeline.CheckRequest(
        workdir=workdir,
        lut=_one(table, lut),
        host=host,
        networks=networks,
        optimised=optimised,
        percentile=percentile,
        seed=seed,
    )
    with progress.listening() as reporter:
        result = pipeline.check(request, reporter)
    output.show(result, render.table_checked, as_json)
    if result.too_noisy:
        raise typer.Exit(UNDECIDED)
    if not result.passed:
        raise typer.Exit(NO)


def diff(
    first: Annotated[str, typer.Argument(metavar="FIRST", help="A table: a file or a name.")],
    second: Annotated[str, typer.Argument(metavar="SECOND", help="Another.")],
    workdir: options.Workdir = options.WORKDIR,
    as_json: options.AsJson = False,
) -> None:
    """Compare two tables.

    Shows what differs in their settings, and the times of the blocks that both have.
    """
    from sgnas_cli import output, render
    from sgnas_deploy.pipeline import lut as pipeline

    output.show(pipeline.diff(workdir, first, second), render.tables_compared, as_json)


def merge(
    tables: Annotated[list[str], typer.Argument(metavar="TABLE", help="Tables: files or names.")],
    out: options.MergedOut,
    workdir: options.Workdir = options.WORKDIR,
    as_json: options.AsJson = False,
) -> None:
    """Join tables of one space, machine and setting.

    The samples of a block that stands in several of them are pooled.
    """
    from sgnas_cli import output, render
    from sgnas_deploy.pipeline import lut as pipeline

    output.show(pipeline.merge(workdir, tuple(tables), out), render.tables_merged, as_json)


def export(
    out: options.ExportedOut,
    table: _Table = None,
    lut: _Lut = None,
    what: options.TablePart = "layers",
    form: options.FileForm = "csv",
    workdir: options.Workdir = options.WORKDIR,
    as_json: options.AsJson = False,
) -> None:
    """Write a table's costs for a spreadsheet or another program.

    Times are in seconds. Shipped tables can be exported too.
    """
    from sgnas_cli import output, render
    from sgnas_deploy.pipeline import lut as pipeline

    result = pipeline.export(workdir, _one(table, lut), out, what, form)
    output.show(result, render.table_exported, as_json)


def migrate(
    table: Annotated[str, typer.Argument(metavar="TABLE", help="A file, or a name.")],
    out: options.MigratedOut = None,
    workdir: options.Workdir = options.WORKDIR,
    as_json: options.AsJson = False,
) -> None:
    """Bring a table of an older version up to date.

    Architectures refer to their table by its hash: keep the old file where such
    architectures are still to be exported or validated.
    """
    from sgnas_cli import output, render
    from sgnas_deploy.pipeline import lut as pipeline

    output.show(pipeline.migrate(workdir, table, out), render.table_migrated, as_json)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    lut = typer.Typer(
        no_args_is_help=True,
        rich_markup_mode=None,
        help="Look at latency tables, test them, join them.",
        epilog=examples("sgnas lut show", "sgnas lut check"),
    )
    lut.command(
        epilog=examples("sgnas lut show", "sgnas lut show tiny--cpu--onnxruntime-fp32-b1-t1 --json")
    )(show)
    lut.command(epilog=examples("sgnas lut check", "sgnas lut check --networks 20 --json"))(check)
    lut.command(epilog=examples("sgnas lut diff monday.json tuesday.json"))(diff)
    lut.command(epilog=examples("sgnas lut merge monday.json tuesday.json --out both.json"))(merge)
    lut.command(
        epilog=examples(
            "sgnas lut export --out costs.csv",
            "sgnas lut export TABLE --what networks --format json --out networks.json",
        )
    )(export)
    lut.command(epilog=examples("sgnas lut migrate old.json --out new.json"))(migrate)
    app.add_typer(lut, name="lut")
