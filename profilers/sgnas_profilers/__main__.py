"""The agent as a program: requests on stdin, responses on stdout, and nothing else there.

It ends when its client does, in the middle of a model too: nobody would take the answer, and what
it would go on with would disturb the next agent's timings.
"""

from __future__ import annotations

import faulthandler
import os
import select
import signal
import sys
import threading
import time
from types import FrameType

from sgnas_profilers.agent import serve
from sgnas_profilers.timing import MonotonicClock

_GRACE_S = 0.2
_PATIENCE_S = 5.0
"""So long may a backend take to clean up when the client is gone."""


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
    signal.signal(signal.SIGTERM, _leave)
    watch = threading.Thread(target=_end_with_the_client, args=(requests.fileno(),), daemon=True)
    watch.start()
    serve(requests, responses, MonotonicClock())


def _leave(number: int, frame: FrameType | None) -> None:
    """Unwind, so that temporary files and programs of a backend end too."""
    sys.exit(128 + number)


def _end_with_the_client(requests: int) -> None:
    """Wait, without ever waking up, until nobody can write requests any more; then end.

    Requests that were read meanwhile do not matter: their answers would reach nobody.
    """
    poll = select.poll()
    poll.register(requests, 0)  # a hang-up is reported unasked
    poll.poll()
    # An idle agent has seen the end of its input by itself.
    time.sleep(_GRACE_S)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_PATIENCE_S)
    # The runtime does not let go. Whatever it started is in our process group or ends by itself.
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main()
