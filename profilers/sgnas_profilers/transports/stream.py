"""The client's half of the protocol, spoken with an agent at the other end of two pipes."""

from __future__ import annotations

from contextlib import suppress
from typing import Sequence, final

from sgnas_profilers import protocol
from sgnas_profilers.backends import RunOptions
from sgnas_profilers.errors import EnvironmentProblem
from sgnas_profilers.timing import TimingPlan
from sgnas_profilers.transports import Hello, Measurement
from sgnas_profilers.transports.process import ChildGone, ChildProcess

START_TIMEOUT_S = 60.0
IDLE_TIMEOUT_S = 600.0
"""An agent says nothing while it builds and times one model."""


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
    ) -> None:
        self._what = what
        self._idle_timeout_s = idle_timeout_s
        self._open = True
        self._child = ChildProcess(command, what)
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
        if not self._open:
            raise EnvironmentProblem(f"{self._what} is closed")
        request = protocol.encode(protocol.MeasureRequest(len(model), plan))
        answer = self._ask(request + model, self._idle_timeout_s)
        if not isinstance(answer, Measurement):
            self._abandon()
            raise protocol.ProtocolError(f"{self._what} answered another question")
        return answer

    def close(self) -> None:
        """End the agent; closing twice is harmless."""
        self._open = False
        self._child.close()

    def __enter__(self) -> StreamAgent:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _ask(self, request: bytes, idle_s: float) -> Hello | Measurement:
        """Send a request and wait for its answer; raise the error that the answer is.

        After anything but an answer, a Ctrl-C too, nobody knows what the agent will say next:
        it is killed.
        """
        try:
            # A child that is gone may have said why; if not, reading tells how it ended.
            with suppress(ChildGone):
                self._child.send(request, idle_s)
            answer = protocol.decode_response(self._child.receive_line(idle_s))
        except BaseException:
            self._abandon()
            raise
        if isinstance(answer, protocol.Failure):
            if answer.kind == protocol.ProtocolError.__name__:
                self._abandon()
            raise protocol.error_of(answer)
        return answer

    def _abandon(self) -> None:
        """Kill the agent at once."""
        self._open = False
        self._child.close(patience_s=0)
