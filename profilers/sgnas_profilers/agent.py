"""The device's half: answers requests until its input ends. One model is open at a time."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import BinaryIO, Iterator, final

from sgnas_profilers import __version__, backends, cpu_load, machine, protocol
from sgnas_profilers.backends import Backend, RunOptions
from sgnas_profilers.errors import BadInput, EnvironmentProblem
from sgnas_profilers.timing import Clock, TimingPlan, measure
from sgnas_profilers.transports import Hello, Measurement

HEARTBEAT_S = 20.0
"""A build says that it is going on at least so often."""


def serve(requests: BinaryIO, responses: BinaryIO, clock: Clock) -> None:
    """Answer every request with one line; return when `requests` ends or nobody listens.

    An error is an answer, and the next request is served. Only where the requests themselves make
    no sense, so that the start of the next is unknown, does the agent answer and return.
    """
    chosen: tuple[str, Backend, RunOptions] | None = None
    load = cpu_load.OtherLoad()
    response: protocol.Response
    while True:
        model = artefact = b""
        try:
            line = protocol.read_line(requests)
            if not line:
                return
            request = protocol.decode_request(line)
            if not isinstance(request, protocol.HelloRequest):
                sent = protocol.read_exactly(requests, request.sent_bytes)
                model = protocol.unpack(sent, request.model_bytes)
        except Exception as error:
            _send(responses, protocol.failure_of(error))
            return
        try:
            if isinstance(request, protocol.HelloRequest):
                chosen = _choose(request)
                response = _hello(*chosen[1:])
            elif chosen is None:
                raise protocol.ProtocolError("a model came before the choice of a backend")
            elif isinstance(request, protocol.BuildRequest):
                builder = backends.builder_of(*chosen[:2])
                with _Building(responses).heartbeat() as building:
                    artefact, facts = builder.build(model, request.options, building.progress)
                response = protocol.BuildDone(len(artefact), facts)
            else:
                response = _measure(*chosen[1:], model, request.plan, clock, load)
        except _NobodyListens:
            return
        except MemoryError as error:
            response = protocol.failure_of(_out_of_memory(error))
        except Exception as error:
            response = protocol.failure_of(error)
        if not _send(responses, response, artefact):
            return


class _NobodyListens(BaseException):
    """Ends a build whose client is gone; no backend may take it for an error of its own."""


@final
class _Building:
    """Tells the client how far a build is, and now and then that it is still going on."""

    def __init__(self, responses: BinaryIO) -> None:
        self._responses = responses
        self._lock = threading.Lock()
        self._last = protocol.Progress("building", 0.0)
        self._over = threading.Event()

    def progress(self, phase: str, share: float) -> None:
        """Tell that `share` (0 to 1) of a phase is done."""
        with self._lock:
            self._last = protocol.Progress(phase, min(1.0, max(0.0, share)))
            if not _send(self._responses, self._last):
                raise _NobodyListens

    @contextmanager
    def heartbeat(self) -> Iterator[_Building]:
        """Repeat the last progress while the body runs, so that silence means a dead agent."""
        thread = threading.Thread(target=self._beat, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._over.set()
            # A line that is half written must be finished before the answer follows.
            thread.join()

    def _beat(self) -> None:
        while not self._over.wait(HEARTBEAT_S):
            with self._lock:
                if self._over.is_set() or not _send(self._responses, self._last):
                    return


def _choose(request: protocol.HelloRequest) -> tuple[str, Backend, RunOptions]:
    """Load the backend and check that it and the machine can do what is asked for."""
    backend = backends.load(request.backend)
    if request.options.artefact not in backends.artefacts_of(backend):
        raise BadInput(
            f"the backend {request.backend!r} opens no {request.options.artefact} files",
            f"give it one of: {', '.join(backends.artefacts_of(backend))}",
        )
    usable = len(machine.usable_cpus())
    if request.options.threads > usable:
        raise BadInput(
            f"{request.options.threads} threads were asked for, but only {usable} CPUs may be used",
            f"ask for at most {usable}",
        )
    return request.backend, backend, request.options


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


def _send(responses: BinaryIO, response: protocol.Response, artefact: bytes = b"") -> bool:
    """Send an answer and what follows it; whether somebody was there to take it."""
    try:
        responses.write(protocol.encode(response))
        responses.write(artefact)
        responses.flush()
    except BrokenPipeError:
        return False
    return True
