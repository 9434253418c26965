"""What is run on a device, under every login shell that is installed here."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sgnas_profilers.bundle import bundle
from sgnas_profilers.transports import ConnectionLost, ssh

SHELLS = [shell for shell in ("sh", "bash", "dash", "zsh", "tcsh", "fish") if shutil.which(shell)]
AGENT = bundle()


def words(script: str, **names: object) -> str:
    transport = ssh.SshTransport("board", python=sys.executable)
    text = script.format(python=sys.executable, sha256=AGENT.sha256, size=len(AGENT.data), **names)
    return transport._command(text)[-1]


@pytest.mark.parametrize("shell", SHELLS)
def test_the_agent_is_sent_once_and_only_whole(shell: str, tmp_path: Path) -> None:
    cache = tmp_path / "with a blank"

    def do(command: str, data: bytes = b"") -> tuple[int, bytes]:
        done = subprocess.run(
            [shell, "-c", command],
            env={**os.environ, "XDG_CACHE_HOME": str(cache)},
            input=data,
            capture_output=True,
        )
        assert done.stderr == b""
        return done.returncode, done.stdout

    run = words(ssh._RUN, marker="MARK", no_python=96, no_agent=98)
    send = words(ssh._UPLOAD, nonce="n", cannot_write=95, damaged=94)
    assert do(run) == (98, b"")
    assert do(send, AGENT.data[:-1]) == (94, b"")
    assert do(run) == (98, b"")
    assert do(send, AGENT.data) == (0, b"")
    assert do(run) == (0, b"\nMARK\n")
    assert [path.name for path in (cache / "sgnas").iterdir()] == [f"agent-{AGENT.sha256}.pyz"]
    os.truncate(cache / "sgnas" / f"agent-{AGENT.sha256}.pyz", 100)
    assert do(run) == (98, b"")
    assert do(send, AGENT.data) == (0, b"")
    assert do(run) == (0, b"\nMARK\n")


def test_a_script_that_a_shell_could_tear_apart_is_our_bug() -> None:
    for script in ("it's", "a\nb", "!x"):
        with pytest.raises(AssertionError):
            ssh.SshTransport("board")._command(script)


@pytest.mark.parametrize(
    ("code", "said", "message"),
    [
        (255, "ssh: connect to host b port 22: Connection timed out", "board cannot be reached"),
        (255, "ssh: connect to host b port 22: No route to host", "board cannot be reached"),
        (255, "Connection closed by 10.0.0.7 port 22", "board cannot be reached"),
        (255, "kex_exchange_identification: read: Connection reset", "board cannot be reached"),
        (255, "me@b: Permission denied (publickey,password).", "without a password"),
        (255, "No ED25519 host key is known for b and you have requested", "is not known here"),
        (255, "WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!", "another host key than before"),
        (255, "/home/me/.ssh/config: line 3: Bad configuration option: x", "client cannot be used"),
        (255, "client_loop: send disconnect: Broken pipe", "the connection to board was lost"),
        (255, "", "the connection to board was lost"),
        (139, "Fatal Python error: Segmentation fault", "was killed by SIGSEGV, saying: Fatal"),
        (137, "", "was killed by SIGKILL"),
        (97, "Python 3.6.9", "python3 on board is too old: Python 3.6.9"),
        (95, "cat: write error: No space left on device", "cannot be stored on board: cat: write"),
    ],
)
def test_what_an_end_means(code: int, said: str, message: str) -> None:
    error = ssh.SshTransport("board")._explain(code, said)
    assert error is not None
    assert message in error.message
    assert error.cure


def test_an_end_that_means_nothing_special() -> None:
    assert ssh.SshTransport("board")._explain(1, "Traceback") is None


def test_a_device_that_had_answered_and_does_not_is_lost() -> None:
    transport = ssh.SshTransport("board")
    said = "ssh: connect to host b port 22: Connection refused"
    assert not isinstance(transport._explain(255, said), ConnectionLost)
    transport._answered = True
    assert isinstance(transport._explain(255, said), ConnectionLost)
