"""The serving loop, within this process."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from sgnas_profilers import __version__, agent, backends, machine, protocol
from sgnas_profilers.backends import Option, RunOptions
from sgnas_profilers.errors import BadInput, EnvironmentProblem
from sgnas_profilers.protocol import (
    PROTOCOL_VERSION,
    BuildDone,
    Failure,
    HelloRequest,
    MeasureRequest,
    Progress,
    ProtocolError,
)
from sgnas_profilers.timing import Clock, Timing, TimingPlan
from sgnas_profilers.transports import Hello, Measurement
from tests.fakes.clock import FakeClock

HELLO = protocol.encode(HelloRequest(PROTOCOL_VERSION, "fake", RunOptions(1)))
PLAN = TimingPlan(2, 0, 0, 3)


def model(data: bytes) -> bytes:
    sent = protocol.pack(data)
    return protocol.encode(MeasureRequest(len(data), len(sent), PLAN)) + sent


class FakeBackend:
    """Obeys the model: `b"raise"` raises `error` in a run, anything else takes a millisecond."""

    def __init__(self, clock: FakeClock, error: Exception) -> None:
        self.clock = clock
        self.error = error
        self.open_sessions = 0
        self.models: list[bytes] = []

    def describe(self, options: RunOptions) -> dict[str, str]:
        return {"runtime": "fake", "threads": str(options.threads)}

    def open(self, model: bytes, options: RunOptions) -> Any:
        assert self.open_sessions == 0, "one session at a time"
        self.open_sessions += 1
        self.models.append(model)
        return FakeSession(self, model)


class FakeSession:
    def __init__(self, backend: FakeBackend, model: bytes) -> None:
        self._backend = backend
        self._model = model

    def time_s(self, loops: int, clock: Clock) -> float:
        if self._model == b"raise":
            raise self._backend.error
        self._backend.clock.advance_ns(loops * 1_000_000)
        return loops * 0.001

    def close(self) -> None:
        self._backend.open_sessions -= 1


class Talk:
    """Says everything at once and collects the answers."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clock = FakeClock()
        self.backend = FakeBackend(self.clock, ZeroDivisionError("a bug"))
        monkeypatch.setattr(backends, "load", lambda name: self.backend)

    def __call__(self, *said: bytes) -> list[protocol.Response]:
        answers = io.BytesIO()
        agent.serve(io.BytesIO(b"".join(said)), answers, self.clock)
        lines = answers.getvalue().splitlines(keepends=True)
        return [protocol.decode_response(line) for line in lines]


@pytest.fixture
def talk(monkeypatch: pytest.MonkeyPatch) -> Talk:
    return Talk(monkeypatch)


def test_says_nothing_unasked(talk: Talk) -> None:
    assert talk() == []


def test_introduces_machine_and_backend(talk: Talk) -> None:
    (hello,) = talk(HELLO)
    facts = {"runtime": "fake", "threads": "1"}
    assert hello == Hello(PROTOCOL_VERSION, __version__, machine.fingerprint(), facts)


def test_measures_one_model_after_the_other(talk: Talk) -> None:
    _, first, second = talk(HELLO, model(b"one\n\n"), model(b""))
    for measurement in (first, second):
        assert isinstance(measurement, Measurement)
        assert measurement.timing == Timing((0.001, 0.001, 0.001), 1, 2)
        assert measurement.state["denormals_flushed"] in {"yes", "no"}
        assert measurement.peak_rss_bytes > 0
    assert talk.backend.models == [b"one\n\n", b""]
    assert talk.backend.open_sessions == 0


def test_an_error_is_an_answer_and_the_next_model_is_measured(talk: Talk) -> None:
    talk.backend.error = BadInput("no such operator", "export it anew")
    _, failure, measurement = talk(HELLO, model(b"raise"), model(b"fine"))
    assert failure == Failure("BadInput", "no such operator", "export it anew", None)
    assert isinstance(measurement, Measurement)
    assert talk.backend.open_sessions == 0


def test_a_bug_is_an_answer_with_its_traceback(talk: Talk) -> None:
    _, failure, measurement = talk(HELLO, model(b"raise"), model(b"fine"))
    assert isinstance(failure, Failure)
    assert failure.kind == "bug"
    assert failure.message == "the agent failed: ZeroDivisionError: a bug"
    assert "in time_s" in (failure.traceback or "")
    assert isinstance(measurement, Measurement)


def test_want_of_memory_is_the_environments_problem(talk: Talk) -> None:
    talk.backend.error = MemoryError()
    _, failure = talk(HELLO, model(b"raise"))
    assert isinstance(failure, Failure)
    assert isinstance(protocol.error_of(failure), EnvironmentProblem)
    assert failure.message == "the device ran out of memory"


def test_a_model_before_the_backend_is_refused(talk: Talk) -> None:
    (failure,) = talk(model(b"early"))
    assert isinstance(failure, Failure)
    assert isinstance(protocol.error_of(failure), ProtocolError)


def test_more_threads_than_cpus_are_refused(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "usable_cpus", lambda: (0, 3))
    greedy = protocol.encode(HelloRequest(PROTOCOL_VERSION, "fake", RunOptions(3)))
    assert talk(greedy) == [
        Failure(
            "BadInput",
            "3 threads were asked for, but only 2 CPUs may be used",
            "ask for at most 2",
            None,
        )
    ]


