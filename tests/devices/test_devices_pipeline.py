"""`devices list|add|test` as the commands call them."""

from __future__ import annotations

from pathlib import Path

import pytest

from sgnas_deploy.errors import BadInput, EnvironmentProblem
from sgnas_deploy.pipeline import devices
from sgnas_deploy.pipeline.devices import AddRequest
from sgnas_deploy.verdict import conditions
from sgnas_profilers.backends import RunOptions
from sgnas_profilers.transports import Agent
from tests.fakes.device import FakeDevice


@pytest.fixture(autouse=True)
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))


class Dead:
    """A device that does not answer."""

    name = "dead"

    def start(self, backend: str, options: RunOptions) -> Agent:
        raise EnvironmentProblem("no route to host", "switch it on")


def test_what_was_added_is_listed() -> None:
    added = devices.add(AddRequest("shelf", "me@board", None, "15W", "the quiet one"))
    listed = devices.list_devices()
    assert listed.devices[-1] == added
    assert listed.registry.is_file()


def test_a_device_that_answers_tells_its_speed_and_state() -> None:
    found = devices.test("cpu", transport=FakeDevice())
    assert found.reachable
    assert found.environment["machine.cpu"] == "fake"
    assert found.environment["backend.backend"] == "onnxruntime"
    assert found.environment["state.load_1min"] == "0.1"
    assert found.detail.startswith("block mb_")
    assert found.detail.endswith(" us with fake")
    assert found.warnings == ("the CPU governor is fake, not performance: clocks may change",)


def test_a_device_that_does_not_answer_says_why() -> None:
    found = devices.test("cpu", transport=Dead())
    assert not found.reachable
    assert found.detail == "no route to host; switch it on"


def test_a_registered_device_of_this_machine_is_measured_with_its_backend() -> None:
    devices.add(AddRequest("nothing", None, "null", None, ""))
    found = devices.test("nothing", transport=FakeDevice())
    assert found.environment["backend.backend"] == "null"


def test_a_jetson_that_is_not_here_must_be_named() -> None:
    with pytest.raises(BadInput, match=r"no Jetson; .*--host USER@HOST.*sgnas devices add"):
        devices.test("jetson", transport=FakeDevice())


def test_what_was_removed_is_not_listed() -> None:
    added = devices.add(AddRequest("shelf", "me@board", None, None, "", "python3.11"))
    assert added.python == "python3.11"
    assert devices.remove("shelf") == added
    assert all(device.builtin for device in devices.list_devices().devices)
    with pytest.raises(BadInput, match="unknown device"):
        devices.remove("shelf")


def test_an_unknown_device_is_bad_input() -> None:
    with pytest.raises(BadInput, match="unknown device"):
        devices.test("toaster")


def test_this_machine_answers() -> None:
    pytest.importorskip("onnxruntime")
    found = devices.test("cpu")
    assert found.reachable
    assert found.environment["backend.runtime"] == "onnxruntime"


def test_doubts_name_load_clocks_throttling_and_denormals() -> None:
    states: list[dict[str, float | str]] = [
        {
            "cpu_share_others": 0.5,
            "cpu_share_stolen": 0.1,
            "governor": "powersave",
            "throttled_core": count,
            "denormals_flushed": "no",
        }
        for count in (3.0, 3.0, 8.0)
    ]
    assert conditions.doubts(states) == (
        "other programs used 50 % of the CPUs, the hypervisor took 10 % of the CPUs",
        "the CPU governor is powersave, not performance: clocks may change",
        "throttled 5 times meanwhile (core)",
        "denormal numbers were not flushed to zero: times may be far too long",
    )


def test_a_quiet_machine_raises_no_doubts() -> None:
    state: dict[str, float | str] = {
        "cpu_share_others": 0.01,
        "governor": "performance",
        "throttled_core": 3.0,
        "denormals_flushed": "yes",
    }
    assert conditions.doubts([state, state]) == ()
    assert conditions.doubts([]) == ()
