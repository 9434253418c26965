"""`NAME.log.csv`: one line per reading, for spreadsheets and plotting libraries.

Columns in SI units; a cell is empty where a training has no such reading. `unix_s` is when the line
was written.
"""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final, final

from sgnas_deploy import files
from sgnas_deploy.errors import EnvironmentProblem

COLUMNS: Final = (
    *("step", "epoch", "unix_s", "images_per_s", "loss", "learning_rate", "accuracy"),
    *("temperature", "budget_error", "expected_s", "target_s"),
)
"""What every file begins with; other readings come behind."""


def open_log(stem: Path, step: int) -> CsvLog:
    """Begin a file, or go on with one whose later lines are taken out."""
    return CsvLog(stem.with_name(f"{stem.name}.log.csv"), step)


@final
class CsvLog:
    """A file that grows by a line at a time.

    Args:
        path: the file.
        step: lines of later steps are taken out; at 0 all of them.
    """

    def __init__(self, path: Path, step: int) -> None:
        self._path = path
        self._columns, rows = _read(path, step) if step else (list(COLUMNS), [])
        self._write(rows)

    def row(self, step: int, values: Mapping[str, float]) -> None:
        """Add a line."""
        new = [name for name in values if name not in self._columns]
        if new:
            columns, rows = _read(self._path, step)
            self._columns = [*columns, *new]
            self._write([[*row, *[""] * len(new)] for row in rows])
        known = {"step": step, "unix_s": time.time(), **values}
        line = _text([[_cell(known.get(name)) for name in self._columns]])
        try:
            with self._path.open("a", encoding="utf-8", newline="") as out:
                out.write(line)
        except OSError as error:
            raise EnvironmentProblem(
                f"cannot write {self._path}: {error.strerror or error}",
                "free some space, or go on without --log",
            ) from error

    def close(self) -> None:
        """Nothing is held."""

    def _write(self, rows: list[list[str]]) -> None:
        files.write_text(self._path, _text([self._columns, *rows]))


def _read(path: Path, step: int) -> tuple[list[str], list[list[str]]]:
    """Columns and whole lines up to a step; those of a new file where it cannot be used."""
    try:
        columns, *rows = csv.reader(io.StringIO(path.read_text(encoding="utf-8"), newline=""))
    except (OSError, ValueError, csv.Error):
        return list(COLUMNS), []
    if tuple(columns[: len(COLUMNS)]) != COLUMNS:
        return list(COLUMNS), []
    # A line that was being written when the training was killed lacks its end.
    whole = [row for row in rows if len(row) == len(columns) and row[0].isdecimal()]
    return columns, [row for row in whole if int(row[0]) <= step]


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.10g}"


def _text(rows: list[list[str]]) -> str:
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue()
