"""`NAME.tensorboard/`: event files, written without the tensorboard package.

An event file is a sequence of records, each a length, its checksum, a message and its checksum (the
TFRecord form: little endian, CRC-32C with TensorFlow's mask). The messages are protocol buffers;
the few kinds that scalars need are put together here by hand, from their published definitions
(`event.proto` and `summary.proto` of TensorFlow). A reader, `pip install 'sgnas-deploy[logs]'`, is
needed only to look at them: `tensorboard --logdir sgnas-work`.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final, final

from sgnas_deploy.errors import EnvironmentProblem

_VERSION: Final = b"brain.Event:2"
_POLYNOMIAL: Final = 0x82F63B78
_MASK: Final = 0xA282EAD8


def open_log(stem: Path, step: int) -> TensorboardLog:
    """Begin a folder of event files, or add one that takes back what was told of later steps."""
    return TensorboardLog(stem.with_name(f"{stem.name}.tensorboard"), step)


@final
class TensorboardLog:
    """One event file of a folder.

    Args:
        folder: made where it is missing; its event files are removed at step 0.
        step: what older files tell of later steps is void from here on. The record that says so is
            one that readers know: a session that starts at the next step.
    """

    def __init__(self, folder: Path, step: int) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            older = sorted(folder.glob("events.out.tfevents.*"))
            if not step:
                for path in older:
                    path.unlink()
                older = []
            # Readers go through the files in the order of their names.
            self._path = folder / f"events.out.tfevents.{time.time_ns():020d}.{len(older)}"
            self._out = self._path.open("xb")
        except OSError as error:
            raise _cannot_write(folder, error) from error
        self._write(_bytes(3, _VERSION))
        if step:
            started = _varint(1 << 3) + _varint(1)
            self._write(_varint(2 << 3) + _varint(step + 1) + _bytes(7, started))

    def row(self, step: int, values: Mapping[str, float]) -> None:
        """Add scalars."""
        told = b"".join(
            _bytes(1, _bytes(1, name.encode()) + _float(2, value)) for name, value in values.items()
        )
        self._write(_varint(2 << 3) + _varint(step) + _bytes(5, told))

    def close(self) -> None:
        """Close the file."""
        self._out.close()

    def _write(self, message: bytes) -> None:
        record = _double(1, time.time()) + message
        length = struct.pack("<Q", len(record))
        try:
            self._out.write(length + _checksum(length) + record + _checksum(record))
            self._out.flush()
        except OSError as error:
            raise _cannot_write(self._path, error) from error


def _cannot_write(path: Path, error: OSError) -> EnvironmentProblem:
    return EnvironmentProblem(
        f"cannot write {path}: {error.strerror or error}",
        "free some space, or go on without --log",
    )


def _varint(value: int) -> bytes:
    """A number in groups of seven bits, the lowest first; an eighth bit says that more come."""
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)


def _bytes(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _float(field: int, value: float) -> bytes:
    return _varint(field << 3 | 5) + struct.pack("<f", value)


def _double(field: int, value: float) -> bytes:
    return _varint(field << 3 | 1) + struct.pack("<d", value)


def _table() -> tuple[int, ...]:
    found = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = value >> 1 ^ (_POLYNOMIAL if value & 1 else 0)
        found.append(value)
    return tuple(found)


_TABLE: Final = _table()


def crc32c(data: bytes) -> int:
    """The Castagnoli checksum."""
    value = 0xFFFFFFFF
    for byte in data:
        value = _TABLE[(value ^ byte) & 0xFF] ^ value >> 8
    return value ^ 0xFFFFFFFF


def _checksum(data: bytes) -> bytes:
    found = crc32c(data)
    masked = ((found >> 15 | found << 17) + _MASK) & 0xFFFFFFFF
    return struct.pack("<I", masked)
