"""Another host, reached by the user's own OpenSSH client: his configuration, keys, jump hosts.

The device needs a POSIX shell, Python 3.8 or later and the runtime of the backend, nothing of ours:
the agent is sent as one file, once, and kept there under its hash. Nothing is ever asked
(`BatchMode`), and host keys are checked as the user's configuration says, never less.
"""

from __future__ import annotations

import re
import secrets
import shutil
import signal
import subprocess
import tempfile
import weakref
from contextlib import suppress
from pathlib import Path
from typing import Sequence, final

from sgnas_profilers.backends import RunOptions
from sgnas_profilers.bundle import OLD_PYTHON, Bundle, bundle
from sgnas_profilers.errors import BadInput, EnvironmentProblem
from sgnas_profilers.transports import ConnectionLost
from sgnas_profilers.transports.process import ChildGone, ChildProcess
from sgnas_profilers.transports.stream import IDLE_TIMEOUT_S, START_TIMEOUT_S, StreamAgent

# An option (-oProxyCommand=...), a blank or a quote must never reach ssh as a host.
HOST = (
    r"^(?:[A-Za-z0-9_][A-Za-z0-9_.+-]*@)?"  # user
    r"(?:[A-Za-z0-9_][A-Za-z0-9_.-]*|[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*(?:%[A-Za-z0-9_.-]+)?)$"
)
PYTHON = r"^/?[A-Za-z0-9_][A-Za-z0-9_./+-]*$"
"""A name or path that means the same to every shell."""
DEFAULT_PYTHON = "python3"

_SSH_FAILED = 255
_CANNOT_WRITE = 95
_NO_PYTHON = 96
_NO_AGENT = 98
_DAMAGED = 94

# The login shell may be any (csh, fish): the scripts are one line without a single quote or an
# exclamation mark, given to sh. `exit $?` keeps the shell there, which tells a killed agent (137)
# from a broken connection (255).
_FOLDER = 'd="${{XDG_CACHE_HOME:-$HOME/.cache}}/sgnas"; '
_RUN = (
    _FOLDER
    + "command -v {python} >/dev/null 2>&1 || exit {no_python}; "
    + 'a="$d/agent-{sha256}.pyz"; test -f "$a" || exit {no_agent}; '
    + 'test "$(wc -c < "$a")" -eq {size} || exit {no_agent}; '
    + 'printf "\\n%s\\n" {marker}; {python} "$a"; exit $?'
)
# A device that lost power may have the name and not the content: hence the size.
# A cut connection looks like the end of the file: only what has the right hash gets its name.
_UPLOAD = (
    _FOLDER
    + 'umask 077; mkdir -p "$d" || exit {cannot_write}; t="$d/.agent-{nonce}"; '
    + 'trap "rm -f \\"$t\\"" EXIT; trap "exit {cannot_write}" HUP INT TERM; '
    + 'cat > "$t" || exit {cannot_write}; '
    + '{python} -c "import hashlib, sys; '
    + 'sys.exit(0 if hashlib.sha256(sys.stdin.buffer.read()).hexdigest() == sys.argv[1] else 1)" '
    + '{sha256} < "$t" || exit {damaged}; '
    + 'mv -f "$t" "$d/agent-{sha256}.pyz" || exit {cannot_write}; exit 0'
)
_INSTALLS = {
    "cpu": "onnxruntime",
    "openvino": "openvino",
    "tensorrt": "tensorrt cuda-bindings",
    "rtx": "tensorrt_rtx_cu13_bindings onnxruntime_ep_nv_tensorrt_rtx_cu13",
}
"""What an extra of ours stands for on a device that has nothing of ours."""


class _NoAgent(EnvironmentProblem):
    """The agent was never sent to the device, or is not there any more."""


