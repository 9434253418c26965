"""One contract for all transports, then what a local agent has to survive."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar

import pytest

import sgnas_profilers
from sgnas_profilers import backends, machine
from sgnas_profilers.backends import RunOptions
from sgnas_profilers.errors import BadInput, EnvironmentProblem
from sgnas_profilers.protocol import PROTOCOL_VERSION, AgentBug, ProtocolError
from sgnas_profilers.timing import TimingPlan
from sgnas_profilers.transports import Agent, Transport
from sgnas_profilers.transports.local import LocalTransport
from sgnas_profilers.transports.stream import StreamAgent
from tests.profilers import onnx_models

ONE = RunOptions(1)
PLAN = TimingPlan(2, 0, 1e-5, 3)


class TransportContract:
    """What every transport must do, for a backend."""

    backend: ClassVar[str]
    model: ClassVar[bytes]

    @pytest.fixture
    def transport(self) -> Transport:
        raise NotImplementedError

    @pytest.fixture
    def agent(self, transport: Transport) -> Iterator[Agent]:
        with transport.start(self.backend, ONE) as agent:
            yield agent

    def test_introduces_itself(self, agent: Agent) -> None:
        assert agent.hello.protocol == PROTOCOL_VERSION
        assert agent.hello.agent_version == sgnas_profilers.__version__
        assert {"arch", "cpus", "kernel"} <= set(agent.hello.machine)
        assert agent.hello.backend == backends.load(self.backend).describe(ONE)

    def test_measures_one_model_after_the_other(self, agent: Agent) -> None:
        for samples in (1, 5):
            measurement = agent.measure(self.model, TimingPlan(2, 0, 1e-5, samples))
            assert len(measurement.timing.samples_s) == samples
            assert min(measurement.timing.samples_s) > 0
            assert measurement.timing.warmup_runs > 2
            assert measurement.peak_rss_bytes > 1 << 20
            assert "denormals_flushed" in measurement.state

    def test_an_unknown_backend(self, transport: Transport) -> None:
        with pytest.raises(BadInput, match="there is no backend 'nul'") as caught:
            transport.start("nul", ONE)
        assert caught.value.cure == f"choose one of: {', '.join(backends.names())}"

    def test_more_threads_than_cpus(self, transport: Transport) -> None:
        with pytest.raises(BadInput, match="1024 threads"):
            transport.start(self.backend, RunOptions(1024))

    def test_builds_nothing_and_goes_on(self, agent: Agent) -> None:
        with pytest.raises(BadInput, match=f"the backend '{self.backend}' builds nothing"):
            agent.build(self.model, {})
        assert agent.measure(self.model, PLAN).timing.samples_s

    def test_a_closed_agent_measures_no_more(self, agent: Agent) -> None:
        agent.close()
        agent.close()
        with pytest.raises(EnvironmentProblem, match="closed"):
            agent.measure(self.model, PLAN)

    def test_agents_are_fresh_and_independent(self, transport: Transport, agent: Agent) -> None:
        with transport.start(self.backend, ONE) as other:
            other.measure(self.model, PLAN)
        assert agent.measure(self.model, PLAN).timing.samples_s


class _Local(TransportContract):
    @pytest.fixture
    def transport(self) -> Transport:
        return LocalTransport()

    def test_is_called_local(self, transport: Transport) -> None:
        assert transport.name == "local"


class TestLocalNull(_Local):
    backend = "null"
    # Larger than a pipe holds.
    model = bytes(range(256)) * 8192


class TestLocalOnnxRuntime(_Local):
    backend = "onnxruntime"
    model = onnx_models.conv()

    def test_goes_on_after_a_damaged_model(self, agent: Agent) -> None:
        with pytest.raises(BadInput, match="onnxruntime cannot open the model"):
            agent.measure(self.model[:-1], PLAN)
        assert agent.measure(self.model, PLAN).timing.samples_s

    def test_denormals_are_flushed_as_recorded(self, agent: Agent) -> None:
        state = agent.measure(self.model, PLAN).state
        if agent.hello.machine["arch"] == "x86_64":
            assert state["denormals_flushed"] == "yes"
        assert not machine.denormals_are_flushed(), "the client is untouched"


# Backends that misbehave, as files beside the real ones.

ODD_BACKENDS = {
    "chatty": """
        print("from Python, model of", len(self.model), flush=True)
        os.write(1, b"from the system call\\n")
        os.system("echo from a child")
        ctypes.CDLL(None).puts(b"from C")
        sys.__stdout__.write("around sys.stdout")
        assert sys.stdin.read() == "", "stdin is not ours to read"
    """,
    "buggy": "return self.no_such_attribute",
    "crashing": """
        sys.stderr.write("reading the engine\\nout of \\x1b[31mcookies\\n")
        os._exit(3)
    """,
    "aborting": "os.abort()",
    "sleeping": """
        # The model is the path of a file that says how far we are.
        open(self.model.decode(), "w").close()
        time.sleep(1000)
    """,
    "spawning": """
        child = subprocess.Popen(["sleep", "1000"])
        with open(self.model.decode(), "w") as file:
            file.write(str(child.pid))
    """,
}
ODD_BACKEND = """
import ctypes, os, subprocess, sys, time

