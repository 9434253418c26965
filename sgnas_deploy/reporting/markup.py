"""HTML and SVG from nested calls. A text is escaped unless it is `Markup`, which only we make."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from typing import Final, TypeAlias, final

_UNPRINTABLE: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_VOID: Final = frozenset({"br", "hr", "img", "meta", "link"})


@final
class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


Child: TypeAlias = "str | float | Iterable[Child] | None"


def text(value: object) -> Markup:
    """Any value as escaped text; what no document may contain is replaced."""
    return Markup(html.escape(_UNPRINTABLE.sub("\ufffd", str(value)), quote=True))


def tag(name: str, /, *children: Child, **attributes: str | float | None) -> Markup:
    """An element.

    Args:
        name: of the element.
        children: markup, texts, numbers, None for nothing, or iterables of these.
        attributes: `class_` is `class`, `stroke_width` is `stroke-width`; None leaves one out.
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{text(_plain(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in _VOID:
        return Markup(f"<{name}{written}>")
    return Markup(f"<{name}{written}>{joined(children)}</{name}>")


def joined(children: Child) -> Markup:
    """Children one after the other."""
    if children is None:
        return Markup()
    if isinstance(children, Markup):
        return children
    if isinstance(children, str | float | int):
        return text(_plain(children))
    return Markup("".join(joined(child) for child in children))


def number(value: float) -> str:
    """A coordinate: one digit behind the point at most."""
    return f"{value:.1f}".removesuffix(".0").replace("-0", "0", 1) if value else "0"


def _plain(value: object) -> str:
    return number(value) if isinstance(value, float) else str(value)
