"""What `sgnas profile` does without measuring: `--max-blocks`, `--transfer-from`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

from sgnas_deploy import spaces
from sgnas_deploy.errors import BadInput
from sgnas_deploy.events import Note, Reporter
from sgnas_deploy.spaces import Space
from sgnas_deploy.tables.codec import read, sha256
from sgnas_deploy.tables.partial import Known, Partial
from sgnas_deploy.tables.transfer import FEWEST, split
from sgnas_deploy.workspace import Workspace

SAMPLES: Final = 20
TARGET_ERROR: Final = 0.02


class Request(Protocol):
    """The part of a `ProfileRequest` that is about this."""

    @property
    def form(self) -> str:
        """A graph form, or `auto`."""

    @property
    def max_blocks(self) -> int | None:
        """So many blocks are measured at most."""

    @property
    def transfer_from(self) -> tuple[str, ...]:
        """Tables to predict from."""

    @property
    def samples(self) -> int | None:
        """So many blocks and networks are measured at most."""

    @property
    def target_error(self) -> float | None:
        """Mean error of networks to stop at."""


def known_tables(request: Request, workspace: Workspace, space: Space) -> tuple[Known, ...]:
    """The tables to predict from.

    Raises:
        BadInput: one of them is missing, not valid, or says nothing about this space; flags that
            exclude each other; an impossible number.
    """
    if not request.transfer_from:
        for flag, value in (("samples", request.samples), ("target-error", request.target_error)):
            if value is not None:
                raise BadInput(
                    f"--{flag} says how to predict from other tables, and none was named",
                    "name them with --transfer-from, or leave it out",
                )
        return ()
    if request.max_blocks is not None:
        raise BadInput(
            "--max-blocks and --transfer-from exclude each other",
            "say with --samples how much is measured",
        )
    if request.samples is not None and not FEWEST <= request.samples <= 10_000:
        raise BadInput(f"--samples must be between {FEWEST} and 10000, not {request.samples}")
    if request.target_error is not None and not 0 < request.target_error < 1:
        raise BadInput(f"--target-error must be between 0 and 1, not {request.target_error:g}")
    found: list[Known] = []
    for name in request.transfer_from:
        path = workspace.find_table(name)
        table = read(path)
        if table.space != space.id:
            raise BadInput(
                f"the table {path} is of the space {table.space}, not of {space.id}",
                f"measure one there with: sgnas profile --device DEVICE --space {space.id}",
            )
        if table.estimation is not None and table.estimation.method == "transfer":
            raise BadInput(
                f"the table {path} was itself predicted from other tables",
                "name tables that were measured",
            )
        found.append(Known.of(table, sha256(path)))
    if len({known.source.sha256 for known in found}) < len(found):
        raise BadInput("a table to predict from was named twice", "name each of them once")
    return tuple(found)


def graph_form(request: Request, known: Sequence[Known], reporter: Reporter) -> str | None:
    """The graph form, None to try them: of a few samples none is spent on that."""
    if request.form != "auto":
        return request.form
    if not known:
        return None
    reporter.event(Note(f"graph form {known[0].form}, as in {known[0].source.table}"))
    return known[0].form


def alike(known: Sequence[Known], form: str | None, reporter: Reporter) -> Sequence[Known]:
    """The tables in that graph form where there are any; another form is a poor guess."""
    same = [one for one in known if one.form == form]
    if same and len(same) < len(known):
        reporter.event(Note(f"left out: {len(known) - len(same)} tables in another graph form"))
    return same or known


def partial(request: Request, space: Space, known: Sequence[Known]) -> Partial | None:
    """Which blocks are measured, None for all.

    Raises:
        BadInput: too few blocks to predict the others from.
    """
    if known:
        return Partial(space, split(request.samples or SAMPLES)[0], known)
    if request.max_blocks is None:
        return None
    least = Partial.least(space)
    if request.max_blocks < least:
        raise BadInput(
            f"--max-blocks must be {least} or more for the space {space.id}, not "
            f"{request.max_blocks}: with fewer nothing can be said of the others",
            f"take about {4 * least} for a useful table",
        )
    if request.max_blocks >= len(spaces.all_blocks(space)):
        return None
    return Partial(space, request.max_blocks)
