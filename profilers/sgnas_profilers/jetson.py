"""What a Jetson says of itself: L4T release, power mode, GPU clock.

Read from files and from `nvpmodel -q`. Tested on recorded text; not yet run on hardware.
"""

from __future__ import annotations

import re

from sgnas_profilers._system import System

_RELEASE = re.compile(r"#\s*R(\d+)\s*\(release\),\s*REVISION:\s*([\d.]+)")
_POWER_MODE = re.compile(r"^NV Power Mode:\s*(\S.*?)\s*$", re.MULTILINE)
_POWER_MODE_ID = re.compile(r"^\s*(\d+)\s*$", re.MULTILINE)


def parse_release(text: str) -> str | None:
    """L4T version in `/etc/nv_tegra_release`: "# R36 (release), REVISION: 4.3" is 36.4.3."""
    found = _RELEASE.search(text)
    return f"{found.group(1)}.{found.group(2)}" if found else None


def parse_nvpmodel(text: str) -> dict[str, str]:
    """Power mode's name and number from the output of `nvpmodel -q`; absent when not there."""
    facts: dict[str, str] = {}
    name = _POWER_MODE.search(text)
    if name:
        facts["power_mode"] = name.group(1)
        number = _POWER_MODE_ID.search(text, name.end())
        if number:
            facts["power_mode_id"] = number.group(1)
    return facts


def is_here(system: System | None = None) -> bool:
    """Whether this machine is a Jetson."""
    system = system or System()
    compatible = system.text("proc/device-tree/compatible") or ""
    return system.text("etc/nv_tegra_release") is not None or "nvidia,tegra" in compatible


def facts(system: System) -> dict[str, str]:
    """Identity and power mode; empty on any other machine."""
    release = system.text("etc/nv_tegra_release")
    package = None
    if release is None:
        # JetPack's own images carry the file; containers and Yocto builds may not.
        compatible = system.text("proc/device-tree/compatible") or ""
        if "nvidia,tegra" not in compatible:
            return {}
    else:
        package = system.output(["dpkg-query", "-W", "-f=${Version}", "nvidia-l4t-core"])
    found = {
        "l4t": parse_release(release or ""),
        "l4t_package": (package or "").strip() or None,
        "soc": system.text("proc/device-tree/compatible"),
    }
    described = {name: value for name, value in found.items() if value is not None}
    described.update(parse_nvpmodel(system.output(["nvpmodel", "-q"]) or ""))
    described.update(_gpu_limits(system))
    return described


def state(system: System) -> dict[str, float | str]:
    """GPU clock (MHz), its load (a share) and the counts of over-current events, where readable."""
    now: dict[str, float | str] = {}
    gpu = _gpu_folder(system)
    if gpu is not None:
        clock_hz = system.number(f"{gpu}/cur_freq")
        if clock_hz is not None:
            now["gpu_mhz"] = clock_hz / 1e6
        per_mille = system.number(f"{gpu}/device/load")
        if per_mille is not None:
            now["gpu_load"] = per_mille / 1000
    # Where the boards put these counters was not verified: they are taken where they are found.
    for path in system.glob("sys/class/hwmon/hwmon*/oc*_event_cnt"):
        count = system.number(path)
        if count is not None:
            name = path.rsplit("/", 1)[1][: -len("_event_cnt")]
            now[f"over_current_{name}"] = count
    return now


def _gpu_limits(system: System) -> dict[str, str]:
    """GPU governor and clock range; a locked clock has equal ends."""
    gpu = _gpu_folder(system)
    if gpu is None:
        return {}
    limits: dict[str, str] = {}
    governor = system.text(f"{gpu}/governor")
    if governor is not None:
        limits["gpu_governor"] = governor
    for end in ("min", "max"):
        clock_hz = system.number(f"{gpu}/{end}_freq")
        if clock_hz is not None:
            limits[f"gpu_{end}_mhz"] = f"{clock_hz / 1e6:g}"
    return limits


def _gpu_folder(system: System) -> str | None:
    """Folder of the GPU among the devices whose frequency is scaled."""
    for path in system.glob("sys/class/devfreq/*"):
        if "gpu" in (system.text(f"{path}/device/of_node/name") or ""):
            return path
    return None
