"""A clock that goes only when it is told to."""

from __future__ import annotations


class FakeClock:
    """Counts its readings; `tick_ns` passes with each of them."""

    def __init__(self, tick_ns: int = 0) -> None:
        self.time_ns = 0
        self.readings = 0
        self._tick_ns = tick_ns

    def now_ns(self) -> int:
        self.readings += 1
        self.time_ns += self._tick_ns
        return self.time_ns

    def advance_ns(self, duration_ns: int) -> None:
        assert duration_ns >= 0
        self.time_ns += duration_ns
