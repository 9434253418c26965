r"""What client and agent say to each other.

Each message is one line of JSON (UTF-8, ended by "\n"); some are followed by bytes. The client
speaks first, and every request gets one response:

    HelloRequest            -> Hello or Failure
    MeasureRequest + model  -> Measurement or Failure
    BuildRequest + model    -> Progress ... BuildDone + artefact, or Failure

A model travels as it is, or compressed (zlib) where that makes it smaller: `sent_bytes` is then
less than `model_bytes`. Decoding is strict: an unknown, missing or ill-typed field is a
`ProtocolError`, never a guess.

History of PROTOCOL_VERSION: 1, the first. 2, building, compressed models, plans.
"""

from __future__ import annotations

import json
import traceback as tracebacks
import zlib
from dataclasses import asdict, dataclass
from typing import BinaryIO, Mapping, Union

from sgnas_profilers import errors
from sgnas_profilers._fields import Fields
from sgnas_profilers._fields import ProtocolError as ProtocolError
from sgnas_profilers.backends import Option, RunOptions
from sgnas_profilers.errors import SgnasError
from sgnas_profilers.timing import Timing, TimingPlan
from sgnas_profilers.transports import Hello, Measurement

PROTOCOL_VERSION = 2
MAX_LINE_BYTES = 1 << 24
MAX_MODEL_BYTES = (1 << 31) - 1
"""No ONNX file is larger: protobuf's limit."""
_PROBE_BYTES = 1 << 16


class AgentBug(Exception):
    """The agent failed by a bug of ours; `traceback` is its text, from the device."""

    def __init__(self, message: str, traceback: str) -> None:
        super().__init__(f"{message}\n\nOn the device:\n{traceback}")
        self.traceback = traceback


@dataclass(frozen=True)
class HelloRequest:
    """Choose the backend, once, before anything is measured."""

    protocol: int
    backend: str
    options: RunOptions


@dataclass(frozen=True)
class MeasureRequest:
    """Measure the model of `model_bytes` bytes that follows the line in `sent_bytes` bytes."""

    model_bytes: int
    sent_bytes: int
    plan: TimingPlan


@dataclass(frozen=True)
class BuildRequest:
    """Build from the model of `model_bytes` bytes that follows the line in `sent_bytes` bytes."""

    model_bytes: int
    sent_bytes: int
    options: Mapping[str, Option]


@dataclass(frozen=True)
class Progress:
    """A build goes on: so much (0 to 1) of a phase is done."""

    phase: str
    share: float


@dataclass(frozen=True)
class BuildDone:
    """A build is over; the artefact's bytes follow the line."""

    artefact_bytes: int
    facts: Mapping[str, str]


@dataclass(frozen=True)
class Failure:
    """An error on its way to the client.

    Attributes:
        kind: name of a `SgnasError` class, or "bug".
        message: in one sentence.
        cure: what to do about it.
        traceback: of a bug.
    """

    kind: str
    message: str
    cure: str | None
    traceback: str | None


Request = Union[HelloRequest, MeasureRequest, BuildRequest]
Response = Union[Hello, Measurement, Progress, BuildDone, Failure]

_BUG = "bug"
_LEAVES = {
    leaf.__name__: leaf
    for leaf in (
        SgnasError,
        errors.ClearNo,
        errors.BadInput,
        errors.TooNoisy,
        errors.EnvironmentProblem,
        ProtocolError,
    )
}


def failure_of(error: Exception) -> Failure:
    """Pack an error; whatever is not meant for the user goes as a bug, with its traceback."""
    if isinstance(error, SgnasError):
        for kind in type(error).__mro__:
            if _LEAVES.get(kind.__name__) is kind:
                cure = None if error.cure is None else _encodable(error.cure)
                return Failure(kind.__name__, _encodable(error.message), cure, None)
    text = "".join(tracebacks.format_exception(type(error), error, error.__traceback__))
    message = _encodable(f"the agent failed: {type(error).__name__}: {error}")
    return Failure(_BUG, message, None, _encodable(text))


def error_of(failure: Failure) -> Exception:
    """Unpack an error, to be raised."""
    if failure.kind == _BUG:
        return AgentBug(failure.message, failure.traceback or "")
    return _LEAVES[failure.kind](failure.message, failure.cure)


def encode(message: Request | Response) -> bytes:
    """Encode a message as a line, its newline included."""
    fields = {"type": type(message).__name__, **asdict(message)}
    # ASCII only, and no NaN: what a strict decoder takes.
    return json.dumps(fields, allow_nan=False, separators=(",", ":")).encode("ascii") + b"\n"


