"""A child process that is spoken to through its stdin and stdout, with time-outs.

Its stderr goes to a temporary file: it can never fill a pipe and stop the child, and its last lines
are there when the child is not.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import tempfile
import time
from typing import Callable, Optional, Sequence, final

from sgnas_profilers.errors import EnvironmentProblem
from sgnas_profilers.protocol import MAX_LINE_BYTES, ProtocolError

_CHUNK_BYTES = 1 << 16
_EXIT_PATIENCE_S = 2.0
_TAIL_BYTES = 4096
_TAIL_LINES = 16
"""Holds the whole stack of our own calls, whose most recent one a crash prints first."""


Explain = Callable[[int, str], Optional[EnvironmentProblem]]
"""Given a child's return code and last words: the error that they mean, None if nothing special."""


class ChildGone(Exception):
    """The child no longer reads what it is told."""


@final
class ChildProcess:
    """A running child, in a session of its own: a Ctrl-C at our terminal does not reach it.

    Args:
        command: program and arguments; never passed through a shell.
        what: what to call it in messages ("the measuring process").
        explain: knows what the child's end means; None where nobody does.

    Raises:
        EnvironmentProblem: the program cannot be started.
    """

    def __init__(self, command: Sequence[str], what: str, explain: Explain | None = None) -> None:
        self._what = what
        self._explain = explain
        self._received = bytearray()
        self._closed = False
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 (closed in `close`)
        try:
            self._popen = subprocess.Popen(
                list(command),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._stderr,
                bufsize=0,
                start_new_session=True,
            )
        except OSError as error:
            self._stderr.close()
            raise EnvironmentProblem(
                f"{what} cannot be started: {command[0]}: {error.strerror or error}"
            ) from error
        assert self._popen.stdin is not None
        assert self._popen.stdout is not None
        self._to_child = self._popen.stdin
        self._from_child = self._popen.stdout
        os.set_blocking(self._to_child.fileno(), False)
        os.set_blocking(self._from_child.fileno(), False)

    @property
    def pid(self) -> int:
        """Process number of the child."""
        return self._popen.pid

    def send(self, data: bytes, idle_s: float) -> None:
        """Write all of `data`.

        Args:
            data: what to say.
            idle_s: give up when the child takes nothing for so long, in seconds.

        Raises:
            ChildGone: the child has closed its stdin, mostly by dying.
            EnvironmentProblem: the child takes nothing any more.
        """
        left = memoryview(data)
        while left:
            self._wait(self._to_child.fileno(), select.POLLOUT, idle_s)
            try:
                written = os.write(self._to_child.fileno(), left[:_CHUNK_BYTES])
            except BlockingIOError:
                continue
            except BrokenPipeError as error:
                raise ChildGone from error
            left = left[written:]

    def receive_line(self, idle_s: float) -> bytes:
        """Read the next line, its newline included.

        Args:
            idle_s: give up when nothing comes for so long, in seconds.

        Raises:
            EnvironmentProblem: the child ended, or says nothing any more.
            ProtocolError: the line is too long.
        """
        while b"\n" not in self._received:
            if len(self._received) > MAX_LINE_BYTES:
                raise ProtocolError(f"{self._what} sent an endless line")
            self._receive(idle_s)
        return self._take(self._received.index(b"\n") + 1)

    def receive_exactly(self, count: int, idle_s: float) -> bytes:
        """Read `count` bytes.

        Raises:
            EnvironmentProblem: the child ended, or says nothing any more.
        """
        while len(self._received) < count:
            self._receive(idle_s)
        return self._take(count)

    def finish(self, idle_s: float) -> None:
        """Close the child's stdin and read until its end.

        Raises:
            EnvironmentProblem: it ended badly, or not at all.
        """
        self._to_child.close()
        while True:
            self._wait(self._from_child.fileno(), select.POLLIN, idle_s)
            try:
                if not os.read(self._from_child.fileno(), _CHUNK_BYTES):
                    break
            except BlockingIOError:
                continue
        if self._end(_EXIT_PATIENCE_S):
            raise self._death()

    def close(self, patience_s: float = _EXIT_PATIENCE_S) -> None:
        """End the child and all that it started, and reap it; closing twice is harmless.

        Args:
            patience_s: how long the child may take to end by itself, in seconds, now that its stdin
                is closed.
        """
        if self._closed:
            return
        self._closed = True
        self._to_child.close()
        try:
            self._end(patience_s)
        finally:
            self._from_child.close()
            self._stderr.close()

    def _receive(self, idle_s: float) -> None:
        """Read what there is, once there is something."""
        self._wait(self._from_child.fileno(), select.POLLIN, idle_s)
        try:
            data = os.read(self._from_child.fileno(), _CHUNK_BYTES)
        except BlockingIOError:
            return
        if not data:
            raise self._death()
        self._received += data

    def _take(self, count: int) -> bytes:
        data = bytes(self._received[:count])
        del self._received[:count]
        return data

    def _wait(self, file: int, event: int, idle_s: float) -> None:
        """Wait until a pipe can be used."""
        poll = select.poll()
        poll.register(file, event)
        if not poll.poll(idle_s * 1000):
            raise EnvironmentProblem(
                f"{self._what} said nothing for {idle_s:g} s",
                "see what keeps the device busy, then run the command again",
            )

    def _end(self, patience_s: float) -> int:
        """Wait for the child to end, kill it if it does not, reap it; its return code."""
        try:
            deadline_s = time.monotonic() + patience_s
            # Not `Popen.wait`: until the child is reaped, its number cannot be given to another.
            seen = os.WEXITED | os.WNOHANG | os.WNOWAIT
            while self._popen.returncode is None and os.waitid(os.P_PID, self.pid, seen) is None:
                if time.monotonic() >= deadline_s:
                    break
                time.sleep(0.002)
        finally:
            if self._popen.returncode is None:
                # The whole group: a runtime may have started programs of its own.
                try:
                    os.killpg(self.pid, signal.SIGKILL)
                except (ProcessLookupError, PermissionError):
                    self._popen.kill()
                self._popen.wait()
        assert self._popen.returncode is not None
        return self._popen.returncode

    def _death(self) -> EnvironmentProblem:
        """Say how the child ended and what it said last."""
        code = self._end(_EXIT_PATIENCE_S)
        said = self._last_words()
        explained = self._explain(code, said) if self._explain else None
        if explained is not None:
            return explained
        how, cure = f"ended unexpectedly with code {code}", "run the command again"
        if code < 0:
            how = f"was killed by {_signal_name(-code)}"
            if -code == signal.SIGKILL:
                cure = "see whether the device's memory ran out, then run the command again"
        return EnvironmentProblem(
            f"{self._what} {how}" + (f", saying: {said}" if said else ""), cure
        )

    def _last_words(self) -> str:
        """Tail of the child's stderr, on one line, without control characters."""
        size = self._stderr.seek(0, os.SEEK_END)
        self._stderr.seek(max(0, size - _TAIL_BYTES))
        text = self._stderr.read().decode("utf-8", "replace")
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        tail = " / ".join(lines[-_TAIL_LINES:])
        return "".join(letter if letter.isprintable() else "?" for letter in tail)


def _signal_name(number: int) -> str:
    """Return the name of a signal, or its number."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
