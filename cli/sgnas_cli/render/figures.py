"""Numbers as a person reads them. SI units come in, texts go out."""

from __future__ import annotations

import math

MISSING = "-"
_DIGITS = 4


def ms(seconds: float) -> str:
    """Seconds as milliseconds with four digits, without the unit: `12.34`, `0.5012`.

    Four, so that a latency just beside its budget does not look equal to it; three from 0.01 to
    0.1 ms, where the fourth would count in tens of nanoseconds.
    """
    value = seconds * 1000
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    decimals = _DIGITS - 1 - math.floor(math.log10(abs(value)))
    return f"{value:.{min(max(decimals, 0), _DIGITS if abs(value) >= 0.01 else 12)}f}"


def percent(share: float | None, decimals: int = 1) -> str:
    """A share as a percentage without the sign: `12.3`; `-` for None."""
    return MISSING if share is None else f"{share * 100:.{decimals}f}"


def count(number: float) -> str:
    """A large number with three digits: `913`, `48.2 k`, `1.20 M`."""
    value = float(number)
    for unit in ("", " k", " M", " G", " T"):
        if abs(value) < 999.5 or unit == " T":
            break
        value /= 1000
    if not unit:
        return f"{value:.0f}"
    decimals = 2 if abs(value) < 9.995 else 1 if abs(value) < 99.95 else 0
    return f"{value:.{decimals}f}{unit}"


def size(number_of_bytes: float) -> str:
    """Bytes, decimal units: `48.2 kB`."""
    text = count(number_of_bytes)
    value, _, unit = text.partition(" ")
    return f"{value} {unit}B"


def duration(seconds: float) -> str:
    """A time span: `0.4 s`, `12 s`, `3 min 05 s`, `2 h 07 min`."""
    if seconds < 9.95:
        return f"{max(seconds, 0):.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min"


def clock(seconds: float) -> str:
    """A time span in little room: `0:09`, `12:05`, `1:02:05`."""
    minutes, rest = divmod(round(max(seconds, 0)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def digest(sha256: str) -> str:
    """The first twelve digits: enough to compare by eye."""
    return sha256[:12]