class Session:
    def __init__(self, model):
        self.model = model
    def time_s(self, loops, clock):
        {body}
        return 0.001 * loops
    def close(self):
        pass

class Backend:
    def describe(self, options):
        return {{"runtime": "odd"}}
    def open(self, model, options):
        return Session(model)
    def build(self, model, options, progress):
        progress("reading", 0.25)
        Session(model).time_s(1, None)
        return model * 2, {{"options": str(options)}}

def backend():
    return Backend()
"""
START = """
import sys, runpy
sys.path.insert(0, sys.argv[1])
import sgnas_profilers.backends
sgnas_profilers.backends.__path__.append(sys.argv[2])
runpy.run_module("sgnas_profilers", run_name="__main__")
"""
PACKAGE = Path(sgnas_profilers.__file__).parent

Start = Callable[..., StreamAgent]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start an agent that has the odd backends too."""
    folder = tmp_path / "odd"
    folder.mkdir()
    for name, body in ODD_BACKENDS.items():
        (folder / f"{name}.py").write_text(ODD_BACKEND.format(body=body.strip()))
    command = [sys.executable, "-c", START, str(PACKAGE.parent), str(folder)]
    started: list[StreamAgent] = []

    def start(backend: str, idle_timeout_s: float = 60) -> StreamAgent:
        agent = StreamAgent(command, "the test's agent", backend, ONE, 60, idle_timeout_s)
        started.append(agent)
        return agent

    yield start
    for agent in started:
        agent.close()


@pytest.fixture
def heeds_ctrl_c() -> Iterator[None]:
    """A shell's background job, which this may be, ignores Ctrl-C, and so do its children."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def is_running(pid: int) -> bool:
    """Whether a process lives; a zombie does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def wait_for(condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.005)


def once(path: Path, action: Callable[[], None]) -> threading.Thread:
    """Act as soon as the file exists."""

    def watch() -> None:
        wait_for(path.exists)
        action()

    thread = threading.Thread(target=watch)
    thread.start()
    return thread


def test_what_a_runtime_prints_does_not_reach_the_stream(start: Start) -> None:
    agent = start("chatty")
    assert agent.measure(b"model", PLAN).timing.samples_s == pytest.approx([0.001] * 3)
    assert agent.measure(b"again", PLAN).timing.samples_s == pytest.approx([0.001] * 3)


def test_a_bug_of_the_agent_arrives_with_its_traceback_and_the_agent_lives(start: Start) -> None:
    agent = start("buggy")
    for _ in range(2):
        with pytest.raises(AgentBug, match="no_such_attribute") as caught:
            agent.measure(b"model", PLAN)
        assert "buggy.py" in caught.value.traceback


