"""The client's half of the protocol, spoken with an agent at the other end of two pipes."""

from __future__ import annotations

from contextlib import suppress
from typing import Mapping, Sequence, final

from sgnas_profilers import protocol
from sgnas_profilers.backends import Option, RunOptions
from sgnas_profilers.errors import EnvironmentProblem
from sgnas_profilers.timing import TimingPlan
from sgnas_profilers.transports import Built, Hello, Measurement, OnProgress
from sgnas_profilers.transports.process import ChildGone, ChildProcess, Explain

START_TIMEOUT_S = 60.0
IDLE_TIMEOUT_S = 600.0
"""An agent says nothing while it opens and times one model."""

MAX_NOISE_BYTES = 1 << 20
"""So much may a login say before the agent speaks."""


@final
class StreamAgent:
    """An agent that a command starts, here or (through ssh) elsewhere.

    Args:
        command: what starts it.
        what: what to call it in messages.
        backend: name of the backend.
        options: how the backend is to run models.
        start_timeout_s: how long the start may take, in seconds.
        idle_timeout_s: how long one model may take, in seconds.
        marker: a line that comes just before the agent's first; what comes before it is no word
            of the agent's. None where nothing comes before.
        explain: knows what the command's end means.
        compress: send models compressed where that makes them smaller.

    Raises:
        BadInput: the device has no such backend or fewer CPUs than threads.
        EnvironmentProblem: it does not start, or its runtime does not.
    """

    def __init__(
        self,
        command: Sequence[str],
        what: str,
        backend: str,
        options: RunOptions,
        start_timeout_s: float = START_TIMEOUT_S,
        idle_timeout_s: float = IDLE_TIMEOUT_S,
        *,
        marker: bytes | None = None,
        explain: Explain | None = None,
        compress: bool = False,
    ) -> None:
        self._what = what
        self._idle_timeout_s = idle_timeout_s
        self._marker = marker
        self._compress = compress
        self._open = True
        self._child = ChildProcess(command, what, explain)
        request = protocol.HelloRequest(protocol.PROTOCOL_VERSION, backend, options)
        try:
            hello = self._ask(protocol.encode(request), start_timeout_s)
            if not isinstance(hello, Hello):
                raise protocol.ProtocolError(f"{what} did not introduce itself")
        except BaseException:
            self.close()
            raise
        self.hello: Hello = hello

    @property
    def pid(self) -> int:
        """Process number of the command."""
        return self._child.pid

    def measure(self, model: bytes, plan: TimingPlan) -> Measurement:
        """Send a model, wait for its timing."""
        sent = self._packed(model)
        request = protocol.encode(protocol.MeasureRequest(len(model), len(sent), plan))
        answer = self._ask(request + sent, self._idle_timeout_s)
        if not isinstance(answer, Measurement):
            raise self._astray()
        return answer

    def build(
        self, model: bytes, options: Mapping[str, Option], on_progress: OnProgress = None
    ) -> Built:
        """Send a model, wait for what is built from it."""
        sent = self._packed(model)
        request = protocol.encode(protocol.BuildRequest(len(model), len(sent), options))
        answer = self._ask(request + sent, self._idle_timeout_s, on_progress)
        if not isinstance(answer, protocol.BuildDone):
            raise self._astray()
        try:
            artefact = self._child.receive_exactly(answer.artefact_bytes, self._idle_timeout_s)
        except BaseException:
            self._abandon()
            raise
        return Built(artefact, answer.facts)

    def close(self) -> None:
        """End the agent; closing twice is harmless."""
        self._open = False
        self._child.close()

    def __enter__(self) -> StreamAgent:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _packed(self, model: bytes) -> bytes:
        if not self._open:
            raise EnvironmentProblem(f"{self._what} is closed")
        return protocol.pack(model) if self._compress else model

    def _astray(self) -> protocol.ProtocolError:
        self._abandon()
        return protocol.ProtocolError(f"{self._what} answered another question")

    def _ask(
        self, request: bytes, idle_s: float, on_progress: OnProgress = None
    ) -> Hello | Measurement | protocol.BuildDone:
        """Send a request and wait for its answer; raise the error that the answer is.

        After anything but an answer, a Ctrl-C too, nobody knows what the agent will say next:
        it is killed.
        """
        try:
            # A child that is gone may have said why; if not, reading tells how it ended.
            with suppress(ChildGone):
                self._child.send(request, idle_s)
            self._skip_noise(idle_s)
            answer = protocol.decode_response(self._child.receive_line(idle_s))
            while isinstance(answer, protocol.Progress):
                if on_progress is not None:
                    on_progress(answer.phase, answer.share)
                answer = protocol.decode_response(self._child.receive_line(idle_s))
        except BaseException:
            self._abandon()
            raise
        if isinstance(answer, protocol.Failure):
            if answer.kind == protocol.ProtocolError.__name__:
                self._abandon()
            raise protocol.error_of(answer)
        return answer

    def _skip_noise(self, idle_s: float) -> None:
        """Read up to the marker, once."""
        noise_bytes = 0
        while self._marker is not None:
            line = self._child.receive_line(idle_s)
            noise_bytes += len(line)
            if line.rstrip(b"\r\n") == self._marker:
                self._marker = None
            elif noise_bytes > MAX_NOISE_BYTES:
                raise protocol.ProtocolError(
                    f"{self._what} says much, but not what it should",
                    "see what its login scripts print without end",
                )

    def _abandon(self) -> None:
        """Kill the agent at once."""
        self._open = False
        self._child.close(patience_s=0)
