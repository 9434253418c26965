"""How busy the machine is, and who makes it so."""

from __future__ import annotations

import os
from typing import NamedTuple, final

from sgnas_profilers._system import System

_MIN_WINDOW_TICKS = 20
"""A share of CPU time is stated over at least 0.2 s (at the usual 100 ticks a second)."""


class CpuTicks(NamedTuple):
    """CPU time of the whole machine since its start, in ticks, summed over its CPUs.

    Attributes:
        total: all of it.
        busy: what somebody on this machine used.
        stolen: what the hypervisor took away.
    """

    total: float
    busy: float
    stolen: float


@final
class OtherLoad:
    """How much of the machine the others used, between one question and the next."""

    def __init__(self, system: System | None = None) -> None:
        self._system = system or System()
        self._since = self._read()
        self._last: dict[str, float] = {}

    def shares(self) -> dict[str, float]:
        """CPU time used by others, and stolen by the hypervisor, as shares of all CPUs' time.

        Over the time since the last answer, at least 0.2 s: until then the last answer stands,
        and there is none at first. Other containers of the machine are counted with the others.
        """
        then, now = self._since, self._read()
        if then is None or now is None:
            return {}
        total = now[0].total - then[0].total
        if total >= _MIN_WINDOW_TICKS:
            others = now[0].busy - then[0].busy - (now[1] - then[1])
            self._last = {
                "cpu_share_others": min(1.0, max(0.0, others / total)),
                "cpu_share_stolen": max(0.0, (now[0].stolen - then[0].stolen) / total),
            }
            self._since = now
        return dict(self._last)

    def _read(self) -> tuple[CpuTicks, float] | None:
        """Ticks of the machine, and of this process."""
        machine = parse_cpu_ticks(self._system.text("proc/stat") or "")
        if machine is None:
            return None
        mine = os.times()
        return machine, (mine.user + mine.system) * os.sysconf("SC_CLK_TCK")


def parse_load(text: str) -> dict[str, float]:
    """Mean number of runnable processes over the last minute and the last five."""
    try:
        one, five = text.split()[:2]
        return {"load_1min": float(one), "load_5min": float(five)}
    except ValueError:
        return {}


def parse_cpu_ticks(text: str) -> CpuTicks | None:
    """First line of `/proc/stat`."""
    words = text.split("\n", 1)[0].split()
    if len(words) < 5 or words[0] != "cpu":
        return None
    try:
        ticks = [float(word) for word in words[1:9]]
    except ValueError:
        return None
    # user nice system idle iowait irq softirq steal; guest time is part of user's.
    ticks += [0.0] * (8 - len(ticks))
    total = sum(ticks)
    return CpuTicks(total, total - ticks[3] - ticks[4] - ticks[7], ticks[7])
