"""The codec: what goes in comes out, and nothing else gets in."""

from __future__ import annotations

import io
import json
import random
import zlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sgnas_profilers import agent, errors, protocol
from sgnas_profilers.backends import RunOptions
from sgnas_profilers.errors import BadInput, SgnasError
from sgnas_profilers.protocol import (
    PROTOCOL_VERSION,
    BuildRequest,
    Failure,
    HelloRequest,
    MeasureRequest,
    ProtocolError,
)
from sgnas_profilers.timing import Timing, TimingPlan
from sgnas_profilers.transports import Hello, Measurement
from tests.fakes.clock import FakeClock

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
facts = st.dictionaries(texts, texts, max_size=4)
seconds = st.floats(0, 3600)
scalars = st.one_of(
    st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), texts
)
requests = st.one_of(
    st.builds(
        HelloRequest,
        protocol=st.just(PROTOCOL_VERSION),
        backend=texts,
        options=st.builds(
            RunOptions, threads=st.integers(1, 1024), artefact=st.sampled_from(["onnx", "plan"])
        ),
    ),
    st.builds(
        BuildRequest,
        model_bytes=st.integers(1000, protocol.MAX_MODEL_BYTES),
        sent_bytes=st.integers(0, 1000),
        options=st.dictionaries(
            texts, st.none() | scalars | st.lists(scalars, max_size=3), max_size=4
        ),
    ),
    st.builds(
        MeasureRequest,
        model_bytes=st.integers(1000, protocol.MAX_MODEL_BYTES),
        sent_bytes=st.integers(0, 1000),
        plan=st.builds(
            TimingPlan,
            warmup_runs=st.integers(0, 1000),
            warmup_s=seconds,
            sample_s=seconds,
            samples=st.integers(1, 1000),
        ),
    ),
)
responses = st.one_of(
    st.builds(
        Hello,
        protocol=st.just(PROTOCOL_VERSION),
        agent_version=texts,
        machine=facts,
        backend=facts,
    ),
    st.builds(
        Measurement,
        timing=st.builds(
            Timing,
            samples_s=st.lists(seconds, min_size=1, max_size=20).map(tuple),
            inner_loops=st.integers(1, 1000),
            warmup_runs=st.integers(0, 1000),
        ),
        state=st.dictionaries(
            texts, st.one_of(texts, st.floats(allow_nan=False, allow_infinity=False)), max_size=4
        ),
        peak_rss_bytes=st.integers(0, 1 << 40),
    ),
    st.builds(protocol.Progress, phase=texts, share=st.floats(0, 1)),
    st.builds(
        protocol.BuildDone, artefact_bytes=st.integers(0, protocol.MAX_MODEL_BYTES), facts=facts
    ),
    st.builds(
        Failure,
        kind=st.sampled_from(["bug", "BadInput", "EnvironmentProblem", "ProtocolError"]),
        message=texts,
        cure=st.none() | texts,
        traceback=st.none() | texts,
    ),
)


ODD_VALUES: list[object] = [
    *(None, True, -1, 0, 0.5, 10**400, "", "\ud800"),
    *([], [[]], {}, {"": 1}),
]


@st.composite
def mutated(draw: st.DrawFn, lines: st.SearchStrategy[bytes]) -> bytes:
    """A line with a few bytes replaced, removed or put in, or one of its values exchanged."""
    line = draw(lines)
    if draw(st.booleans()):
        message = json.loads(line)
        part = message
        while True:
            key = draw(st.sampled_from(sorted(part)))
            if isinstance(part[key], dict) and part[key] and draw(st.booleans()):
                part = part[key]
                continue
            break
        part[key] = draw(st.sampled_from(ODD_VALUES))
        return json.dumps(message).encode() + b"\n"
    data = bytearray(line)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        data[at : at + draw(st.integers(0, 3))] = draw(st.binary(max_size=3))
    return bytes(data)


@settings(deadline=None)
@given(requests)
def test_requests_come_back(request: protocol.Request) -> None:
    line = protocol.encode(request)
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    assert protocol.decode_request(line) == request


