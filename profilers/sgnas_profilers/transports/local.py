"""This machine: the agent is a subprocess of its own, so that nothing of ours disturbs it."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import final

import sgnas_profilers
from sgnas_profilers.backends import RunOptions
from sgnas_profilers.transports.stream import IDLE_TIMEOUT_S, START_TIMEOUT_S, StreamAgent

_WHAT = "the measuring process"
_BOOTSTRAP = """
import sys
sys.path[:] = [sys.argv.pop(1)] + [folder for folder in sys.path if folder]
import sgnas_profilers
del sys.path[0]
import runpy
runpy.run_module("sgnas_profilers", run_name="__main__", alter_sys=True)
"""
"""`python -m sgnas_profilers`, but of the very package that runs here, however it was found
(editable, wheel, zip), and deaf to modules that happen to lie in the current folder."""


@final
@dataclass(frozen=True)
class LocalTransport:
    """Starts agents on this machine.

    Attributes:
        python: the interpreter; the one that runs here has the runtimes that were installed.
        start_timeout_s: how long the start may take, in seconds.
        idle_timeout_s: how long one model may take, in seconds.
    """

    python: str = sys.executable
    start_timeout_s: float = START_TIMEOUT_S
    idle_timeout_s: float = IDLE_TIMEOUT_S

    @property
    def name(self) -> str:
        """Return "local"."""
        return "local"

    def start(self, backend: str, options: RunOptions) -> StreamAgent:
        """Start a fresh agent."""
        package = Path(sgnas_profilers.__file__).resolve().parent
        command = [self.python, "-c", _BOOTSTRAP, str(package.parent)]
        return StreamAgent(
            command, _WHAT, backend, options, self.start_timeout_s, self.idle_timeout_s
        )
