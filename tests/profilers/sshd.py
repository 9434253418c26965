"""A real sshd on the loopback interface, with keys, port and configuration of its own."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

SSHD = shutil.which("sshd", path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"]))
TOOLS = [shutil.which("ssh"), shutil.which("ssh-keygen"), SSHD]

FORCED = {
    "plain": None,
    # What a chatty .bashrc does, the last line unfinished.
    "noisy": 'echo Welcome; echo \'{\\"type\\":\\"Hello\\"}\'; printf "you have mail"',
    "small": "ulimit -f 8",
}
"""What runs before a command, for each key that may enter."""


def missing() -> str:
    """Why there can be no server here; empty where there can."""
    if not all(TOOLS):
        return "openssh-server or openssh-client is not installed"
    return ""


def require() -> None:
    """Skip the calling module where there can be no server; fail where there must be one."""
    if missing():
        if os.environ.get("SGNAS_REQUIRE_SSHD") == "1":
            raise RuntimeError(missing())
        pytest.skip(missing(), allow_module_level=True)


@contextmanager
def serving() -> Iterator[Server]:
    """A running server in a folder of its own."""
    with TemporaryDirectory(prefix="sshd-", dir="/tmp") as folder:
        server = Server(Path(folder))
        server.prepare()
        server.start()
        try:
            yield server
        finally:
            server.cut()
            server.stop()


@dataclass
class Server:
    """A server and the clients' configuration.

    Attributes:
        folder: its files; short, because sockets lie there.
        port: where it listens.
    """

    folder: Path
    port: int = 0
    _process: subprocess.Popen[bytes] | None = None
    _keys: dict[str, Path] = field(default_factory=dict)

    def prepare(self) -> None:
        """Make the keys."""
        for name in ("host", "other_host", "stranger", *FORCED):
            self._keys[name] = self.folder / f"{name}_key"
            command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self._keys[name])]
            subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
        entries = []
        for name, before in FORCED.items():
            entries.append(("" if before is None else _forced(before)) + self._public(name))
        (self.folder / "authorized").write_text("\n".join(entries) + "\n")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]

    def start(self) -> None:
        """Start, and wait until it listens."""
        config = self.folder / "sshd_config"
        config.write_text(
            f"Port {self.port}\nListenAddress 127.0.0.1\nHostKey {self._keys['host']}\n"
            f"AuthorizedKeysFile {self.folder / 'authorized'}\nPidFile none\nStrictModes no\n"
            "UsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n"
            "PermitRootLogin yes\nAcceptEnv XDG_CACHE_HOME\nPrintMotd no\n"
            "MaxStartups 100:30:200\n"
        )
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        assert SSHD is not None
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [SSHD, "-D", "-e", "-f", str(config)], stdin=subprocess.DEVNULL, stderr=log
            )
        deadline_s = time.monotonic() + 20
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            assert self._process.poll() is None, (self.folder / "log").read_text()
            assert time.monotonic() < deadline_s
            time.sleep(0.02)

    def stop(self) -> None:
        """Stop listening; connections that there are stay."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
            self._process = None

    def cut(self) -> None:
        """Kill what serves the connections there are, as a cable that is pulled."""
        assert self._process is not None
        for pid in _descendants(self._process.pid):
            name = Path(f"/proc/{pid}/comm")
            try:
                if name.read_text().startswith("sshd"):
                    os.kill(pid, signal.SIGKILL)
            except (OSError, ProcessLookupError):
                continue

    def client(self, cache: Path, key: str = "plain", host_key: str | None = "host") -> Path:
        """A client's configuration with the host `board`.

        Args:
            cache: the cache folder on the "device".
            key: what to enter with.
            host_key: the key that the client knows the server by; None for none.
        """
        known = cache.with_name(f"{cache.name}-known_hosts")
        known.write_text(
            "" if host_key is None else f"[127.0.0.1]:{self.port} {self._public(host_key)}\n"
        )
        config = cache.with_name(f"{cache.name}-ssh_config")
        config.write_text(
            f"Host board\n  HostName 127.0.0.1\n  Port {self.port}\n"
            f"  IdentityFile {self._keys[key]}\n  IdentitiesOnly yes\n  IdentityAgent none\n"
            f"  UserKnownHostsFile {known}\n  GlobalKnownHostsFile /dev/null\n"
            f"  SetEnv XDG_CACHE_HOME={cache}\n"
        )
        return config

    def _public(self, name: str) -> str:
        text = self._keys[name].with_suffix(".pub").read_text()
        return " ".join(text.split()[:2])


def _forced(before: str) -> str:
    escaped = f'{before}; eval "$SSH_ORIGINAL_COMMAND"'.replace('"', '\\"')
    return f'command="{escaped}" '


def _descendants(pid: int) -> list[int]:
    """All processes that a process has started, and those that they have."""
    parents: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    found, left = [], [pid]
    while left:
        children = parents.get(left.pop(), [])
        found += children
        left += children
    return found
