"""Recipe files: the settings of a space's three trainings, as TOML.

Each space has its own, `sgnas_deploy/recipes/SPACE.toml`. A user's file says what shall differ from
it; the name of a space stands for that space's file. Nothing is guessed: a section or setting that
nobody knows is refused with those that are known.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, TypeVar, cast

from pydantic import BaseModel, TypeAdapter, ValidationError

from sgnas_deploy import files
from sgnas_deploy.errors import BadInput

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

R = TypeVar("R")

FOLDER: Final = Path(__file__).resolve().parent.parent / "recipes"

SECTIONS: Final = ("supernet", "generator", "retrain")

FALLBACK: Final = "imagenet"
"""Whose recipe a space has that has no file of its own."""

NOTHING: Final = "none"
"""TOML has no word for nothing; this one takes a setting away that may be absent."""


def names() -> list[str]:
    """Spaces that have a recipe."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def section(name: str, space_id: str, own: str | None, kind: type[R], **given: object) -> R:
    """One section, as the settings that it stands for.

    Args:
        name: one of `SECTIONS`.
        space_id: identifier of the space, whose recipe is taken where `own` says nothing.
        own: a user's file, or the name of a space; None for the space's own.
        kind: a dataclass or model; its fields are the settings.
        given: settings that take part only where the files have none.

    Raises:
        BadInput: no such file or name, not TOML, an unknown section or setting, or a value that
            the setting cannot have; the message names it.
    """
    usual = space_id.split("+", maxsplit=1)[0]
    path = FOLDER / f"{usual if usual in names() else FALLBACK}.toml"
    layers = [(path, read(path))]
    if own in names():
        path = FOLDER / f"{own}.toml"
        layers = [(path, read(path))]
    elif own is not None:
        path = Path(own)
        if not path.is_file():
            raise BadInput(
                f"there is no recipe {own!r}", f"name a TOML file, or one of {', '.join(names())}"
            )
        layers.append((path, read(path)))
    values: dict[str, object] = dict(given)
    for source, sections in layers:
        found = sections.get(name, {})
        _require_known(source, name, found, kind)
        values |= found
    return _validated(path, name, values, kind)


def read(path: Path) -> dict[str, Mapping[str, object]]:
    """The sections of a file, not yet checked.

    Raises:
        BadInput: missing, not TOML, or with something that is no known section.
    """
    data = files.read_bytes(path, "recipe")
    try:
        found: dict[str, Any] = tomllib.loads(data.decode())
    except ValueError as error:  # bytes that are no text, and text that is no TOML
        raise BadInput(f"{path} is no TOML file: {error}") from error
    for name, values in found.items():
        if name not in SECTIONS or not isinstance(values, dict):
            raise BadInput(
                f"{path} has something that is no section of a recipe: {name}",
                f"sections are {', '.join(f'[{section}]' for section in SECTIONS)}",
            )
    return found


def _require_known(path: Path, name: str, values: Mapping[str, object], kind: type) -> None:
    known = _fields(kind)
    for key in values:
        if key not in known:
            raise BadInput(
                f"[{name}] in {path} has an unknown setting {key!r}",
                f"known are {', '.join(sorted(known))}",
            )


def _fields(kind: type) -> set[str]:
    if issubclass(kind, BaseModel):
        return set(kind.model_fields)
    return {field.name for field in dataclasses.fields(cast(Any, kind))}


def _validated(path: Path, name: str, values: Mapping[str, object], kind: type[R]) -> R:
    plain = {key: None if value == NOTHING else value for key, value in values.items()}
    try:
        # By way of JSON, whose rules are strict about types and still take a list for a tuple.
        return TypeAdapter(kind).validate_json(json.dumps(plain, default=str), strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the section"
        raise BadInput(f"[{name}] in {path}: {where}: {first['msg'].lower()}") from error
