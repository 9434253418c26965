"""What the renderings are put together from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

VERDICTS: Final = {"PASS": "bold green", "FAIL": "bold red", "UNDECIDED": "bold yellow"}


def verbatim(text: str, style: str = "") -> Text:
    """A line that is never wrapped by us: a path or a command stays fit for copying."""
    return Text(text, style=style, no_wrap=True, overflow="ignore")


def verdict(name: str) -> Text:
    """PASS, FAIL or UNDECIDED in its colour; in words for those who see no colour."""
    return Text(name, style=VERDICTS[name])


def facts(pairs: Iterable[tuple[str, str | Text]]) -> RenderableType:
    """Lines of a name and a value."""
    found = [(name, value) for name, value in pairs if value]
    width = max((len(name) for name, _ in found), default=0)
    lines = []
    for name, value in found:
        line = Text(f"{name:<{width}}  ", style="dim", no_wrap=True, overflow="ignore")
        lines.append(line.append_text(value if isinstance(value, Text) else Text(value, "none")))
    return Group(*lines)


def table(
    columns: Sequence[str], rows: Iterable[Sequence[str | Text]], left: int = 1, gap: int = 2
) -> RenderableType:
    """A table with an empty line after it.

    Args:
        columns: their titles, of one line or two.
        rows: the cells.
        left: so many columns are texts; the others are numbers, at the right.
        gap: columns of the screen between two columns of the table, at least 1.
    """
    made = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, gap - 1, 0, 0))
    lines = max(column.count("\n") for column in columns)
    for index, column in enumerate(columns):
        made.add_column(
            # Titles of one line stand above the rule, not a line higher.
            "\n" * (lines - column.count("\n")) + column,
            justify="left" if index < left else "right",
            overflow="fold",
        )
    for row in rows:
        made.add_row(*row)
    return Group(made, Text())


def warnings(texts: Iterable[str]) -> list[RenderableType]:
    """One line each."""
    return [Text(f"warning: {text}", style="yellow") for text in texts]


def resumed(at: int, unit: str) -> str:
    """Where an interrupted run went on, empty for a fresh one."""
    return f" (went on at {unit} {at})" if at else ""