@settings(deadline=None)
@given(responses)
def test_responses_come_back(response: protocol.Response) -> None:
    line = protocol.encode(response)
    assert line.count(b"\n") == 1
    assert protocol.decode_response(line) == response


@settings(deadline=None)
@given(mutated(requests.map(protocol.encode)))
def test_a_mutated_request_is_a_request_or_refused(line: bytes) -> None:
    try:
        request = protocol.decode_request(line)
    except SgnasError:
        return
    assert protocol.decode_request(protocol.encode(request)) == request


@settings(deadline=None)
@given(mutated(responses.map(protocol.encode)))
def test_a_mutated_response_is_a_response_or_refused(line: bytes) -> None:
    try:
        response = protocol.decode_response(line)
    except ProtocolError:
        return
    assert protocol.decode_response(protocol.encode(response)) == response


@settings(deadline=None)
@given(st.lists(st.one_of(mutated(requests.map(protocol.encode)), st.binary()), max_size=4))
def test_the_agent_answers_any_input(lines: list[bytes]) -> None:
    # No hello that chooses a backend gets through unmutated, so nothing is ever timed for hours.
    lines = [line for line in lines if b"null" not in line and b"onnxruntime" not in line]
    answers = io.BytesIO()
    agent.serve(io.BytesIO(b"".join(lines)), answers, FakeClock())
    for answer in answers.getvalue().splitlines(keepends=True):
        assert isinstance(protocol.decode_response(answer), Failure)


HELLO = {
    "type": "Hello",
    "protocol": PROTOCOL_VERSION,
    "agent_version": "1",
    "machine": {},
    "backend": {},
}


def line(**changes: Any) -> bytes:
    return json.dumps({**HELLO, **changes}).encode() + b"\n"


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (b"", "not JSON"),
        (b"\xff\n", "not JSON"),
        (b"[" * 200_000, "not JSON"),
        (b"[1]\n", "not a JSON object"),
        (b"{}\n", "'type' is missing"),
        (b'{"type": "Hello", "type": "Hello"}\n', "not JSON"),
        (line(type=7), "'type' is not a text"),
        (line(type="Goodbye"), "no response 'Goodbye'"),
        (line(type="HelloRequest"), "no response 'HelloRequest'"),
        (line(machine={"cpu": 3}), "'machine' is not a text"),
        (line(machine=[]), "'machine' is not an object"),
        (line(agent_version="\ud800"), "'agent_version' is not a text"),
        (line(more=1), "unknown field 'more'"),
        (line(protocol=PROTOCOL_VERSION + 1, shape="unknown"), "speaks protocol 3, this one 2"),
        (line(protocol=True), "speaks protocol True"),
        (line().replace(b'"1"', b"NaN"), "not JSON"),
        (line(type="Failure", kind="Nonsense"), "missing"),
    ],
)
def test_why_a_response_is_refused(bad: bytes, reason: str) -> None:
    with pytest.raises(ProtocolError, match=reason):
        protocol.decode_response(bad)


def test_another_version_is_refused_with_the_cure() -> None:
    with pytest.raises(ProtocolError) as caught:
        protocol.decode_response(line(protocol=99))
    assert caught.value.cure == "install the same version of sgnas-deploy on both sides"


@pytest.mark.parametrize("sample", ["NaN", "Infinity", "1e999", "-0.1", '"1"', "true", "null"])
def test_a_sample_is_a_time(sample: str) -> None:
    good = protocol.encode(Measurement(Timing((0.5,), 1, 1), {}, 1))
    assert isinstance(protocol.decode_response(good), Measurement)
    with pytest.raises(ProtocolError):
        protocol.decode_response(good.replace(b"0.5", sample.encode()))


@pytest.mark.parametrize(
    "measurement",
    [
        Measurement(Timing((), 1, 1), {}, 1),
        Measurement(Timing((0.5,), 0, 1), {}, 1),
        Measurement(Timing((0.5,), 1, -1), {}, 1),
        Measurement(Timing((0.5,), 1, 1), {}, -1),
    ],
)
def test_impossible_measurements_are_refused(measurement: Measurement) -> None:
    with pytest.raises(ProtocolError, match="impossible"):
        protocol.decode_response(protocol.encode(measurement))


