"""What `sgnas doctor` shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.console import Group, RenderableType
from rich.text import Text

from sgnas_cli.render import parts

if TYPE_CHECKING:
    from sgnas_deploy.pipeline.doctor import DoctorResult

_STYLES: Final = {"ok": "green", "missing": "yellow", "note": "yellow", "problem": "bold red"}


def diagnosed(result: DoctorResult) -> RenderableType:
    """Findings, cures, and whether all that is needed works."""
    rows = [
        (one.name, Text(one.state, style=_STYLES[one.state]), one.detail) for one in result.findings
    ]
    cures = _cures(result, "missing", "problem")
    notes = _cures(result, "note")
    return Group(
        parts.table(("part", "state", "found"), rows, left=3),
        *([Text("To get what is missing:"), *cures, Text()] if cures else []),
        *([Text("For steadier timings:"), *notes, Text()] if notes else []),
        Text("all that is needed works", style="bold green")
        if result.healthy
        else Text("something needed does not work", style="bold red"),
    )


def _cures(result: DoctorResult, *states: str) -> list[Text]:
    return [
        parts.verbatim(f"{one.name}: {one.cure}")
        for one in result.findings
        if one.cure and one.state in states
    ]
