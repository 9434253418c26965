"""Executes nothing: what its runs take is the harness's own overhead."""

from __future__ import annotations

from itertools import repeat
from typing import final

from sgnas_profilers import __version__
from sgnas_profilers.backends import ARTEFACTS, Backend, RunOptions, Session
from sgnas_profilers.timing import Clock


@final
class NullSession:
    """Calls a function that does nothing, in the loop that the real sessions use."""

    def time_s(self, loops: int, clock: Clock) -> float:
        """Seconds that `loops` empty calls took together."""
        run = _nothing
        begin_ns = clock.now_ns()
        for _ in repeat(None, loops):
            run(None)
        return (clock.now_ns() - begin_ns) * 1e-9

    def close(self) -> None:
        """Hold nothing, free nothing."""


@final
class NullBackend:
    """Takes any bytes for a model."""

    artefacts = ARTEFACTS

    def describe(self, options: RunOptions) -> dict[str, str]:
        """Name itself; it has no options."""
        return {
            "runtime": "null",
            "version": __version__,
            "provider": "none",
            "threads": str(options.threads),
        }

    def open(self, model: bytes, options: RunOptions) -> Session:
        """Open nothing."""
        return NullSession()


def backend() -> Backend:
    """Return the backend of this file."""
    return NullBackend()


def _nothing(binding: None) -> None:
    """Stand for a run."""
