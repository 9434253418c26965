"""Numbers as a reader of the page wants them; SI units come in."""

from __future__ import annotations

import math


def ms(seconds: float) -> str:
    """Milliseconds with three or four digits, without the unit."""
    value = seconds * 1e3
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    return f"{value:.{min(max(3 - math.floor(math.log10(abs(value))), 0), 4)}f}"


def percent(share: float, digits: int = 1) -> str:
    """A share with its sign: `97.3 %`."""
    return f"{100 * share:.{digits}f} %"


def count(value: float) -> str:
    """Three digits and a letter: `1.24 M`."""
    power = next((p for p in range(4) if abs(value) / 1000**p < 999.5), 4)
    scaled = value / 1000**power
    if not power:
        return f"{value:.0f}"
    digits = 2 if scaled < 9.995 else 1 if scaled < 99.95 else 0
    return f"{scaled:.{digits}f} {'kMGT'[power - 1]}"


def size(value: float) -> str:
    """Bytes, decimal units."""
    found = count(value)
    return f"{found}B" if " " in found else f"{found} B"


def short(value: float) -> str:
    """A tick of an axis."""
    return f"{value:.4g}"
