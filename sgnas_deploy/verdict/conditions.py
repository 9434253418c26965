"""What of a machine's state makes its timings doubtful, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

OTHERS: Final = 0.10
STOLEN: Final = 0.02
STEADY_GOVERNORS: Final = frozenset({"performance"})
_COUNTERS: Final = {
    "throttled_": "throttled",
    "over_current_": "slowed down for drawing too much current",
}
"""Counters of a machine's state, by what their names start with."""

State = Mapping[str, float | str]


def _mean(states: Sequence[State], name: str) -> float:
    values = [value for state in states if isinstance(value := state.get(name), (int, float))]
    return sum(values) / len(values) if values else 0.0


def environment_of(machine: Mapping[str, str], backend: Mapping[str, str]) -> dict[str, str]:
    """A machine and a runtime as one flat list."""
    return {
        **{f"machine.{name}": text for name, text in machine.items()},
        **{f"backend.{name}": text for name, text in backend.items()},
    }


def load(states: Sequence[State]) -> str:
    """Who else used the machine, empty where nobody did to speak of."""
    found = []
    if (others := _mean(states, "cpu_share_others")) > OTHERS:
        found.append(f"other programs used {100 * others:.0f} % of the CPUs")
    if (stolen := _mean(states, "cpu_share_stolen")) > STOLEN:
        found.append(f"the hypervisor took {100 * stolen:.0f} % of the CPUs")
    return ", ".join(found)


def slowed(states: Sequence[State]) -> tuple[str, ...]:
    """How the machine held its own clocks or the process back meanwhile, a few words each.

    Counters (`throttled_*` of the CPU and its quota, `over_current_*` of a Jetson) count since the
    machine's start: what they rose by is told. `gpu_throttled` is "yes" or "no" at that moment.
    """
    found = []
    for prefix, what in _COUNTERS.items():
        for name in sorted({name for state in states for name in state if name.startswith(prefix)}):
            values = [state.get(name) for state in states]
            counts = [value for value in values if isinstance(value, (int, float))]
            if len(counts) > 1 and counts[-1] > counts[0]:
                rise = counts[-1] - counts[0]
                found.append(f"{what} {rise:g} times meanwhile ({name.removeprefix(prefix)})")
    told = [state["gpu_throttled"] for state in states if "gpu_throttled" in state]
    if "yes" in told:
        found.append(f"the GPU was throttled in {told.count('yes')} of {len(told)} launches")
    return tuple(found)


def doubts(states: Sequence[State]) -> tuple[str, ...]:
    """Reasons to doubt timings that were taken meanwhile, one sentence each.

    Args:
        states: `machine.state` after each measurement, in the order of time.
    """
    found = [text] if (text := load(states)) else []
    governors = {str(state["governor"]) for state in states if "governor" in state}
    if odd := sorted(governors - STEADY_GOVERNORS):
        found.append(f"the CPU governor is {', '.join(odd)}, not performance: clocks may change")
    found += slowed(states)
    if any(state.get("denormals_flushed") == "no" for state in states):
        found.append("denormal numbers were not flushed to zero: times may be far too long")
    return tuple(found)
