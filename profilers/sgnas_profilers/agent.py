"""The device's half: answers requests until its input ends. One model is open at a time."""

from __future__ import annotations

from typing import BinaryIO

from sgnas_profilers import __version__, backends, cpu_load, machine, protocol
from sgnas_profilers.backends import Backend, RunOptions
from sgnas_profilers.errors import BadInput, EnvironmentProblem
from sgnas_profilers.timing import Clock, TimingPlan, measure
from sgnas_profilers.transports import Hello, Measurement


def serve(requests: BinaryIO, responses: BinaryIO, clock: Clock) -> None:
    """Answer every request with one line; return when `requests` ends or nobody listens.

    An error is an answer, and the next request is served. Only where the requests themselves make
    no sense, so that the start of the next is unknown, does the agent answer and return.
    """
    chosen: tuple[Backend, RunOptions] | None = None
    load = cpu_load.OtherLoad()
    response: protocol.Response
    while True:
        model = b""
        try:
            line = protocol.read_line(requests)
            if not line:
                return
            request = protocol.decode_request(line)
            if isinstance(request, protocol.MeasureRequest):
                model = protocol.read_exactly(requests, request.model_bytes)
        except Exception as error:
            _send(responses, protocol.failure_of(error))
            return
        try:
            if isinstance(request, protocol.HelloRequest):
                chosen = _choose(request)
                response = _hello(*chosen)
            elif chosen is None:
                raise protocol.ProtocolError("a model came before the choice of a backend")
            else:
                response = _measure(*chosen, model, request.plan, clock, load)
        except MemoryError as error:
            response = protocol.failure_of(_out_of_memory(error))
        except Exception as error:
            response = protocol.failure_of(error)
        if not _send(responses, response):
            return


def _choose(request: protocol.HelloRequest) -> tuple[Backend, RunOptions]:
    """Load the backend and check that the machine has CPUs for its threads."""
    backend = backends.load(request.backend)
    usable = len(machine.usable_cpus())
    if request.options.threads > usable:
        raise BadInput(
            f"{request.options.threads} threads were asked for, but only {usable} CPUs may be used",
            f"ask for at most {usable}",
        )
    return backend, request.options


def _hello(backend: Backend, options: RunOptions) -> Hello:
    """Introduce machine and backend."""
    return Hello(
        protocol=protocol.PROTOCOL_VERSION,
        agent_version=__version__,
        machine=machine.fingerprint(),
        backend=backend.describe(options),
    )


def _measure(
    backend: Backend,
    options: RunOptions,
    model: bytes,
    plan: TimingPlan,
    clock: Clock,
    load: cpu_load.OtherLoad,
) -> Measurement:
    """Open, time and close a model; then look at the machine."""
    session = backend.open(model, options)
    try:
        timing = measure(session, plan, clock)
        state = machine.state()
        peak_rss_bytes = machine.peak_rss_bytes()
    finally:
        session.close()
    state.update(load.shares())
    return Measurement(timing, state, peak_rss_bytes)


def _out_of_memory(error: MemoryError) -> EnvironmentProblem:
    """Say that the memory ran out."""
    return EnvironmentProblem(
        f"the device ran out of memory: {error}".rstrip(": "),
        "end other programs there, or choose a smaller batch or resolution",
    )


def _send(responses: BinaryIO, response: protocol.Response) -> bool:
    """Send an answer; whether somebody was there to take it."""
    try:
        responses.write(protocol.encode(response))
        responses.flush()
    except BrokenPipeError:
        return False
    return True
