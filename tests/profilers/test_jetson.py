"""A Jetson's facts, on text in the shape that its files have. Not yet run on hardware."""

from __future__ import annotations

from pathlib import Path

import pytest

from sgnas_profilers import jetson, machine
from sgnas_profilers._system import System

RELEASE = (
    "# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic, EABI: aarch64, "
    "DATE: Wed Jan  8 01:49:37 UTC 2025\n"
)
GPU = "sys/class/devfreq/17000000.gpu"
FILES = {
    "etc/nv_tegra_release": RELEASE,
    "proc/device-tree/model": "NVIDIA Jetson Orin NX Engineering Reference Developer Kit\0",
    "proc/device-tree/compatible": "nvidia,p3768-0000+p3767-0000\0nvidia,tegra234\0",
    f"{GPU}/device/of_node/name": "gpu\0",
    f"{GPU}/device/load": "735\n",
    f"{GPU}/governor": "nvhost_podgov\n",
    f"{GPU}/cur_freq": "612000000\n",
    f"{GPU}/min_freq": "306000000\n",
    f"{GPU}/max_freq": "918000000\n",
    "sys/class/devfreq/15340000.vic/device/of_node/name": "vic\0",
    "sys/class/devfreq/15340000.vic/cur_freq": "115200000\n",
    "sys/class/thermal/thermal_zone0/type": "cpu-thermal\n",
    "sys/class/thermal/thermal_zone0/temp": "48687\n",
    "sys/class/hwmon/hwmon1/oc1_event_cnt": "2\n",
}


@pytest.fixture
def board(tmp_path: Path) -> System:
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return System(tmp_path)


def test_facts(board: System) -> None:
    assert jetson.facts(board) == {
        "l4t": "36.4.3",
        "soc": "nvidia,p3768-0000+p3767-0000 nvidia,tegra234",
        "gpu_governor": "nvhost_podgov",
        "gpu_min_mhz": "306",
        "gpu_max_mhz": "918",
    }


def test_state(board: System) -> None:
    assert jetson.state(board) == {"gpu_mhz": 612.0, "gpu_load": 0.735, "over_current_oc1": 2.0}


def test_the_machines_fingerprint_and_state_include_them(board: System) -> None:
    facts = machine.fingerprint(board)
    assert facts["model"] == "NVIDIA Jetson Orin NX Engineering Reference Developer Kit"
    assert facts["l4t"] == "36.4.3"
    state = machine.state(board)
    assert state["temperature_cpu_thermal_c"] == 48.687
    assert state["gpu_mhz"] == 612.0


def test_any_other_machine_has_none(tmp_path: Path) -> None:
    assert jetson.facts(System(tmp_path)) == {}
    assert jetson.state(System(tmp_path)) == {}


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        ("NV Power Mode: MAXN\n0\n", {"power_mode": "MAXN", "power_mode_id": "0"}),
        (
            "NVPM WARN: fan mode is not set!\nNV Power Mode: MAXN_SUPER\n2\n",
            {"power_mode": "MAXN_SUPER", "power_mode_id": "2"},
        ),
        ("NV Power Mode: 15W\n", {"power_mode": "15W"}),
        ("nvpmodel: cannot open the configuration\n", {}),
        ("", {}),
    ],
)
def test_power_mode(text: str, facts: dict[str, str]) -> None:
    assert jetson.parse_nvpmodel(text) == facts


@pytest.mark.parametrize(
    ("text", "release"),
    [(RELEASE, "36.4.3"), ("# R35 (release), REVISION: 5.0, GCID: 1", "35.5.0"), ("R?", None)],
)
def test_release(text: str, release: str | None) -> None:
    assert jetson.parse_release(text) == release


def test_whether_this_is_one(board: System, tmp_path: Path) -> None:
    assert jetson.is_here(board)
    (tmp_path / "etc/nv_tegra_release").unlink()
    assert jetson.is_here(board), "a container has no such file"
    (tmp_path / "proc/device-tree/compatible").write_text("raspberrypi,4-model-b\0")
    assert not jetson.is_here(board)
