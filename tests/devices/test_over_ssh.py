"""`sgnas profile`, `validate` and `devices test` on a device that is reached by a real sshd."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sgnas_deploy import devices, targets
from sgnas_deploy.errors import EnvironmentProblem
from sgnas_deploy.events import Event, StageAdvanced, Warned
from sgnas_deploy.pipeline import devices as pipeline
from sgnas_deploy.pipeline import profile as module
from sgnas_deploy.pipeline.profile import ProfileRequest, profile
from sgnas_deploy.pipeline.validate import ValidateRequest, validate
from sgnas_deploy.tables import measuring
from sgnas_deploy.tables.codec import read
from sgnas_deploy.tables.plans import EFFORTS, Effort
from sgnas_deploy.workspace import Workspace
from sgnas_profilers.backends import RunOptions
from sgnas_profilers.timing import TimingPlan
from sgnas_profilers.transports import ConnectionLost
from tests.profilers.sshd import Server, require, serving
from tests.verdict import exported

require()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving() as server:
        yield server


@pytest.fixture(autouse=True)
def board(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A registered device `shelf`, behind the host `board`."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv(targets.SSH_CONFIG, str(server.client(server.folder / tmp_path.name)))
    devices.register("shelf", "board", "null", None, "", sys.executable)
    # What is timed does not matter here, only that all of it is.
    short = TimingPlan(1, 0, 0, 3)
    monkeypatch.setitem(EFFORTS, "quick", Effort(2, 8, 2, short, short))
    monkeypatch.setattr(measuring, "RETRIES", 0)


BLOCKS = 80


class Listener:
    """Counts what was measured, and does something at a certain count."""

    def __init__(self, at: int = 0, action: Callable[[], object] = lambda: None) -> None:
        self.count = 0
        self.warnings: list[str] = []
        self._at, self._action = at, action

    def event(self, event: Event) -> None:
        if isinstance(event, Warned):
            self.warnings.append(event.text)
        if isinstance(event, StageAdvanced):
            self.count += 1
            if self.count == self._at:
                self._action()


def request(workdir: Path, backend: str | None = None) -> ProfileRequest:
    return ProfileRequest(
        device="shelf",
        workdir=workdir,
        space="tiny",
        quality="quick",
        form="split",
        backend=backend,
        max_blocks=BLOCKS,
    )


def test_the_device_answers() -> None:
    found = pipeline.test("shelf")
    assert found.reachable, found.detail
    assert found.environment["backend.runtime"] == "null"


def test_a_connection_that_is_lost_is_made_again(server: Server, tmp_path: Path) -> None:
    waited: list[float] = []
    listener = Listener(10, server.cut)
    result = profile(request(tmp_path), listener, sleep=waited.append)
    assert waited == [module.RECONNECT_S[0]]
    assert "the connection to board was lost" in listener.warnings[0]
    assert result.resumed >= 8


def test_a_run_that_was_cut_goes_on_with_what_is_missing(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RECONNECT_S", ())
    first = Listener(20, server.cut)
    with pytest.raises(ConnectionLost, match="lost"):
        profile(request(tmp_path, "onnxruntime"), first)
    (journal,) = tmp_path.rglob("*.journal.jsonl")
    kept = [json.loads(line) for line in journal.read_text().splitlines()[1:]]
    second = Listener()
    result = profile(request(tmp_path, "onnxruntime"), second)
    table = read(result.table)
    assert (table.device, table.backend) == ("shelf", "onnxruntime")
    assert "board" not in result.table.read_text(), "whose machine it is stands in no table"
    assert len(kept) >= 19
    for record in kept:
        samples_s = {tuple(part) for part in table.blocks[record["key"]].samples_s}
        assert tuple(record["samples_s"]) in samples_s
    assert result.resumed == len({record["key"] for record in kept})
    # Two passes over the blocks and two launches of the networks, less what was there.
    assert second.count == 2 * BLOCKS + 2 * len(table.networks) - len(kept)
    assert not journal.exists()


def test_a_device_that_stays_away(server: Server, tmp_path: Path) -> None:
    def pull() -> None:
        server.cut()
        server.stop()

    waited: list[float] = []
    try:
        with pytest.raises(EnvironmentProblem, match="board cannot be reached"):
            profile(request(tmp_path), Listener(5, pull), sleep=waited.append)
    finally:
        server.start()
    assert waited == list(module.RECONNECT_S)
    (journal,) = tmp_path.rglob("*.journal.jsonl")
    assert len(journal.read_text().splitlines()) > 4, "what was measured is kept"


def test_a_verdict_from_another_host(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    exported.put(workspace, "net")
    asked = ValidateRequest(
        workdir=tmp_path, models=("net",), budgets_s=(5.0,), device="shelf", max_seconds=60
    )
    result = validate(asked, min_period_s=0)
    assert result.verdict == "PASS"
    text = result.networks[0].report.read_text()
    assert json.loads(text)["settings"]["device"] == "shelf"
    assert "board" not in text, "whose machine it is stands in no report"


def test_a_stated_power_mode_goes_into_the_table(tmp_path: Path) -> None:
    devices.register("tuned", "board", "null", "15 W", "", sys.executable)
    target = targets.resolve("tuned")
    with targets.transport(target).start("null", RunOptions(1)) as agent:
        assert agent.hello.machine["power_mode"] == "15 W"
