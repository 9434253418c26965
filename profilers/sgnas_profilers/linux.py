"""Facts about a Linux machine from /proc and /sys, and the parsers of those files."""

from __future__ import annotations

import re

from sgnas_profilers._system import System

# Parsers: pure, tested on recorded text.


def parse_cpu_model(text: str) -> str | None:
    """CPU's name from `/proc/cpuinfo`; on ARM, which names none, its implementer and part."""
    fields: dict[str, str] = {}
    for line in text.splitlines():
        name, colon, value = line.partition(":")
        if colon and value.strip():
            fields.setdefault(name.strip(), value.strip())
    if "model name" in fields:
        family = [fields.get(name) for name in ("cpu family", "model", "stepping")]
        # Cloud machines hide the model in the name ("AMD EPYC"); the numbers tell it.
        numbers = " ".join(number for number in family if number is not None)
        return fields["model name"] + (f" ({numbers})" if numbers else "")
    if "CPU implementer" in fields and "CPU part" in fields:
        return f"ARM implementer {fields['CPU implementer']} part {fields['CPU part']}"
    return None


def parse_cpu_mhz(text: str) -> list[float]:
    """Clocks in `/proc/cpuinfo`, one for each CPU that tells it."""
    return [float(mhz) for mhz in re.findall(r"^cpu MHz\s*:\s*([\d.]+)\s*$", text, re.MULTILINE)]


def parse_os_name(text: str) -> str | None:
    """`PRETTY_NAME` of `/etc/os-release`."""
    found = re.search(r"^PRETTY_NAME=(['\"]?)(.+?)\1\s*$", text, re.MULTILINE)
    return found.group(2) if found else None


def parse_memory_bytes(text: str) -> int | None:
    """`MemTotal` of `/proc/meminfo`."""
    found = re.search(r"^MemTotal:\s*(\d+)\s*kB", text, re.MULTILINE)
    return int(found.group(1)) * 1024 if found else None


def parse_quota(text: str) -> str | None:
    """CPUs that cgroup v2's `cpu.max` allows; None for no limit."""
    words = text.split()
    try:
        return f"{float(words[0]) / float(words[1]):g}"
    except (ValueError, IndexError, ZeroDivisionError):
        return None


# Readers: the same facts from a system's files.


def model(system: System) -> str | None:
    """Name of the board, or vendor and product of a PC."""
    board = system.text("proc/device-tree/model")
    if board is not None:
        return board
    named = [system.text(f"sys/class/dmi/id/{part}") for part in ("sys_vendor", "product_name")]
    return " ".join(part for part in named if part is not None) or None


def memory_gib(system: System) -> str | None:
    """Memory to a tenth of a GiB: the last kilobytes differ between kernels."""
    size = parse_memory_bytes(system.text("proc/meminfo") or "")
    return None if size is None else f"{size / 2**30:.1f}"


def is_virtual(system: System) -> str | None:
    """Whether the CPU says that a hypervisor is above us; only x86 says it."""
    flags = re.search(r"^flags\s*:(.*)$", system.text("proc/cpuinfo") or "", re.MULTILINE)
    if flags is None:
        return None
    return "yes" if "hypervisor" in flags.group(1).split() else "no"


def caches(system: System, cpu: int) -> str | None:
    """Sizes of one CPU's caches, nearest first: "L1d 32K, L1i 32K, L2 1024K, L3 32768K"."""
    names = []
    for path in system.glob(f"sys/devices/system/cpu/cpu{cpu}/cache/index*"):
        level, size = system.text(f"{path}/level"), system.text(f"{path}/size")
        if level is None or size is None:
            continue
        kind = {"Data": "d", "Instruction": "i"}.get(system.text(f"{path}/type") or "", "")
        names.append(f"L{level}{kind} {size}")
    return ", ".join(names) or None


def boost(system: System) -> str | None:
    """Whether the CPU may exceed its nominal clock."""
    allowed = system.text("sys/devices/system/cpu/cpufreq/boost")
    if allowed is None:
        forbidden = system.text("sys/devices/system/cpu/intel_pstate/no_turbo")
        allowed = {"0": "1", "1": "0"}.get(forbidden or "")
    return {"1": "on", "0": "off"}.get(allowed or "")


def governor(system: System, cpus: tuple[int, ...]) -> str | None:
    """Frequency governors of the usable CPUs, each once."""
    named = {
        system.text(f"sys/devices/system/cpu/cpu{cpu}/cpufreq/scaling_governor") for cpu in cpus
    }
    return ", ".join(sorted(name for name in named if name is not None)) or None


def cpu_mhz(system: System, cpus: tuple[int, ...]) -> float | None:
    """Clock of the fastest usable CPU: the one that was just at work."""
    clocks_khz = [
        system.number(f"sys/devices/system/cpu/cpu{cpu}/cpufreq/scaling_cur_freq") for cpu in cpus
    ]
    known = [clock_khz / 1000 for clock_khz in clocks_khz if clock_khz is not None]
    return max(known or parse_cpu_mhz(system.text("proc/cpuinfo") or ""), default=None)


def temperatures(system: System) -> dict[str, float]:
    """Temperature of each thermal zone in degrees Celsius, by the zone's name."""
    zones: dict[str, float] = {}
    for path in system.glob("sys/class/thermal/thermal_zone*"):
        milli_c = system.number(f"{path}/temp")
        if milli_c is None:
            continue
        kind = system.text(f"{path}/type") or path.rsplit("/", 1)[1]
        name = "temperature_" + re.sub(r"\W+", "_", kind.lower())
        # Several zones may share a name.
        key, number = f"{name}_c", 2
        while key in zones:
            key, number = f"{name}_{number}_c", number + 1
        zones[key] = milli_c / 1000
    return zones


def cpu_quota(system: System) -> str | None:
    """CPUs that the container may use on average, where it is limited (cgroup v2, then v1)."""
    limit = system.text("sys/fs/cgroup/cpu.max")
    if limit is not None:
        return parse_quota(limit)
    quota = system.text("sys/fs/cgroup/cpu/cpu.cfs_quota_us")
    period = system.text("sys/fs/cgroup/cpu/cpu.cfs_period_us")
    if quota is None or period is None or quota == "-1":
        return None
    return parse_quota(f"{quota} {period}")


def quota_throttled(system: System) -> float | None:
    """How often the container was stopped because its CPU time was used up."""
    for path in ("sys/fs/cgroup/cpu.stat", "sys/fs/cgroup/cpu/cpu.stat"):
        found = re.search(r"^nr_throttled (\d+)$", system.text(path) or "", re.MULTILINE)
        if found:
            return float(found.group(1))
    return None