@final
class SshTransport:
    """Starts agents on another host, over one connection that is kept between them.

    Args:
        host: `USER@HOST` or an alias of the SSH configuration.
        python: the interpreter there.
        ssh_command: the client, and options that come before ours.
        connect_timeout_s: how long the connection may take to be made, in seconds.
        start_timeout_s: how long the start of an agent may take, in seconds.
        idle_timeout_s: how long one model may take, in seconds.

    Raises:
        BadInput: a host or interpreter that a shell could take for something else.
    """

    def __init__(
        self,
        host: str,
        *,
        python: str = DEFAULT_PYTHON,
        ssh_command: Sequence[str] = ("ssh",),
        connect_timeout_s: int = 15,
        start_timeout_s: float = START_TIMEOUT_S,
        idle_timeout_s: float = IDLE_TIMEOUT_S,
    ) -> None:
        for what, text, pattern in (("host", host, HOST), ("Python", python, PYTHON)):
            if not re.fullmatch(pattern, text):
                raise BadInput(f"{text!r} is no {what} that can be reached over SSH")
        self._host = host
        self._python = python
        self._what = f"the agent on {host}"
        self._ssh_command = tuple(ssh_command)
        self._connect_timeout_s = connect_timeout_s
        self._start_timeout_s = start_timeout_s
        self._idle_timeout_s = idle_timeout_s
        self._bundle: Bundle | None = None
        self._folder: Path | None = None
        self._answered = False

    @property
    def name(self) -> str:
        """Return "ssh"."""
        return "ssh"

    def start(self, backend: str, options: RunOptions) -> StreamAgent:
        """Start a fresh agent; the first time, send it."""
        try:
            agent = self._start(backend, options)
        except _NoAgent:
            self._upload()
            agent = self._start(backend, options)
        self._answered = True
        return agent

    def _start(self, backend: str, options: RunOptions) -> StreamAgent:
        if self._bundle is None:
            self._bundle = bundle()
        marker = f"sgnas-agent-{secrets.token_hex(8)}"
        script = _RUN.format(
            python=self._python,
            sha256=self._bundle.sha256,
            size=len(self._bundle.data),
            marker=marker,
            no_python=_NO_PYTHON,
            no_agent=_NO_AGENT,
        )
        try:
            return StreamAgent(
                self._command(script),
                self._what,
                backend,
                options,
                self._start_timeout_s,
                self._idle_timeout_s,
                marker=marker.encode("ascii"),
                explain=self._explain,
                compress=True,
            )
        except EnvironmentProblem as error:
            if error.cure is None or "pip install" not in error.cure:
                raise
            raise EnvironmentProblem(
                f"on {self._host}: {error.message}", self._there(error.cure)
            ) from error

    def _upload(self) -> None:
        """Send the agent; a name is given to it only once all of it is there.

        Raises:
            EnvironmentProblem: the device's disk is full or cannot be written to.
        """
        assert self._bundle is not None
        script = _UPLOAD.format(
            python=self._python,
            sha256=self._bundle.sha256,
            nonce=secrets.token_hex(8),
            cannot_write=_CANNOT_WRITE,
            damaged=_DAMAGED,
        )
        child = ChildProcess(
            self._command(script), f"sending the agent to {self._host}", self._explain
        )
        try:
            # A shell that is gone says by its exit code why.
            with suppress(ChildGone):
                child.send(self._bundle.data, self._start_timeout_s)
            child.finish(self._start_timeout_s)
        finally:
            child.close(patience_s=0)

    def _command(self, script: str) -> list[str]:
        if "'" in script or "!" in script or "\n" in script:
            raise AssertionError(script)
        options = {
            "BatchMode": "yes",
            "ConnectTimeout": str(self._connect_timeout_s),
            "ServerAliveInterval": "15",
            "ServerAliveCountMax": "4",
            "ControlMaster": "auto",
            "ControlPath": self._control_path(),
            "ControlPersist": "60",
            "ClearAllForwardings": "yes",
            "PermitLocalCommand": "no",
            "RemoteCommand": "none",
            "LogLevel": "ERROR",
        }
        words = [f"-o{key}={value}" for key, value in options.items()]
        # No terminal, no forwarding of keys or windows.
        return [
            *self._ssh_command,
            "-T",
            "-a",
            "-x",
            *words,
            "--",
            self._host,
            f"exec sh -c '{script}'",
        ]

    def _control_path(self) -> str:
        """A socket in a folder that nobody else can look into."""
        if self._folder is None:
            # /tmp where there is one: a socket's path has room for about 100 bytes.
            base = "/tmp" if Path("/tmp").is_dir() else None
            self._folder = Path(tempfile.mkdtemp(prefix="sgnas-", dir=base))
            ending = [*self._ssh_command, "-oControlPath=" + str(self._folder / "c"), "-Oexit"]
            weakref.finalize(self, _hang_up, [*ending, "--", self._host], self._folder)
        return str(self._folder / "c")

    def _there(self, cure: str) -> str:
        """A cure for this machine, as it is for the device."""

        def install(found: re.Match[str]) -> str:
            return f"{self._python} -m pip install {_INSTALLS.get(found[1], found[1])}"

        return f"on {self._host}: " + re.sub(r"pip install 'sgnas-deploy\[(\w+)\]'", install, cure)

    def _explain(self, code: int, said: str) -> EnvironmentProblem | None:
        """What the end of ssh, or of what it ran, means."""
        host, again = self._host, "run the command again: it goes on with what is missing"
        if code == _NO_AGENT:
            return _NoAgent(f"the agent is not on {host}")
        if code == _NO_PYTHON:
            return EnvironmentProblem(
                f"there is no {self._python} on {host}",
                "install Python 3.8 or newer there, or say where it is: "
                f"sgnas devices add NAME --host {host} --python /path/to/python3",
            )
        if code == OLD_PYTHON:
            return EnvironmentProblem(
                f"{self._python} on {host} is too old: {said}",
                "install Python 3.8 or newer there, and say where it is: "
                f"sgnas devices add NAME --host {host} --python /path/to/python3",
            )
        if code == _CANNOT_WRITE:
            return EnvironmentProblem(
                f"the agent cannot be stored on {host}: {said or 'its folder is not writable'}",
                f"free some space there, or let you write to its folder ~/.cache/sgnas: ssh {host}",
            )
        if code == _DAMAGED:
            return EnvironmentProblem(f"the agent arrived damaged on {host}", again)
        if code > 128 and code != _SSH_FAILED:
            name = _signal_name(code - 128)
            cure = "see whether the device's memory ran out, then r" if name == "SIGKILL" else "r"
            return EnvironmentProblem(
                f"{self._what} was killed by {name}" + (f", saying: {said}" if said else ""),
                cure + again[1:],
            )
        if code != _SSH_FAILED:
            return None
        for pattern, message, cure in _SSH_ERRORS:
            if re.search(pattern, said):
                kind = ConnectionLost if self._answered else EnvironmentProblem
                return kind(message.format(host=host, said=said), cure.format(host=host))
        return ConnectionLost(
            f"the connection to {host} was lost" + (f": {said}" if said else ""), again
        )