def decode_request(line: bytes) -> Request:
    """Decode a client's line.

    Raises:
        ProtocolError: it is not in the protocol, or of another version.
        BadInput: an option or a plan has a value out of its range.
    """
    fields = Fields(line)
    if fields.kind == "HelloRequest":
        fields.check_version(PROTOCOL_VERSION)
        options = fields.part("options")
        return fields.done(
            HelloRequest(
                protocol=fields.integer("protocol"),
                backend=fields.text("backend"),
                options=options.done(
                    RunOptions(
                        threads=options.integer("threads"), artefact=options.text("artefact")
                    )
                ),
            )
        )
    if fields.kind == "MeasureRequest":
        plan = fields.part("plan")
        measure = MeasureRequest(
            model_bytes=fields.integer("model_bytes"),
            sent_bytes=fields.integer("sent_bytes"),
            plan=plan.done(
                TimingPlan(
                    warmup_runs=plan.integer("warmup_runs"),
                    warmup_s=plan.number("warmup_s"),
                    sample_s=plan.number("sample_s"),
                    samples=plan.integer("samples"),
                )
            ),
        )
        _check_size(measure.model_bytes, measure.sent_bytes)
        return fields.done(measure)
    if fields.kind == "BuildRequest":
        build = BuildRequest(
            model_bytes=fields.integer("model_bytes"),
            sent_bytes=fields.integer("sent_bytes"),
            options=fields.options("options"),
        )
        _check_size(build.model_bytes, build.sent_bytes)
        return fields.done(build)
    raise ProtocolError(f"there is no request {fields.kind!r}")


def decode_response(line: bytes) -> Response:
    """Decode an agent's line.

    Raises:
        ProtocolError: it is not in the protocol, or of another version.
    """
    fields = Fields(line)
    if fields.kind == "Hello":
        fields.check_version(PROTOCOL_VERSION)
        return fields.done(
            Hello(
                protocol=fields.integer("protocol"),
                agent_version=fields.text("agent_version"),
                machine=fields.texts("machine"),
                backend=fields.texts("backend"),
            )
        )
    if fields.kind == "Measurement":
        timing = fields.part("timing")
        measurement = Measurement(
            timing=timing.done(
                Timing(
                    samples_s=timing.positive_numbers("samples_s"),
                    inner_loops=timing.integer("inner_loops"),
                    warmup_runs=timing.integer("warmup_runs"),
                )
            ),
            state=fields.numbers_or_texts("state"),
            peak_rss_bytes=fields.integer("peak_rss_bytes"),
        )
        if (
            not measurement.timing.samples_s
            or measurement.timing.inner_loops < 1
            or measurement.timing.warmup_runs < 0
            or measurement.peak_rss_bytes < 0
        ):
            raise ProtocolError("a measurement has an impossible number")
        return fields.done(measurement)
    if fields.kind == "Progress":
        progress = Progress(phase=fields.text("phase"), share=fields.number("share"))
        return fields.done(progress)
    if fields.kind == "BuildDone":
        built = BuildDone(
            artefact_bytes=fields.integer("artefact_bytes"), facts=fields.texts("facts")
        )
        _check_size(built.artefact_bytes, built.artefact_bytes)
        return fields.done(built)
    if fields.kind == "Failure":
        failure = Failure(
            kind=fields.text("kind"),
            message=fields.text("message"),
            cure=fields.text_or_none("cure"),
            traceback=fields.text_or_none("traceback"),
        )
        if failure.kind != _BUG and failure.kind not in _LEAVES:
            raise ProtocolError(f"there is no error {failure.kind!r}")
        return fields.done(failure)
    raise ProtocolError(f"there is no response {fields.kind!r}")


def _check_size(model_bytes: int, sent_bytes: int) -> None:
    if not 0 <= sent_bytes <= model_bytes <= MAX_MODEL_BYTES:
        raise ProtocolError(f"a file of {model_bytes} bytes cannot be sent in {sent_bytes}")


def pack(model: bytes) -> bytes:
    """The model as it is sent: compressed where that makes it smaller."""
    # Weights drawn at random do not shrink: a part of them says so at once.
    middle = model[len(model) // 2 :][:_PROBE_BYTES]
    if len(model) > 4 * _PROBE_BYTES and len(zlib.compress(middle, 1)) > 0.95 * len(middle):
        return model
    packed = zlib.compress(model, 1)
    return packed if len(packed) < len(model) else model


def unpack(sent: bytes, model_bytes: int) -> bytes:
    """The model that was sent.

    Raises:
        ProtocolError: the bytes are not what they were said to be.
    """
    if len(sent) == model_bytes:
        return sent
    inflater = zlib.decompressobj()
    try:
        model = inflater.decompress(sent, model_bytes + 1)
    except zlib.error as error:
        raise ProtocolError("a compressed model is damaged") from error
    if len(model) != model_bytes or not inflater.eof or inflater.unused_data:
        raise ProtocolError("a compressed model has another size than was said")
    return model


def read_line(stream: BinaryIO) -> bytes:
    """Read the next line with its newline; empty at the end of the stream.

    Raises:
        ProtocolError: the stream ends within the line, or the line is too long.
    """
    line = stream.readline(MAX_LINE_BYTES + 1)
    if line and not line.endswith(b"\n"):
        raise ProtocolError("a line is too long" if len(line) > MAX_LINE_BYTES else "a line is cut")
    return line


def read_exactly(stream: BinaryIO, count: int) -> bytes:
    """Read `count` bytes.

    Raises:
        ProtocolError: the stream ends before.
    """
    data = stream.read(count)
    if len(data) != count:
        raise ProtocolError(f"a model is cut: {len(data)} of {count} bytes came")
    return data


def _encodable(text: str) -> str:
    """Replace what no file could hold: the undecodable bytes of a path, for one."""
    return text.encode("utf-8", "replace").decode("utf-8")
