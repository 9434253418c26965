"""What `nvidia-smi` says of a GPU: its name, and its clocks, temperature and throttling now.

For cards with a driver of their own; a Jetson's GPU is read by `sgnas_profilers.jetson`. Tested on
recorded text; not yet run on hardware.
"""

from __future__ import annotations

from typing import Sequence

from sgnas_profilers._system import System

_IDENTITY = (
    ("gpu", "name"),
    ("compute_capability", "compute_cap"),
    ("driver", "driver_version"),
)
_STATE = (
    ("gpu_mhz", "clocks.sm"),
    ("gpu_max_mhz", "clocks.max.sm"),
    ("gpu_memory_mhz", "clocks.mem"),
    ("gpu_c", "temperature.gpu"),
    ("gpu_watt", "power.draw"),
)
_THROTTLING = "clocks_throttle_reasons.active"
"""A mask of bits; newer drivers call it `clocks_event_reasons` and still know this name."""
_NOT_THROTTLED = 0x1 | 0x2
"""GPU idle; clocks set by the user: no reason to distrust a timing."""


def identity(system: System) -> dict[str, str]:
    """Name, compute capability and driver of the first GPU; what is not known is absent."""
    told = _query(system, [field for _, field in _IDENTITY])
    return {name: text for (name, _), text in zip(_IDENTITY, told) if text is not None}


def state(system: System) -> dict[str, float | str]:
    """Clocks (MHz), temperature, power (W) and whether it throttles; the unknown is absent."""
    if not system.glob("dev/nvidia[0-9]*"):
        return {}
    told = _query(system, [*(field for _, field in _STATE), _THROTTLING])
    now: dict[str, float | str] = {}
    for (name, _), text in zip(_STATE, told):
        if text is not None:
            try:
                now[name] = float(text)
            except ValueError:
                continue
    if told and told[-1] is not None:
        try:
            reasons = int(told[-1], 16)
        except ValueError:
            return now
        now["gpu_throttled"] = "yes" if reasons & ~_NOT_THROTTLED else "no"
    return now


def _query(system: System, fields: Sequence[str]) -> list[str | None]:
    """The first GPU's answers; empty without any."""
    output = system.output(
        ["nvidia-smi", f"--query-gpu={','.join(fields)}", "--format=csv,noheader,nounits"]
    )
    lines = (output or "").strip().splitlines()
    if not lines:
        return []
    told = [text.strip() for text in lines[0].split(",")]
    if len(told) != len(fields):
        return []
    return [None if not text or text.startswith(("[", "N/A")) else text for text in told]