def test_a_build_over_two_pipes(start: Start) -> None:
    agent = start("chatty")
    told: list[tuple[str, float]] = []
    model = bytes(range(256)) * 4096
    built = agent.build(model, {"level": 3}, lambda phase, share: told.append((phase, share)))
    assert built.artefact == model * 2
    assert built.facts == {"options": "{'level': 3}"}
    assert told[0] == ("reading", 0.25)
    assert agent.build(b"again", {}).artefact == b"againagain"
    assert agent.measure(b"model", PLAN).timing.samples_s


def test_a_build_whose_listener_fails_ends_the_agent(start: Start) -> None:
    def fail(phase: str, share: float) -> None:
        raise LookupError(phase)

    agent = start("chatty")
    with pytest.raises(LookupError, match="reading"):
        agent.build(b"model", {}, fail)
    assert not is_running(agent.pid)


def test_kill_9_in_the_middle_of_a_build(start: Start, tmp_path: Path) -> None:
    agent = start("sleeping")
    marker = tmp_path / "running"
    killer = once(marker, lambda: os.kill(agent.pid, signal.SIGKILL))
    with pytest.raises(EnvironmentProblem, match="killed by SIGKILL"):
        agent.build(str(marker).encode(), {})
    killer.join()


def test_an_agent_ends_with_its_client_in_the_middle_of_a_model(
    start: Start, tmp_path: Path
) -> None:
    agent = start("sleeping")
    marker = tmp_path / "running"
    hang_up = once(marker, agent._child._to_child.close)
    with pytest.raises(EnvironmentProblem, match="code 143"):
        agent.measure(str(marker).encode(), PLAN)
    hang_up.join()


def test_a_crash_is_told_with_the_last_words(start: Start) -> None:
    agent = start("crashing")
    with pytest.raises(
        EnvironmentProblem,
        match=r"the test's agent ended unexpectedly with code 3, "
        r"saying: reading the engine / out of \?\[31mcookies;",
    ) as caught:
        agent.measure(b"model", PLAN)
    assert type(caught.value) is EnvironmentProblem
    assert caught.value.cure is not None
    assert not is_running(agent.pid)
    with pytest.raises(EnvironmentProblem, match="closed"):
        agent.measure(b"model", PLAN)


def test_an_abort_within_a_runtime_leaves_its_stack(start: Start) -> None:
    agent = start("aborting")
    with pytest.raises(EnvironmentProblem, match=r"killed by SIGABRT, saying: .*aborting\.py"):
        agent.measure(b"model", PLAN)


def test_kill_9_in_the_middle_of_a_model(start: Start, tmp_path: Path) -> None:
    agent = start("sleeping")
    marker = tmp_path / "running"
    killer = once(marker, lambda: os.kill(agent.pid, signal.SIGKILL))
    with pytest.raises(EnvironmentProblem, match="killed by SIGKILL") as caught:
        agent.measure(str(marker).encode(), PLAN)
    killer.join()
    assert "memory" in (caught.value.cure or "")
    with pytest.raises(ProcessLookupError):
        os.kill(agent.pid, 0)


def test_an_agent_that_falls_silent_is_killed(start: Start, tmp_path: Path) -> None:
    agent = start("sleeping", idle_timeout_s=0.2)
    with pytest.raises(EnvironmentProblem, match=r"said nothing for 0\.2 s"):
        agent.measure(str(tmp_path / "running").encode(), PLAN)
    with pytest.raises(ProcessLookupError):
        os.kill(agent.pid, 0)


def test_an_agent_that_stops_reading_is_killed(start: Start) -> None:
    agent = start("chatty", idle_timeout_s=0.2)
    os.kill(agent.pid, signal.SIGSTOP)
    with pytest.raises(EnvironmentProblem, match=r"said nothing for 0\.2 s"):
        agent.measure(bytes(1 << 22), PLAN)
    with pytest.raises(ProcessLookupError):
        os.kill(agent.pid, 0)


