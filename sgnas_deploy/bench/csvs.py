"""The user's tables: whole-network latencies, looked up one by one, and accuracies."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, final

from sgnas_deploy.errors import BadInput
from sgnas_deploy.spaces.cell import from_string

Options = tuple[int, ...]

ARCH: Final = "arch"
LATENCY: Final = "latency_ms"


@final
class Latencies:
    """Latencies of one device, of which only so many may be looked up.

    Which networks it has is known for nothing; each latency that is looked up is counted, and none
    beyond the allowance is given. `unlock` ends that: the report needs all.

    Args:
        values_s: latency of each network as its string spells it, in seconds.
        allowance: how many may be looked up.
    """

    def __init__(self, values_s: Mapping[Options, float], allowance: int) -> None:
        self._values_s = dict(values_s)
        self._allowance = allowance
        self._seen: dict[Options, float] = {}
        self._open = False

    @property
    def networks(self) -> tuple[Options, ...]:
        """What the table has, in its order."""
        return tuple(self._values_s)

    @property
    def looked_up(self) -> int:
        """How many have been looked up."""
        return len(self._seen)

    def look_up(self, options: Options) -> float:
        """Seconds of a network.

        Raises:
            AssertionError: the allowance is spent: a bug of whoever asks.
        """
        if options not in self._seen:
            if len(self._seen) >= self._allowance:
                raise AssertionError(f"more than {self._allowance} latencies were looked up")
            self._seen[options] = self._values_s[options]
        return self._seen[options]

    def unlock(self) -> Mapping[Options, float]:
        """All latencies, for the report; nothing may be chosen after it."""
        self._open = True
        return self._values_s


def read_latencies(path: Path, allowance: int) -> Latencies:
    """Read `arch,latency_ms`.

    Raises:
        BadInput: missing, other columns, a row that is no cell or no latency, or a cell twice.
    """
    found: dict[Options, float] = {}
    _, rows = _read(path, (LATENCY,), "latencies")
    for line, options, values in rows:
        value = values[0]
        if value is None:
            continue
        if value <= 0:
            raise BadInput(f"{path}, line {line}: a latency of {value:g} ms is not possible")
        if options in found:
            raise BadInput(f"{path}, line {line}: the cell stands there twice")
        found[options] = value / 1e3
    if not found:
        raise BadInput(f"{path} has no latencies")
    return Latencies(found, allowance)


def read_accuracies(path: Path) -> dict[str, dict[Options, float]]:
    """Read `arch` and one column per metric.

    Returns:
        For each metric the value of each network; empty cells are left out.

    Raises:
        BadInput: missing, no metric, or a row that cannot be read.
    """
    metrics, rows = _read(path, (), "accuracies")
    found: dict[str, dict[Options, float]] = {metric: {} for metric in metrics}
    for _, options, values in rows:
        for metric, value in zip(metrics, values, strict=True):
            if value is not None:
                found[metric][options] = value
    return found


def _read(
    path: Path, wanted: Sequence[str], what: str
) -> tuple[tuple[str, ...], Iterator[tuple[int, Options, list[float | None]]]]:
    """Columns besides `arch` (the wanted ones, or all), and the rows with their line numbers."""
    first = f"{ARCH},{LATENCY}" if wanted else f"{ARCH},cifar10_test"
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(
            f"cannot read the {what} {path}: {error}",
            f"name a CSV file in UTF-8 whose first line is such as: {first}",
        ) from error
    reader = csv.DictReader(text.splitlines())
    names = tuple(reader.fieldnames or ())
    columns = tuple(wanted) or tuple(name for name in names if name != ARCH)
    missing = [name for name in (ARCH, *columns) if name not in names]
    if missing or not columns:
        lack = f"no column {missing[0]!r}" if missing else "no column besides 'arch'"
        raise BadInput(f"{path} has {lack}", f"its first line should be such as: {first}")
    return columns, _rows(path, reader, columns)


def _rows(
    path: Path, reader: csv.DictReader[str], columns: Sequence[str]
) -> Iterator[tuple[int, Options, list[float | None]]]:
    for row in reader:
        line = reader.line_num
        try:
            options = from_string(row[ARCH] or "")
        except BadInput as error:
            raise BadInput(f"{path}, line {line}: {error.message}", error.cure) from None
        values: list[float | None] = []
        for column in columns:
            cell = (row[column] or "").strip()
            try:
                value = float(cell) if cell else None
            except ValueError:
                raise BadInput(f"{path}, line {line}: {cell!r} is no number") from None
            if value is not None and not math.isfinite(value):
                raise BadInput(f"{path}, line {line}: {cell!r} is no finite number")
            values.append(value)
        yield line, options, values
