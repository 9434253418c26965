"""Tables on disk: JSON with an integer version and a checksum of its content.

The checksum is there because a table that was edited, cut or damaged may still be valid JSON of
the right shape: without it a wrong number would be believed. It is no signature.
"""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias

from sgnas_deploy import files
from sgnas_deploy.errors import BadInput
from sgnas_deploy.tables.format import KIND, SCHEMA_VERSION, LatencyTable

Raw: TypeAlias = dict[str, Any]

WHAT: Final = "latency table"
CHECKSUM: Final = "content_sha256"
DIGITS: Final = 10
"""Decimal places of seconds in a file: a tenth of a nanosecond."""


def _to_2(raw: Raw) -> Raw:
    """Every block of a version 1 table was measured."""
    return {**raw, "estimates": {}, "estimation": None}


MIGRATIONS: Final[dict[int, Callable[[Raw], Raw]]] = {1: _to_2}
"""`MIGRATIONS[n]` makes a version n file's content (without checksum) that of version n + 1."""


def rounded(seconds: float) -> float:
    """Seconds as they are stored; what was positive stays so."""
    return max(round(seconds, DIGITS), 10.0**-DIGITS)


def encode(table: LatencyTable) -> bytes:
    """The bytes of a table's file: compact JSON, one block and one network a line."""
    raw: Raw = table.model_dump(mode="json")
    raw[CHECKSUM] = _checksum(raw)
    lines = []
    for key, value in raw.items():
        if isinstance(value, dict) and value and key in ("blocks", "estimates"):
            inner = ",\n".join(f" {_compact(k)}:{_compact(v)}" for k, v in value.items())
            lines.append(f"{_compact(key)}:{{\n{inner}\n}}")
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            inner = ",\n".join(f" {_compact(v)}" for v in value)
            lines.append(f"{_compact(key)}:[\n{inner}\n]")
        else:
            lines.append(f"{_compact(key)}:{_compact(value)}")
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode()


def write(path: Path, table: LatencyTable) -> str:
    """Write a table, whole or not at all.

    Returns:
        SHA-256 of the file.
    """
    data = encode(table)
    files.write_bytes(path, data)
    return hashlib.sha256(data).hexdigest()


def read(path: Path) -> LatencyTable:
    """Read and validate a table.

    Raises:
        BadInput: missing, damaged, edited, of another version, or not consistent in itself.
    """
    raw = _load(path)
    version = raw["schema_version"]
    if version < SCHEMA_VERSION:
        raise BadInput(
            f"{path} is a latency table of the old version {version}, this is {SCHEMA_VERSION}",
            f"bring it up to date with: sgnas lut migrate {shlex.quote(str(path))}",
        )
    return _validate(path, raw)


def migrate(path: Path) -> LatencyTable:
    """Read a table of any version that there is a way from.

    Raises:
        BadInput: as `read`, or there is no way from the file's version.
    """
    raw = _load(path)
    while (version := raw["schema_version"]) < SCHEMA_VERSION:
        if version not in MIGRATIONS:
            raise BadInput(
                f"{path} is of version {version}, which nothing leads on from",
                "measure it anew with: sgnas profile",
            )
        raw = {**MIGRATIONS[version](raw), "schema_version": version + 1}
    return _validate(path, raw)


def version_of(path: Path) -> int:
    """Version of a table's file, which may be an old one.

    Raises:
        BadInput: missing, damaged, no table, or newer than this.
    """
    version: int = _load(path)["schema_version"]
    return version


def sha256(path: Path) -> str:
    """SHA-256 of a table's file, in hexadecimal."""
    return files.sha256_of(path, WHAT)


def json_schema() -> Raw:
    """JSON Schema of a table's file."""
    schema: Raw = LatencyTable.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "sgnas latency table"
    schema["properties"][CHECKSUM] = {
        "description": "SHA-256 of the rest as compact JSON with sorted keys, in UTF-8",
        "pattern": "^[0-9a-f]{64}$",
        "type": "string",
    }
    required = {"kind", "schema_version", CHECKSUM}
    schema["required"] = sorted({*schema["required"], *required})
    return schema


def write_json_schema(folder: Path) -> Path:
    """Write the schema into a folder (`lut_data/schema`), under its version's name."""
    path = folder / f"latency-table.v{SCHEMA_VERSION}.json"
    files.write_text(path, json.dumps(json_schema(), indent=1) + "\n")
    return path


def _compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


def _checksum(raw: Mapping[str, object]) -> str:
    rest = {key: value for key, value in raw.items() if key != CHECKSUM}
    text = json.dumps(rest, separators=(",", ":"), sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _no_duplicates(pairs: list[tuple[str, Any]]) -> Raw:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice in one object")
    return found


def _no_constant(text: str) -> float:
    raise ValueError(f"{text} is no number")


def _load(path: Path) -> Raw:
    """A file's content without its checksum, which was compared; version present and known."""
    data = files.read_bytes(path, WHAT)
    try:
        raw = json.loads(data, object_pairs_hook=_no_duplicates, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise BadInput(
            f"{path} is not a valid {WHAT}: {error}", "make it anew with: sgnas profile"
        ) from error
    if not isinstance(raw, dict) or raw.get("kind") != KIND:
        raise BadInput(f"{path} is no {WHAT}", "list the tables there are with: sgnas lut show")
    version = raw.get("schema_version")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise BadInput(f"{path} is not a valid {WHAT}: schema_version is {version!r}")
    if version > SCHEMA_VERSION:
        raise BadInput(
            f"{path} is a latency table of version {version}, newer than this sgnas-deploy reads "
            f"({SCHEMA_VERSION})",
            "upgrade with: pip install --upgrade sgnas-deploy",
        )
    try:
        whole = raw.get(CHECKSUM) == _checksum(raw)
    except (ValueError, RecursionError):  # 1e999 reads as infinity, which JSON cannot hold
        whole = False
    if not whole:
        raise BadInput(
            f"{path} was changed or damaged after it was written (its checksum differs)",
            "take the original, or make it anew with: sgnas profile",
        )
    return {key: value for key, value in raw.items() if key != CHECKSUM}


def _validate(path: Path, raw: Raw) -> LatencyTable:
    cure = "make it anew with: sgnas profile"
    return files.parse_model(path, _compact(raw), LatencyTable, WHAT, cure)
