"""The agent as a program: requests on stdin, responses on stdout, and nothing else there."""

from __future__ import annotations

import faulthandler
import os
import signal
import sys

from sgnas_profilers.agent import serve
from sgnas_profilers.timing import MonotonicClock


def main() -> None:
    """Serve until stdin ends."""
    # A crash within a runtime then leaves its stack on stderr, which the client shows.
    faulthandler.enable()
    # Ctrl-C is the client's affair: it closes our stdin.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Runtimes print, from C too. Whatever writes to file 1 from here on writes to stderr, and
    # whatever reads file 0 reads nothing.
    requests = os.fdopen(os.dup(0), "rb")
    responses = os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    serve(requests, responses, MonotonicClock())


if __name__ == "__main__":
    main()
