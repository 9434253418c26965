"""What machine this is (`fingerprint`), and in what state it is now (`state`).

Timings of machines with different fingerprints do not compare. Nothing that tells whose machine it
is gets recorded: its model, not its host name.
"""

from __future__ import annotations

import os
import platform
import re
import sys

from sgnas_profilers import cpu_load, jetson, linux
from sgnas_profilers._system import System
from sgnas_profilers.cuda import smi


def fingerprint(system: System | None = None) -> dict[str, str]:
    """Facts that must agree between timings that are compared; unreadable ones are absent."""
    system = system or System()
    cpus = usable_cpus()
    found = {
        "model": linux.model(system),
        "cpu": linux.parse_cpu_model(system.text("proc/cpuinfo") or "")
        or platform.processor()
        or None,
        "arch": platform.machine(),
        "cpus": str(len(cpus)),
        "cpu_quota": linux.cpu_quota(system),
        "caches": linux.caches(system, min(cpus, default=0)),
        "smt": {"1": "on", "0": "off"}.get(system.text("sys/devices/system/cpu/smt/active") or ""),
        "boost": linux.boost(system),
        "governor": linux.governor(system, cpus),
        "memory_gib": linux.memory_gib(system),
        "virtual_machine": linux.is_virtual(system),
        "os": linux.parse_os_name(system.text("etc/os-release") or ""),
        "kernel": f"{platform.system()} {platform.release()}",
        "libc": " ".join(platform.libc_ver()).strip() or None,
        "python": f"{platform.python_implementation()} {platform.python_version()}",
    }
    facts = {name: value for name, value in found.items() if value is not None}
    facts.update(jetson.facts(system))
    return facts


def state(system: System | None = None) -> dict[str, float | str]:
    """Load, clocks, temperatures and throttling as they are now; unreadable ones are absent.

    `_c` are degrees Celsius; counters count since the machine's start.
    """
    system = system or System()
    cpus = usable_cpus()
    now: dict[str, float | str] = {}
    load = system.text("proc/loadavg")
    if load is not None:
        now.update(cpu_load.parse_load(load))
    clock_mhz = linux.cpu_mhz(system, cpus)
    if clock_mhz is not None:
        now["cpu_mhz"] = clock_mhz
    governor = linux.governor(system, cpus)
    if governor is not None:
        now["governor"] = governor
    now.update(linux.temperatures(system))
    for kind in ("core", "package"):
        counts = [
            system.number(f"sys/devices/system/cpu/cpu{cpu}/thermal_throttle/{kind}_throttle_count")
            for cpu in cpus
        ]
        known = [count for count in counts if count is not None]
        if known:
            now[f"throttled_{kind}"] = sum(known)
    throttled = linux.quota_throttled(system)
    if throttled is not None:
        now["throttled_quota"] = throttled
    now["denormals_flushed"] = "yes" if denormals_are_flushed() else "no"
    now.update(jetson.state(system))
    now.update(smi.state(system))
    return now


def usable_cpus() -> tuple[int, ...]:
    """Numbers of the CPUs that this process may run on."""
    if sys.platform == "linux":
        return tuple(sorted(os.sched_getaffinity(0)))
    return tuple(range(os.cpu_count() or 1))


def denormals_are_flushed() -> bool:
    """Whether this thread computes with denormal numbers as zero."""
    # Not a constant expression: the interpreter would fold it.
    return float("5e-324") * len("1") == 0.0


def peak_rss_bytes(system: System | None = None) -> int:
    """Largest resident memory of this process so far.

    Not `getrusage`: on Linux its figure survives `exec`, so that it starts with the parent's.
    """
    system = system or System()
    found = re.search(r"^VmHWM:\s*(\d+)\s*kB", system.text("proc/self/status") or "", re.MULTILINE)
    if found:
        return int(found.group(1)) * 1024
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