def test_a_plan_out_of_range_is_the_clients_bad_input() -> None:
    good = protocol.encode(MeasureRequest(1, 1, TimingPlan(1, 0, 0, 5)))
    with pytest.raises(BadInput, match="samples must be"):
        protocol.decode_request(good.replace(b'"samples":5', b'"samples":0'))


def test_reading_stops_where_the_stream_is_cut() -> None:
    assert protocol.read_line(io.BytesIO(b"")) == b""
    with pytest.raises(ProtocolError, match="a line is cut"):
        protocol.read_line(io.BytesIO(b"abc"))
    with pytest.raises(ProtocolError, match="2 of 3 bytes"):
        protocol.read_exactly(io.BytesIO(b"ab"), 3)


def test_an_endless_line_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "MAX_LINE_BYTES", 10)
    with pytest.raises(ProtocolError, match="too long"):
        protocol.read_line(io.BytesIO(b"x" * 100 + b"\n"))


LEAVES = [
    SgnasError,
    errors.ClearNo,
    errors.BadInput,
    errors.TooNoisy,
    errors.EnvironmentProblem,
    ProtocolError,
]


@pytest.mark.parametrize("leaf", LEAVES)
@pytest.mark.parametrize("cure", [None, "do this — and that"])
def test_an_error_crosses_as_the_same_leaf(leaf: type[SgnasError], cure: str | None) -> None:
    failure = protocol.decode_response(protocol.encode(protocol.failure_of(leaf("it broke", cure))))
    assert isinstance(failure, Failure)
    error = protocol.error_of(failure)
    assert type(error) is leaf
    assert isinstance(error, SgnasError)
    assert (error.message, error.cure, error.exit_code) == ("it broke", cure, leaf.exit_code)


def test_every_leaf_of_the_family_can_cross() -> None:
    family = {kind for kind in vars(errors).values() if isinstance(kind, type)}
    assert family <= set(LEAVES)


def test_a_finer_error_crosses_as_its_family() -> None:
    class ModelTooLarge(BadInput):
        pass

    assert protocol.failure_of(ModelTooLarge("too large")).kind == "BadInput"


def test_a_bug_crosses_with_its_traceback() -> None:
    try:
        raise ZeroDivisionError("by zero, at \udcff")
    except ZeroDivisionError as bug:
        failure = protocol.decode_response(protocol.encode(protocol.failure_of(bug)))
    assert isinstance(failure, Failure)
    error = protocol.error_of(failure)
    assert isinstance(error, protocol.AgentBug)
    assert not isinstance(error, SgnasError)
    assert "test_a_bug_crosses_with_its_traceback" in error.traceback
    assert "ZeroDivisionError: by zero, at ?" in str(error)


@settings(deadline=None)
@given(st.one_of(st.binary(max_size=300), st.binary(max_size=9).map(lambda part: part * 50_000)))
def test_a_model_is_unpacked_as_it_was(model: bytes) -> None:
    sent = protocol.pack(model)
    assert len(sent) <= len(model)
    assert protocol.unpack(sent, len(model)) == model


def test_what_does_not_shrink_is_sent_as_it_is() -> None:
    model = random.Random(1).randbytes(1 << 20)
    assert protocol.pack(model) is model


@pytest.mark.parametrize(
    ("sent", "size"),
    [
        (b"no zlib", 100),
        (zlib.compress(bytes(1000))[:-3], 1000),
        (zlib.compress(bytes(1000)), 999),
        (zlib.compress(bytes(1000)), 1001),
        (zlib.compress(bytes(1 << 24)), 1 << 20),
        (zlib.compress(bytes(1000)) + b"more", 1000),
    ],
)
def test_a_compressed_model_that_is_damaged(sent: bytes, size: int) -> None:
    with pytest.raises(ProtocolError, match="a compressed model"):
        protocol.unpack(sent, size)
