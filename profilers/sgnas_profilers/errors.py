"""The one family of errors that a user is meant to see.

Whatever is not a `SgnasError` is a bug of ours and ends in a traceback.
"""

from __future__ import annotations

OK = 0
NO = 1
"""A clear no: FAIL, an infeasible budget, a limit that was missed."""
MISUSE = 2
"""Misuse or bad input."""
UNDECIDED = 3
"""Too noisy to say."""
ENVIRONMENT = 4
"""The host, the disk, a missing runtime."""
BUG = 70
INTERRUPTED = 130


class SgnasError(Exception):
    """A problem in one sentence, and its cure.

    Attributes:
        message: what is wrong, one sentence without a full stop.
        cure: what to do about it, one sentence or command; may be None.
        exit_code: what the process ends with.
    """

    exit_code = NO

    def __init__(self, message: str, cure: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.cure = cure

    def __str__(self) -> str:
        return f"{self.message}; {self.cure}" if self.cure else self.message


class ClearNo(SgnasError):
    """The question was fine and the answer is no (exit code 1)."""

    exit_code = NO


class BadInput(SgnasError):
    """A file, flag or value that cannot be used (exit code 2)."""

    exit_code = MISUSE


class TooNoisy(SgnasError):
    """The measurements do not allow a statement (exit code 3)."""

    exit_code = UNDECIDED


class EnvironmentProblem(SgnasError):
    """The machine, host, disk or runtime does not allow it (exit code 4)."""

    exit_code = ENVIRONMENT
