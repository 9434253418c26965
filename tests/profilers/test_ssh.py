"""Agents over a real sshd on the loopback interface, and all that can go wrong on the way."""

from __future__ import annotations

import os
import signal
import stat
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sgnas_profilers import backends
from sgnas_profilers.backends import RunOptions
from sgnas_profilers.bundle import bundle
from sgnas_profilers.errors import BadInput, EnvironmentProblem
from sgnas_profilers.protocol import PROTOCOL_VERSION, ProtocolError
from sgnas_profilers.timing import TimingPlan
from sgnas_profilers.transports import ConnectionLost
from sgnas_profilers.transports.ssh import SshTransport
from tests.profilers import onnx_models
from tests.profilers.sshd import Server, require, serving

ONE = RunOptions(1)
PLAN = TimingPlan(2, 0, 1e-5, 3)
LONG = TimingPlan(0, 60.0, 0, 1)
"""Keeps an agent busy for a minute."""

Reach = Callable[..., SshTransport]

require()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving() as server:
        yield server


@pytest.fixture
def cache(server: Server, tmp_path: Path) -> Path:
    """The device's cache folder, empty; no blank in its path."""
    return server.folder / tmp_path.name


@pytest.fixture
def reach(server: Server, cache: Path) -> Reach:
    def reach(
        key: str = "plain",
        host_key: str | None = "host",
        python: str = sys.executable,
        host: str = "board",
        idle_timeout_s: float = 60,
    ) -> SshTransport:
        command = ("ssh", "-F", str(server.client(cache, key, host_key)))
        return SshTransport(host, python=python, ssh_command=command, idle_timeout_s=idle_timeout_s)

    return reach


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def agents(cache: Path) -> list[int]:
    """Processes that run the agent of this cache folder; a zombie runs nothing."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if len(words) > 1 and words[1].startswith(str(cache).encode()):
            found.append(int(path.parent.name))
    return found


def wait_for(condition: Callable[[], object]) -> None:
    deadline_s = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


def meanwhile(condition: Callable[[], object], action: Callable[[], object]) -> threading.Thread:
    """Act as soon as something is so."""

    def watch() -> None:
        wait_for(condition)
        action()

    thread = threading.Thread(target=watch)
    thread.start()
    return thread


def test_measures_a_real_block_and_keeps_the_agent(reach: Reach, cache: Path) -> None:
    transport = reach()
    assert transport.name == "ssh"
    with transport.start("onnxruntime", ONE) as agent:
        assert agent.hello.protocol == PROTOCOL_VERSION
        assert agent.hello.backend == backends.load("onnxruntime").describe(ONE)
        for samples in (1, 5):
            found = agent.measure(onnx_models.conv(), TimingPlan(2, 0, 1e-5, samples))
            assert len(found.timing.samples_s) == samples
            assert min(found.timing.samples_s) > 0
    kept = cache / "sgnas" / f"agent-{bundle().sha256}.pyz"
    assert files(kept.parent) == [kept.name]
    assert kept.read_bytes() == bundle().data
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    written_ns = kept.stat().st_mtime_ns
    # Fresh and independent ones, from another client too; nothing is sent again.
    with transport.start("null", ONE) as one, reach().start("null", ONE) as other:
        assert other.measure(b"", PLAN).timing.samples_s
        assert one.measure(bytes(3 << 20), PLAN).timing.samples_s
    assert kept.stat().st_mtime_ns == written_ns
    wait_for(lambda: not agents(cache))


def test_one_connection_serves_all_agents_and_ends_with_the_transport(
    server: Server, reach: Reach
) -> None:
    log = server.folder / "log"

    def logins() -> int:
        return log.read_text().count("Accepted publickey")

    before = logins()
    transport = reach()
    for _ in range(3):
        transport.start("null", ONE).close()
    assert logins() == before + 1
    folder = transport._folder
    assert folder is not None
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    del transport
    assert not folder.exists()


def test_errors_of_the_device_arrive_as_what_they_are(reach: Reach) -> None:
    transport = reach()
    with pytest.raises(BadInput, match="there is no backend 'nul'"):
        transport.start("nul", ONE)
    with pytest.raises(BadInput, match="1024 threads"):
        transport.start("null", RunOptions(1024))
    with transport.start("onnxruntime", ONE) as agent:
        with pytest.raises(BadInput, match="cannot open the model"):
            agent.measure(b"no model", PLAN)
        assert agent.measure(onnx_models.relu(), PLAN).timing.samples_s


def test_a_runtime_that_is_not_there_has_its_cure_there(reach: Reach, tmp_path: Path) -> None:
    bare = script(tmp_path, f'exec {sys.executable} -S "$@"')
    with pytest.raises(EnvironmentProblem, match="on board: onnxruntime cannot be imp") as caught:
        reach(python=bare).start("onnxruntime", ONE)
    assert caught.value.cure == f"on board: {bare} -m pip install onnxruntime"


@pytest.mark.parametrize("host_key", [None, "other_host"])
def test_a_host_key_that_is_not_the_known_one(reach: Reach, host_key: str | None) -> None:
    expected = "not known here" if host_key is None else "another host key than before"
    with pytest.raises(EnvironmentProblem, match=expected) as caught:
        reach(host_key=host_key).start("null", ONE)
    assert "ssh board" in (caught.value.cure or "")


def test_a_key_that_does_not_fit(reach: Reach) -> None:
    with pytest.raises(EnvironmentProblem, match="does not let you in without a pass") as caught:
        reach(key="stranger").start("null", ONE)
    assert "ssh-copy-id board" in (caught.value.cure or "")


def test_a_host_that_nobody_knows(reach: Reach) -> None:
    with pytest.raises(EnvironmentProblem, match=r"the host no\.invalid is not known"):
        reach(host="no.invalid").start("null", ONE)


def test_a_port_where_nobody_listens(cache: Path) -> None:
    server = Server(cache.parent / "closed")
    server.folder.mkdir()
    server.prepare()
    transport = SshTransport(
        "board", ssh_command=("ssh", "-F", str(server.client(cache, host_key=None)))
    )
    with pytest.raises(EnvironmentProblem, match=r"board cannot be reached: .*refused") as caught:
        transport.start("null", ONE)
    assert type(caught.value) is EnvironmentProblem


def test_no_ssh_client() -> None:
    with pytest.raises(EnvironmentProblem, match="/no/ssh"):
        SshTransport("board", ssh_command=("/no/ssh",)).start("null", ONE)


@pytest.mark.parametrize("word", ["-oProxyCommand=touch /tmp/x", "a b", "x;reboot", "$(x)", "a'b"])
def test_words_that_a_shell_could_misunderstand(word: str) -> None:
    with pytest.raises(BadInput):
        SshTransport(word)
    with pytest.raises(BadInput):
        SshTransport("board", python=word)


def test_no_python(reach: Reach, cache: Path) -> None:
    with pytest.raises(EnvironmentProblem, match="there is no python9 on board") as caught:
        reach(python="python9").start("null", ONE)
    assert "--python" in (caught.value.cure or "")
    assert files(cache) == []


def script(folder: Path, text: str) -> str:
    path = folder / "python"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def test_an_old_python(reach: Reach, tmp_path: Path) -> None:
    # What the bundle itself says under such a Python.
    code = (
        "import runpy, sys; sys.version, sys.version_info = '3.6.9 (old)', (3, 6, 9); "
        "runpy.run_path(sys.argv[1], run_name='__main__')"
    )
    old = script(
        tmp_path,
        f'[ "$1" = -c ] && exec {sys.executable} "$@"; exec {sys.executable} -c "{code}" "$@"',
    )
    with pytest.raises(EnvironmentProblem, match=r"on board is too old: Python 3\.6\.9"):
        reach(python=old).start("null", ONE)


def test_an_agent_that_speaks_another_protocol(reach: Reach, tmp_path: Path) -> None:
    hello = '{"type":"Hello","protocol":1,"agent_version":"0","machine":{},"backend":{}}'
    old = script(
        tmp_path,
        f'[ "$1" = -c ] && exec {sys.executable} "$@"\necho \'{hello}\'; cat > /dev/null',
    )
    with pytest.raises(ProtocolError, match="speaks protocol 1, this one 2") as caught:
        reach(python=old).start("null", ONE)
    assert caught.value.cure == "install the same version of sgnas-deploy on both sides"


def test_a_chatty_login(reach: Reach) -> None:
    with reach(key="noisy").start("null", ONE) as agent:
        assert agent.measure(b"model", PLAN).timing.samples_s


def test_a_disk_that_is_full(reach: Reach, cache: Path) -> None:
    with pytest.raises(EnvironmentProblem, match="the agent cannot be stored on board"):
        reach(key="small").start("null", ONE)
    assert files(cache) == []


def test_a_cut_while_the_agent_is_sent(reach: Reach, cache: Path, tmp_path: Path) -> None:
    # The Python that checks the hash gets half of the file, as `cat` does when the line is cut.
    half = script(
        tmp_path, f'[ "$1" = -c ] && {{ head -c 1000 | {sys.executable} "$@"; exit $?; }}; exit 1'
    )
    with pytest.raises(EnvironmentProblem, match="arrived damaged on board"):
        reach(python=half).start("null", ONE)
    assert files(cache) == []


def test_an_agent_that_is_killed(reach: Reach, cache: Path) -> None:
    transport = reach()
    with transport.start("null", ONE) as agent:
        (pid,) = agents(cache)
        killer = threading.Timer(0.2, os.kill, (pid, signal.SIGKILL))
        killer.start()
        with pytest.raises(EnvironmentProblem, match="was killed by SIGKILL") as caught:
            agent.measure(b"", LONG)
        assert type(caught.value) is EnvironmentProblem
        assert "memory" in (caught.value.cure or "")
    with transport.start("null", ONE) as agent:
        assert agent.measure(b"", PLAN).timing.samples_s


def test_a_cut_in_the_middle_of_a_model(server: Server, reach: Reach, cache: Path) -> None:
    transport = reach()
    with transport.start("null", ONE) as agent:
        cutter = threading.Timer(0.2, server.cut)
        cutter.start()
        with pytest.raises(ConnectionLost, match="the connection to board was lost") as caught:
            agent.measure(b"", LONG)
        assert caught.value.exit_code == 4
    # Nobody goes on measuring for nobody, and the way is open again.
    wait_for(lambda: not agents(cache))
    with transport.start("null", ONE) as agent:
        assert agent.measure(b"", PLAN).timing.samples_s


def test_a_client_that_gives_up_leaves_nothing_running(reach: Reach, cache: Path) -> None:
    transport = reach(idle_timeout_s=0.3)
    agent = transport.start("null", ONE)
    with pytest.raises(EnvironmentProblem, match=r"said nothing for 0\.3 s"):
        agent.measure(b"", LONG)
    wait_for(lambda: not agents(cache))
