"""Strict reading of one JSON object, field by field."""

from __future__ import annotations

import json
import math
from typing import Any, Mapping, TypeVar

from sgnas_profilers.backends import Option
from sgnas_profilers.errors import EnvironmentProblem

T = TypeVar("T")


class ProtocolError(EnvironmentProblem):
    """The other side said something that is not in the protocol (exit code 4)."""


class Fields:
    """The fields of one JSON object, each taken once and checked; `done` refuses leftovers."""

    def __init__(self, line: bytes | None, fields: dict[str, Any] | None = None) -> None:
        self._fields = _parse(line) if fields is None else dict(fields)
        self.kind = self.text("type") if fields is None else ""

    def check_version(self, version: int) -> None:
        """Refuse another protocol before anything else: its other fields may differ."""
        spoken = self._fields.get("protocol")
        if isinstance(spoken, bool) or spoken != version:
            raise ProtocolError(
                f"the other side speaks protocol {spoken!r}, this one {version}",
                "install the same version of sgnas-deploy on both sides",
            )

    def done(self, value: T) -> T:
        """Return `value`, once no field is left over."""
        if self._fields:
            raise ProtocolError(f"unknown field {min(self._fields)!r}")
        return value

    def integer(self, name: str) -> int:
        value = self._take(name)
        if not isinstance(value, int) or isinstance(value, bool):
            raise _ill_typed(name, "an integer")
        return value

    def number(self, name: str) -> float:
        return _number(name, self._take(name))

    def positive_numbers(self, name: str) -> tuple[float, ...]:
        """Numbers that are not negative."""
        value = self._take(name)
        if not isinstance(value, list):
            raise _ill_typed(name, "a list")
        numbers = tuple(_number(name, item) for item in value)
        if any(number < 0 for number in numbers):
            raise _ill_typed(name, "a list of times")
        return numbers

    def text(self, name: str) -> str:
        return _text(name, self._take(name))

    def text_or_none(self, name: str) -> str | None:
        value = self._take(name)
        return None if value is None else _text(name, value)

    def texts(self, name: str) -> Mapping[str, str]:
        return {_text(name, key): _text(name, item) for key, item in self._object(name).items()}

    def numbers_or_texts(self, name: str) -> Mapping[str, float | str]:
        return {
            _text(name, key): item if isinstance(item, str) else _number(name, item)
            for key, item in self._object(name).items()
        }

    def options(self, name: str) -> Mapping[str, Option]:
        """An object of scalars and lists of scalars."""
        return {_text(name, key): _option(name, item) for key, item in self._object(name).items()}

    def part(self, name: str) -> Fields:
        """Fields of an object within this one."""
        return Fields(None, self._object(name))

    def _object(self, name: str) -> dict[str, Any]:
        value = self._take(name)
        if not isinstance(value, dict):
            raise _ill_typed(name, "an object")
        return value

    def _take(self, name: str) -> Any:
        if name not in self._fields:
            raise ProtocolError(f"the field {name!r} is missing")
        return self._fields.pop(name)


def _parse(line: bytes | None) -> dict[str, Any]:
    """Parse a line that must hold one JSON object without repeated keys."""
    try:
        value = json.loads(
            (line or b"").decode("utf-8"),
            object_pairs_hook=_unique,
            parse_constant=_refuse_constant,
        )
    except (ValueError, RecursionError) as error:
        raise ProtocolError("a line is not JSON") from error
    if not isinstance(value, dict):
        raise ProtocolError("a line is not a JSON object")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a key is repeated")
    return fields


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def _option(name: str, value: object) -> Option:
    if isinstance(value, list):
        return [_scalar(name, item) for item in value]
    return None if value is None else _scalar(name, value)


def _scalar(name: str, value: object) -> bool | int | float | str:
    if isinstance(value, (bool, int)):
        return value
    return _text(name, value) if isinstance(value, str) else _number(name, value)


def _number(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _ill_typed(name, "a number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise _ill_typed(name, "a finite number")
    return number


def _text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise _ill_typed(name, "a text")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        # Half of a surrogate pair: valid JSON, but it could be written nowhere.
        raise _ill_typed(name, "a text") from error
    return value


def _ill_typed(name: str, kind: str) -> ProtocolError:
    return ProtocolError(f"the field {name!r} is not {kind}")