@pytest.mark.parametrize(
    "nonsense",
    [
        b"what?\n",
        b"no newline",
        HELLO.replace(b'"protocol":2', b'"protocol":3'),
        protocol.encode(MeasureRequest(100, 100, PLAN)) + b"only this",
    ],
)
def test_after_nonsense_nothing_more_is_believed(talk: Talk, nonsense: bytes) -> None:
    answers = talk(HELLO, nonsense, b"", model(b"fine"))[1:]
    if nonsense.endswith(b"only this"):
        # The missing bytes were taken from what followed.
        answers = talk(HELLO, nonsense)[1:]
    (failure,) = answers
    assert isinstance(failure, Failure)
    assert failure.kind == "ProtocolError"


class _Deaf(io.BytesIO):
    def write(self, data: object) -> int:
        raise BrokenPipeError


def test_ends_when_nobody_listens(talk: Talk) -> None:
    agent.serve(io.BytesIO(HELLO + model(b"one")), _Deaf(), talk.clock)
    assert talk.backend.models == []


class Builder(FakeBackend):
    """Builds the model backwards; `b"raise"` raises `error`, `b"slow"` waits for `go_on`."""

    def __init__(self, clock: FakeClock, error: Exception) -> None:
        super().__init__(clock, error)
        self.go_on = threading.Event()

    def build(
        self,
        model: bytes,
        options: Mapping[str, Option],
        progress: Callable[[str, float], None],
    ) -> tuple[bytes, dict[str, str]]:
        progress("reading", 0.5)
        if model == b"raise":
            raise self.error
        if model == b"slow":
            assert self.go_on.wait(60)
        progress("writing", 1.5)
        return model[::-1], {"options": repr(dict(options))}


def build(data: bytes, **options: Option) -> bytes:
    sent = protocol.pack(data)
    return protocol.encode(protocol.BuildRequest(len(data), len(sent), options)) + sent


def split(said: bytes) -> list[Any]:
    """Messages, and the bytes that follow some of them."""
    stream, found = io.BytesIO(said), list[Any]()
    while line := protocol.read_line(stream):
        found.append(protocol.decode_response(line))
        if isinstance(found[-1], BuildDone):
            found.append(protocol.read_exactly(stream, found[-1].artefact_bytes))
    return found


def served(monkeypatch: pytest.MonkeyPatch, backend: FakeBackend, *said: bytes) -> list[Any]:
    monkeypatch.setattr(backends, "load", lambda name: backend)
    answers = io.BytesIO()
    agent.serve(io.BytesIO(b"".join(said)), answers, backend.clock)
    return split(answers.getvalue())


def test_builds_and_tells_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    backend = Builder(FakeClock(), BadInput("no such option"))
    options: dict[str, Option] = {"fp16": True, "level": 3, "shapes": [1, 8], "cache": None}
    hello, *answers, last = served(
        monkeypatch, backend, HELLO, build(b"onnx" * 1000, **options), build(b"raise"), model(b"")
    )
    assert isinstance(hello, Hello)
    assert answers == [
        Progress("reading", 0.5),
        Progress("writing", 1.0),
        BuildDone(4000, {"options": repr(options)}),
        b"xnno" * 1000,
        Progress("reading", 0.5),
        Failure("BadInput", "no such option", None, None),
    ]
    assert isinstance(last, Measurement)


def test_a_backend_that_builds_nothing_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    backend = FakeBackend(FakeClock(), ValueError())
    _, failure, measurement = served(monkeypatch, backend, HELLO, build(b"onnx"), model(b""))
    assert failure.kind == "BadInput"
    assert failure.message.startswith("the backend 'fake' builds nothing")
    assert isinstance(measurement, Measurement)


def test_a_long_build_shows_that_it_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    backend = Builder(FakeClock(), ValueError())
    monkeypatch.setattr(agent, "HEARTBEAT_S", 0.001)

    class Listening(io.BytesIO):
        beats = 0

        def write(self, data: Any) -> int:
            self.beats += b"reading" in bytes(data)
            if self.beats > 4:
                backend.go_on.set()
            return super().write(data)

    monkeypatch.setattr(backends, "load", lambda name: backend)
    answers = Listening()
    agent.serve(io.BytesIO(HELLO + build(b"slow")), answers, backend.clock)
    *_, done, artefact = split(answers.getvalue())
    assert isinstance(done, BuildDone)
    assert artefact == b"wols"


def test_a_build_for_nobody_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    backend = Builder(FakeClock(), ValueError())
    monkeypatch.setattr(backends, "load", lambda name: backend)
    talk = io.BytesIO(HELLO + build(b"never waits, for it is told") + model(b""))

    class Hangs(io.BytesIO):
        def write(self, data: Any) -> int:
            if b"Progress" in bytes(data):
                raise BrokenPipeError
            return super().write(data)

    agent.serve(talk, Hangs(), backend.clock)
    assert backend.models == [], "nothing was measured after it"


def test_a_plan_is_for_a_backend_that_opens_plans(monkeypatch: pytest.MonkeyPatch) -> None:
    hello = protocol.encode(HelloRequest(PROTOCOL_VERSION, "fake", RunOptions(1, "plan")))
    (refused,) = served(monkeypatch, FakeBackend(FakeClock(), ValueError()), hello)
    assert refused.message == "the backend 'fake' opens no plan files"
    planner = Builder(FakeClock(), ValueError())
    planner.artefacts = ("onnx", "plan")  # type: ignore[attr-defined]
    (accepted,) = served(monkeypatch, planner, hello)
    assert isinstance(accepted, Hello)
