"""The journal: every finished measurement is handed to the system before the next one begins.

From then on it survives whatever ends the process, kill -9 included. Against a power cut the disk
is told to write at least twice a second; after every line would cost more than the measurement
where a disk is slow (10 ms a time were seen), and disturb it.

One JSON object a line. The first says under which conditions the rest was measured; a run that
would measure under other conditions does not go on with it. A torn last line (power cut, full
disk, kill -9) is cut off.
"""

from __future__ import annotations

import fcntl
import json
import math
import os
import time
from pathlib import Path
from types import TracebackType
from typing import Annotated, Final, Literal, TypeAlias, final

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from sgnas_deploy import files
from sgnas_deploy.errors import EnvironmentProblem
from sgnas_deploy.tables.format import Count, Samples

VERSION: Final = "1"
SYNC_S: Final = 0.5
"""Longest time between a line and the order to write it to the disk."""


class _Record(files.FrozenModel):
    model_config = ConfigDict(strict=True)

    samples_s: Samples
    inner_loops: Count
    warmup_runs: int = Field(ge=0)
    state: dict[str, float | str] = Field(default_factory=dict)


@final
class BlockRecord(_Record):
    """A block in one pass."""

    type: Literal["block"] = "block"
    key: str
    number: int


@final
class NetworkRecord(_Record):
    """A calibration network in one launch."""

    type: Literal["network"] = "network"
    options: tuple[int, ...]
    number: int


@final
class FormRecord(_Record):
    """A network in one graph form, in one round of the trial."""

    type: Literal["form"] = "form"
    form: str
    options: tuple[int, ...]
    number: int


Record: TypeAlias = BlockRecord | NetworkRecord | FormRecord
_RECORD: Final[TypeAdapter[Record]] = TypeAdapter(Annotated[Record, Field(discriminator="type")])
_HEADER: Final = TypeAdapter(dict[str, str])


@final
class Journal:
    """An open journal, locked against a second process; a context manager.

    Attributes:
        path: its file.
        records: what it holds, in the order of measurement.
        differing: what the conditions of an older journal differ in, as (name, then, now); that
            one was dropped.
    """

    def __init__(self, path: Path, conditions: dict[str, str], fresh: bool = False) -> None:
        """Open the journal, or begin one.

        Args:
            path: its file.
            conditions: what must be the same for measurements to go into one table.
            fresh: begin anew in any case.

        Raises:
            EnvironmentProblem: it cannot be written, or another process has it open.
        """
        self.path = path
        self.records: list[Record] = []
        self.differing: list[tuple[str, str, str]] = []
        conditions = {"journal": VERSION, **conditions}
        self._file = _open_locked(path)
        self._synced_s = -math.inf
        try:
            kept = 0 if fresh else self._read(conditions)
            os.ftruncate(self._file, kept)
            if not kept:
                self._append(conditions)
        except OSError as error:
            os.close(self._file)
            raise _cannot_write(path, error) from error
        except BaseException:
            os.close(self._file)
            raise

    def append(self, record: Record) -> None:
        """Add a record; when this returns it survives the end of the process.

        Raises:
            EnvironmentProblem: the disk is full or not writable.
        """
        self._append(record.model_dump(mode="json"))
        self.records.append(record)

    def remove(self) -> None:
        """Delete the file: its content stands in a table now."""
        self.path.unlink(missing_ok=True)

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            os.fsync(self._file)
        finally:
            os.close(self._file)

    def _append(self, content: object) -> None:
        line = json.dumps(content, separators=(",", ":"), allow_nan=False) + "\n"
        left = memoryview(line.encode())
        try:
            while left:
                left = left[os.write(self._file, left) :]
            if time.monotonic() - self._synced_s > SYNC_S:
                os.fsync(self._file)
                self._synced_s = time.monotonic()
        except OSError as error:
            raise _cannot_write(self.path, error) from error

    def _read(self, conditions: dict[str, str]) -> int:
        """Take over what is there; returns the length of the part that is good."""
        header, *lines = self.path.read_bytes().splitlines(keepends=True) or [b""]
        try:
            then = _HEADER.validate_json(header if header.endswith(b"\n") else b"")
        except ValidationError:
            return 0
        for name in sorted({*then, *conditions}):
            before, now = then.get(name, "(nothing)"), conditions.get(name, "(nothing)")
            if before != now:
                self.differing.append((name, before, now))
        if self.differing:
            return 0
        good = len(header)
        for line in lines:
            if not line.endswith(b"\n"):
                break
            try:
                self.records.append(_RECORD.validate_json(line))
            except ValidationError:
                break
            good += len(line)
        return good


def _open_locked(path: Path) -> int:
    """A descriptor for reading and appending that no other process has.

    Raises:
        EnvironmentProblem: it cannot be written, or another process has it.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        while True:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # Whoever had it may have deleted the file since it was opened here.
                if path.exists() and os.path.samestat(os.fstat(descriptor), path.stat()):
                    return descriptor
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)
    except BlockingIOError as error:
        raise EnvironmentProblem(
            f"another process is measuring this table ({path} is locked)",
            "wait for it to end, or stop it",
        ) from error
    except OSError as error:
        raise _cannot_write(path, error) from error


def _cannot_write(path: Path, error: OSError) -> EnvironmentProblem:
    return EnvironmentProblem(
        f"cannot write {path}: {error.strerror or error}",
        "free some space or choose a folder you may write to; "
        "the same command goes on with what was measured",
    )
