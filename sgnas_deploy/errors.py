"""Errors a user is meant to see: the family of `sgnas_profilers.errors`, re-exported."""

from sgnas_profilers.errors import (
    BadInput,
    ClearNo,
    EnvironmentProblem,
    SgnasError,
    TooNoisy,
)

__all__ = [
    "BadInput",
    "ClearNo",
    "EnvironmentProblem",
    "SgnasError",
    "TooNoisy",
]
