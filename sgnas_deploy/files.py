"""Files: written whole or not at all, hashed, and read with errors that name the field."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from sgnas_deploy.errors import BadInput, EnvironmentProblem


class FrozenModel(BaseModel):
    """Base of every file's model: frozen, no unknown fields, finite numbers only."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


M = TypeVar("M", bound=BaseModel)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it over `path` when the block succeeds.

    Nothing is left behind when the block fails, whatever the reason.

    Raises:
        EnvironmentProblem: the folder cannot be written, or the disk is full.
    """
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        # mkstemp makes files private; a result is as readable as any other new file.
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(path)
        temporary = None
    except OSError as error:
        raise EnvironmentProblem(
            f"cannot write {path}: {error.strerror or error}",
            "free some space or choose a folder you may write to",
        ) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def write_bytes(path: Path, data: bytes) -> None:
    """Write `data` to `path`, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` in UTF-8, whole or not at all."""
    write_bytes(path, text.encode("utf-8"))


def write_model(path: Path, model: BaseModel) -> None:
    """Write a model as indented JSON, whole or not at all."""
    write_text(path, model.model_dump_json(indent=1) + "\n")


def read_bytes(path: Path, what: str) -> bytes:
    """Read a file.

    Args:
        path: the file.
        what: what it is meant to be, for the message ("latency table").

    Raises:
        BadInput: there is no such file, or it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadInput(f"cannot read the {what} {path}: {error.strerror or error}") from error


def read_model(path: Path, kind: type[M], what: str) -> M:
    """Read and validate a JSON file.

    Raises:
        BadInput: missing, not JSON, or not a valid `kind`; the message names the first bad field.
    """
    cure = "make it anew with the command that wrote it"
    return parse_model(path, read_bytes(path, what), kind, what, cure)


def parse_model(path: Path, data: str | bytes, kind: type[M], what: str, cure: str) -> M:
    """Validate the JSON that was read from `path`.

    Raises:
        BadInput: not JSON, or not a valid `kind`; the message names the first bad field.
    """
    try:
        return kind.model_validate_json(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
        raise BadInput(
            f"{path} is not a valid {what}: {where}: {first['msg']}{more}", cure
        ) from error


def sha256_of(path: Path, what: str = "file") -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    return hashlib.sha256(read_bytes(path, what)).hexdigest()
