"""From `--device`, `--backend` and `--host` to the way to a device."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sgnas_deploy import devices, targets
from sgnas_deploy.errors import BadInput, EnvironmentProblem
from sgnas_deploy.targets import Target
from sgnas_profilers import jetson
from sgnas_profilers.backends import RunOptions
from sgnas_profilers.transports import Agent, Hello
from sgnas_profilers.transports.local import LocalTransport
from sgnas_profilers.transports.ssh import SshTransport


@pytest.fixture(autouse=True)
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    devices.register("here", None, "null", None, "")
    devices.register("board", "me@board", "onnxruntime", "15W", "", "python3.11")


def test_this_machine() -> None:
    target = targets.resolve("cpu")
    assert target == Target("cpu", "onnxruntime", None, "local")
    assert isinstance(targets.transport(target), LocalTransport)
    assert targets.resolve("here", "onnxruntime").backend == "onnxruntime"


def test_a_registered_board_and_where_it_is_today() -> None:
    target = targets.resolve("board")
    assert target == Target("board", "onnxruntime", "me@board", "ssh", "15W", "python3.11")
    assert targets.resolve("board", "null", "me@10.0.0.9") == replace(
        target, backend="null", host="me@10.0.0.9"
    )
    way = targets.transport(replace(target, power_mode=None))
    assert isinstance(way, SshTransport)
    assert targets.transport(target).name == "ssh"


@pytest.mark.parametrize("name", ["cpu", "here"])
def test_two_devices_do_not_share_a_name(name: str) -> None:
    with pytest.raises(BadInput, match="it is not on another host") as caught:
        targets.resolve(name, host="me@board")
    assert "sgnas devices add NAME --host me@board" in (caught.value.cure or "")


@pytest.mark.parametrize("host", ["-oProxyCommand=x", "a b", "x;y", "", "$(x)"])
def test_hostile_hosts(host: str) -> None:
    for name in ("board", "jetson", "cpu"):
        with pytest.raises(BadInput, match="is no host"):
            targets.resolve(name, host=host)


def test_unknown_words() -> None:
    with pytest.raises(BadInput, match="unknown device"):
        targets.resolve("toaster")
    with pytest.raises(BadInput, match="unknown backend 'abacus'"):
        targets.resolve("cpu", "abacus")


def test_a_jetson_is_here_or_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert targets.resolve("jetson", "null", "me@orin").transport_name == "ssh"
    with pytest.raises(BadInput, match="this machine is no Jetson"):
        targets.resolve("jetson", "null")
    monkeypatch.setattr(jetson, "is_here", lambda: True)
    assert targets.resolve("jetson", "null") == Target("jetson", "null", None, "local")


def test_the_users_own_ssh_configuration_unless_told_otherwise(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv(targets.SSH_CONFIG, raising=False)
    assert targets.ssh_command() == ("ssh",)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(targets.SSH_CONFIG, "config")
    assert targets.ssh_command() == ("ssh", "-F", str(tmp_path / "config"))


class Reports:
    """Starts local agents that say of their power mode what they are told to."""

    name = "fake"

    def __init__(self, facts: dict[str, str]) -> None:
        self.facts = facts
        self.agents: list[Agent] = []

    def start(self, backend: str, options: RunOptions) -> Agent:
        agent = LocalTransport().start(backend, options)
        agent.hello = replace(agent.hello, machine={**agent.hello.machine, **self.facts})
        self.agents.append(agent)
        return agent


def stated(facts: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Hello:
    way = Reports(facts)
    monkeypatch.setattr(targets, "SshTransport", lambda *args, **named: way)
    try:
        with targets.transport(targets.resolve("board")).start("null", RunOptions(1)) as agent:
            return agent.hello
    finally:
        (started,) = way.agents
        with pytest.raises(EnvironmentProblem, match="closed"):
            started.build(b"", {})


def test_a_stated_power_mode_is_recorded_or_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    assert stated({}, monkeypatch).machine["power_mode"] == "15W"
    assert stated({"power_mode": "MODE_15W"}, monkeypatch).machine["power_mode"] == "MODE_15W"
    with pytest.raises(EnvironmentProblem, match="registered in power mode 15W and runs in MAXN"):
        stated({"power_mode": "MAXN", "power_mode_id": "0"}, monkeypatch)
