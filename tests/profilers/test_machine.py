"""What a machine says of itself, from recorded text below a root of the test's own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sgnas_profilers import cpu_load, linux, machine
from sgnas_profilers._system import System

CPUINFO_X86 = """\
processor\t: 0
vendor_id\t: AuthenticAMD
cpu family\t: 25
model\t\t: 17
model name\t: AMD EPYC
stepping\t: 1
cpu MHz\t\t: 2596.148
flags\t\t: fpu vme hypervisor avx2

processor\t: 1
cpu family\t: 25
model\t\t: 17
model name\t: AMD EPYC
stepping\t: 1
cpu MHz\t\t: 2999.500
flags\t\t: fpu vme hypervisor avx2
"""
CPUINFO_ARM = """\
processor\t: 0
BogoMIPS\t: 62.50
Features\t: fp asimd
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x0
CPU part\t: 0xd42
CPU revision\t: 1
"""
STAT = "cpu  100 10 50 1000 30 5 5 20 7 0\ncpu0 50 5 25 500 15 2 3 10 3 0\n"
OS_RELEASE = 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nNAME="Debian GNU/Linux"\nID=debian\n'


def write(root: Path, files: dict[str, str]) -> System:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return System(root)


@pytest.fixture(autouse=True)
def two_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "usable_cpus", lambda: (0, 1))


def test_fingerprint_of_a_machine_that_tells_all(tmp_path: Path) -> None:
    cpu = "sys/devices/system/cpu"
    system = write(
        tmp_path,
        {
            "proc/cpuinfo": CPUINFO_X86,
            "proc/meminfo": "MemTotal:       24684096 kB\nMemFree:        24159636 kB\n",
            "etc/os-release": OS_RELEASE,
            "sys/class/dmi/id/sys_vendor": "Example Inc.\n",
            "sys/class/dmi/id/product_name": "Laptop 3\n",
            f"{cpu}/smt/active": "1\n",
            f"{cpu}/cpufreq/boost": "0\n",
            f"{cpu}/cpu0/cpufreq/scaling_governor": "performance\n",
            f"{cpu}/cpu1/cpufreq/scaling_governor": "powersave\n",
            f"{cpu}/cpu0/cache/index0/level": "1\n",
            f"{cpu}/cpu0/cache/index0/type": "Data\n",
            f"{cpu}/cpu0/cache/index0/size": "32K\n",
            f"{cpu}/cpu0/cache/index2/level": "2\n",
            f"{cpu}/cpu0/cache/index2/type": "Unified\n",
            f"{cpu}/cpu0/cache/index2/size": "1024K\n",
            "sys/fs/cgroup/cpu.max": "150000 100000\n",
        },
    )
    facts = machine.fingerprint(system)
    # These come from the interpreter, not from files.
    for name in ("arch", "kernel", "libc", "python"):
        assert facts.pop(name)
    assert facts == {
        "model": "Example Inc. Laptop 3",
        "cpu": "AMD EPYC (25 17 1)",
        "cpus": "2",
        "cpu_quota": "1.5",
        "caches": "L1d 32K, L2 1024K",
        "smt": "on",
        "boost": "off",
        "governor": "performance, powersave",
        "memory_gib": "23.5",
        "virtual_machine": "yes",
        "os": "Debian GNU/Linux 12 (bookworm)",
    }


def test_what_cannot_be_read_is_absent(tmp_path: Path) -> None:
    facts = machine.fingerprint(System(tmp_path))
    assert set(facts) <= {"arch", "cpu", "cpus", "kernel", "libc", "python"}
    assert set(machine.state(System(tmp_path))) == {"denormals_flushed"}
    assert cpu_load.OtherLoad(System(tmp_path)).shares() == {}
    assert System(tmp_path).output(["uname"]) is None, "recorded roots run no programs"


def test_fingerprint_of_this_machine_names_neither_host_nor_user() -> None:
    facts = machine.fingerprint()
    assert {"arch", "cpus", "kernel", "python"} <= set(facts)
    assert all(facts.values())
    assert facts == machine.fingerprint(), "it does not change by itself"
    host = os.uname().nodename
    assert host not in facts.values()


def test_state_of_a_machine_that_tells_all(tmp_path: Path) -> None:
    cpu = "sys/devices/system/cpu"
    system = write(
        tmp_path,
        {
            "proc/loadavg": "1.14 0.43 0.21 3/100 7127\n",
            f"{cpu}/cpu0/cpufreq/scaling_cur_freq": "1800000\n",
            f"{cpu}/cpu1/cpufreq/scaling_cur_freq": "3600000\n",
            f"{cpu}/cpu0/cpufreq/scaling_governor": "schedutil\n",
            f"{cpu}/cpu0/thermal_throttle/core_throttle_count": "3\n",
            f"{cpu}/cpu1/thermal_throttle/core_throttle_count": "4\n",
            f"{cpu}/cpu0/thermal_throttle/package_throttle_count": "9\n",
            "sys/class/thermal/thermal_zone0/type": "x86_pkg_temp\n",
            "sys/class/thermal/thermal_zone0/temp": "61000\n",
            "sys/class/thermal/thermal_zone1/type": "CPU-therm\n",
            "sys/class/thermal/thermal_zone1/temp": "45500\n",
            "sys/class/thermal/thermal_zone2/type": "CPU-therm\n",
            "sys/class/thermal/thermal_zone2/temp": "46000\n",
            "sys/class/thermal/thermal_zone3/type": "broken\n",
            "sys/fs/cgroup/cpu.stat": "usage_usec 5\nnr_periods 9\nnr_throttled 2\n",
        },
    )
    state = machine.state(system)
    assert state.pop("denormals_flushed") in {"yes", "no"}
    assert state == {
        "load_1min": 1.14,
        "load_5min": 0.43,
        "cpu_mhz": 3600.0,
        "governor": "schedutil",
        "temperature_x86_pkg_temp_c": 61.0,
        "temperature_cpu_therm_c": 45.5,
        "temperature_cpu_therm_2_c": 46.0,
        "throttled_core": 7.0,
        "throttled_package": 9.0,
        "throttled_quota": 2.0,
    }


def test_the_clock_falls_back_to_cpuinfo(tmp_path: Path) -> None:
    assert machine.state(write(tmp_path, {"proc/cpuinfo": CPUINFO_X86}))["cpu_mhz"] == 2999.5


@pytest.mark.parametrize(
    ("files", "quota"),
    [
        ({"sys/fs/cgroup/cpu.max": "max 100000\n"}, None),
        ({"sys/fs/cgroup/cpu.max": "50000 100000\n"}, "0.5"),
        ({"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n"}, None),
        (
            {
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "200000\n",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            },
            "2",
        ),
        ({}, None),
    ],
)
def test_cpu_quota(tmp_path: Path, files: dict[str, str], quota: str | None) -> None:
    assert linux.cpu_quota(write(tmp_path, files)) == quota


def test_turbo_of_intels_driver_is_told_the_other_way_round(tmp_path: Path) -> None:
    no_turbo = "sys/devices/system/cpu/intel_pstate/no_turbo"
    assert linux.boost(write(tmp_path, {no_turbo: "1\n"})) == "off"
    assert linux.boost(write(tmp_path, {no_turbo: "0\n"})) == "on"


def test_an_arm_cpu_has_no_name() -> None:
    assert linux.parse_cpu_model(CPUINFO_ARM) == "ARM implementer 0x41 part 0xd42"
    assert linux.parse_cpu_mhz(CPUINFO_ARM) == []


def test_cpu_ticks_count_nothing_twice() -> None:
    # Guest time (the 7) is part of user time; idle and waiting are not busy.
    ticks = cpu_load.parse_cpu_ticks(STAT)
    assert ticks == cpu_load.CpuTicks(total=1220, busy=170, stolen=20)


def test_others_are_the_busy_less_us_and_less_the_stolen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine_s = 0.0
    ticks_a_second = os.sysconf("SC_CLK_TCK")
    monkeypatch.setattr(os, "times", lambda: os.times_result((mine_s, 0.0, 0.0, 0.0, 0.0)))
    system = write(tmp_path, {"proc/stat": "cpu 0 0 0 0 0 0 0 0\n"})
    load = cpu_load.OtherLoad(system)
    write(tmp_path, {"proc/stat": "cpu 5 0 0 5 0 0 0 0\n"})
    assert load.shares() == {}, "too short a time to tell"
    mine_s = 40 / ticks_a_second
    write(tmp_path, {"proc/stat": "cpu 60 0 0 35 0 0 0 5\n"})
    assert load.shares() == {
        "cpu_share_others": pytest.approx(0.2),
        "cpu_share_stolen": pytest.approx(0.05),
    }
    write(tmp_path, {"proc/stat": "cpu 60 0 0 40 0 0 0 5\n"})
    assert load.shares()["cpu_share_others"] == pytest.approx(0.2), "the last answer stands"
    write(tmp_path, {"proc/stat": "cpu 60 0 0 200 0 0 0 5\n"})
    assert load.shares() == {"cpu_share_others": 0.0, "cpu_share_stolen": 0.0}


@settings(deadline=None)
@given(st.text())
def test_parsers_take_any_text(text: str) -> None:
    linux.parse_cpu_model(text)
    linux.parse_os_name(text)
    linux.parse_memory_bytes(text)
    linux.parse_quota(text)
    cpu_load.parse_load(text)
    cpu_load.parse_cpu_ticks("cpu " + text)


def test_peak_memory_is_our_own_and_not_the_parents() -> None:
    # What getrusage gets wrong: a small child of a large parent.
    big = b"x" * (200 << 20)
    code = "from sgnas_profilers import machine; print(machine.peak_rss_bytes())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert len(big) > int(done.stdout) > 1 << 20


def test_programs_are_run_without_a_shell_and_their_failure_is_no_answer(tmp_path: Path) -> None:
    system = System()
    assert system.output(["echo", "$HOME; true"]) == "$HOME; true\n"
    assert system.output(["no-such-program-as-this"]) is None
    assert system.output(["false"]) is None