@pytest.mark.usefixtures("heeds_ctrl_c")
def test_ctrl_c_while_waiting_ends_the_agent(start: Start, tmp_path: Path) -> None:
    agent = start("sleeping")
    marker = tmp_path / "running"
    interrupter = once(marker, lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        agent.measure(str(marker).encode(), PLAN)
    interrupter.join()
    with pytest.raises(ProcessLookupError):
        os.kill(agent.pid, 0)


@pytest.mark.usefixtures("heeds_ctrl_c")
def test_the_agent_ignores_ctrl_c(start: Start) -> None:
    agent = start("chatty")
    os.kill(agent.pid, signal.SIGINT)
    assert agent.measure(b"model", PLAN).timing.samples_s


def test_the_agent_is_out_of_reach_of_our_terminal(start: Start) -> None:
    agent = start("chatty")
    assert os.getsid(agent.pid) == agent.pid != os.getsid(0)


def test_what_the_agent_started_ends_with_it(start: Start, tmp_path: Path) -> None:
    agent = start("spawning")
    note = tmp_path / "child"
    agent.measure(str(note).encode(), TimingPlan(0, 0, 0, 1))
    child = int(note.read_text())
    assert is_running(child)
    agent.close()
    wait_for(lambda: not is_running(child))


def test_an_exception_within_the_block_ends_the_agent() -> None:
    pids = []

    def fail() -> None:
        with LocalTransport().start("null", ONE) as agent:
            pids.append(agent.pid)
            raise LookupError("of the caller")

    with pytest.raises(LookupError, match="of the caller"):
        fail()
    with pytest.raises(ProcessLookupError):
        os.kill(pids[0], 0)


def test_the_agent_ends_by_itself_when_its_input_does() -> None:
    with LocalTransport().start("null", ONE) as agent:
        agent._child._to_child.close()
        wait_for(lambda: not is_running(agent.pid))


def test_files_in_the_current_folder_are_not_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("json", "select", "onnxruntime", "sgnas_profilers"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('a stranger was imported')")
    monkeypatch.chdir(tmp_path)
    with LocalTransport().start("onnxruntime", ONE) as agent:
        assert agent.measure(onnx_models.relu(), PLAN).timing.samples_s


def test_a_python_that_is_not_there() -> None:
    with pytest.raises(EnvironmentProblem, match=r"cannot be started: /no/such/python: No such"):
        LocalTransport(python="/no/such/python").start("null", ONE)


def test_a_python_that_is_none() -> None:
    with pytest.raises(EnvironmentProblem, match="ended unexpectedly with code 1"):
        LocalTransport(python="false").start("null", ONE)


def test_an_echo_is_not_an_agent() -> None:
    with pytest.raises(ProtocolError, match="no response 'HelloRequest'"):
        StreamAgent(["cat"], "the cat", "null", ONE)


def test_an_old_agent_is_refused_with_the_cure() -> None:
    hello = b'{"type": "Hello", "protocol": 0, "name": "old"}'
    with pytest.raises(ProtocolError, match="speaks protocol 0, this one 2") as caught:
        StreamAgent(["echo", hello.decode()], "the old agent", "null", ONE)
    assert caught.value.cure == "install the same version of sgnas-deploy on both sides"


def test_an_agent_without_end_of_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sgnas_profilers.transports.process.MAX_LINE_BYTES", 1 << 16)
    with pytest.raises(ProtocolError, match="endless line"):
        StreamAgent(["cat", "/dev/zero"], "the endless agent", "null", ONE)


def test_no_file_stays_open() -> None:
    def pipes_and_temporaries() -> int:
        files = [path for path in Path("/proc/self/fd").iterdir() if path.is_symlink()]
        names = [str(path.readlink()) for path in files]
        return sum(name.startswith("pipe:") or "(deleted)" in name for name in names)

    before = pipes_and_temporaries()
    with LocalTransport().start("null", ONE) as agent:
        agent.measure(b"", PLAN)
    with pytest.raises(BadInput):
        LocalTransport().start("nothing", ONE)
    with pytest.raises(EnvironmentProblem):
        LocalTransport(python="/no/such/python").start("null", ONE)
    assert pipes_and_temporaries() == before
