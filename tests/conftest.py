"""Settings for every test: hypothesis without deadlines, and the same examples on every run."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

# A loaded machine is no failure; a failure must come again when the test is run again.
settings.register_profile(
    "house",
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("house")

# Two test processes with two torch threads each would wait for one another most of the time.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A shell that starts this in the background has it ignore Ctrl-C, and every process that a test
# starts would inherit that: the tests of stopping would wait for ever.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _denormals_as_usual() -> Iterator[None]:
    """Training flushes denormals in its thread for good; no other test may inherit that."""
    yield
    if "torch" in sys.modules:
        sys.modules["torch"].set_flush_denormal(False)
