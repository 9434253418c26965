"""`sgnas doctor`: what of the toolchain works here, what is missing, how to get it."""

from __future__ import annotations

from typing import Literal

from sgnas_deploy import files
from sgnas_deploy.errors import NotBuiltYet


class Finding(files.FrozenModel):
    """One part of the toolchain.

    Attributes:
        name: what it is.
        state: `ok`, `missing` (an optional part), or `problem` (something needed).
        detail: version, or what was seen.
        cure: how to get it, empty when it works.
    """

    name: str
    state: Literal["ok", "missing", "problem"]
    detail: str
    cure: str = ""


class DoctorResult(files.FrozenModel):
    """All findings; `healthy` unless one is a problem."""

    healthy: bool
    findings: tuple[Finding, ...]


def doctor() -> DoctorResult:
    """Look, and change nothing."""
    raise NotBuiltYet("sgnas doctor is not built yet")