_SSH_ERRORS = (
    (
        "REMOTE HOST IDENTIFICATION HAS CHANGED",
        "{host} shows another host key than before: it was set up anew, or somebody is in between",
        "ask who runs it; only if the new key is right: ssh-keygen -R HOSTNAME, then ssh {host}",
    ),
    (
        "Host key verification failed|host key is known",
        "the host key of {host} is not known here",
        "connect once by hand and compare the key that is shown with the device's: ssh {host}",
    ),
    (
        "Permission denied",
        "{host} does not let you in without a password: {said}",
        "set up a key, and try it: ssh-copy-id {host}; ssh -o BatchMode=yes {host} true",
    ),
    (
        "Could not resolve hostname",
        "the host {host} is not known: {said}",
        "see that the name is right and reachable: ssh {host}",
    ),
    (
        "Connection refused|timed out|No route to host|unreachable|Connection closed by .* port"
        "|kex_exchange_identification",
        "{host} cannot be reached: {said}",
        "see that it is switched on and takes SSH connections: ssh {host}",
    ),
    (
        "Bad owner or permissions|Bad configuration option|no such identity",
        "the SSH client cannot be used: {said}",
        "correct your SSH configuration until this works: ssh {host}",
    ),
)
"""What ssh says (it is not translated), what that means, what to do."""


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _hang_up(command: list[str], folder: Path) -> None:
    """End the kept connection and remove its socket."""
    with suppress(OSError, subprocess.SubprocessError):
        subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=5,
        )
    shutil.rmtree(folder, ignore_errors=True)
