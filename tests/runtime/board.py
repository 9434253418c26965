"""A stand-in for the board `me@orin`: a real sshd on this machine, and a `trtexec` that plays.

What it answers is invented; that the page's commands reach it, and go on from there, is not.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.profilers.sshd import require, serving
from tests.tensorrt import fake_trtexec

_TRTEXEC = f"""\
import sys
from pathlib import Path

sys.path.insert(0, {str(Path(fake_trtexec.__file__).parent)!r})
import fake_trtexec

given = dict(argument.partition("=")[::2] for argument in sys.argv[1:])
size = Path(given["--onnx"]).read_bytes() if "--onnx" in given else b""
size = size or (Path(given["--loadEngine"]).read_bytes() if "--loadEngine" in given else b"")
played = fake_trtexec.query


def query(number):
    # A larger network takes longer, else there would be nothing to search.
    times = played(number)
    times["computeMs"] = times["latencyMs"] = (0.1 + len(size) / 4e4) * times["computeMs"]
    times["endComputeMs"] = times["startComputeMs"] + times["computeMs"]
    return times


fake_trtexec.query = query
code = fake_trtexec.main()
if code == 0 and "--saveEngine" in given:
    Path(given["--saveEngine"]).write_bytes(size)
sys.exit(code)
"""


@contextmanager
def standing_in(folder: Path) -> Iterator[Path]:
    """Let `me@orin` be this machine.

    Args:
        folder: empty, for the files of client and board.

    Yields:
        A folder to put first on the PATH: its `ssh` is the real one, told where `me@orin` is.
    """
    require()
    here, there = folder / "here", folder / "there"
    here.mkdir()
    there.mkdir()
    (there / "played.py").write_text(_TRTEXEC)
    program(there / "trtexec", f'exec {shlex.quote(sys.executable)} -I -S {there}/played.py "$@"')
    with serving() as server:
        config = server.client(server.folder / "cache")
        config.write_text(config.read_text().replace("Host board", "Host orin"))
        keys = server.folder / "authorized"
        plain, *others = keys.read_text().splitlines()
        path = os.pathsep.join([str(there), str(Path(sys.executable).parent), "$PATH"])
        before = f'command="export PATH={path}; eval \\"$SSH_ORIGINAL_COMMAND\\"" '
        keys.write_text("\n".join([before + plain, *others]) + "\n")
        # There is no user `me` here; all other words go to the real client as they are.
        program(
            here / "ssh",
            'for word; do shift; test "$word" = me@orin && word=orin; set -- "$@" "$word"; done\n'
            f'PATH={shlex.quote(os.environ["PATH"])} exec ssh -F {config} "$@"',
        )
        yield here


def program(path: Path, text: str) -> None:
    """Write a shell script that can be called."""
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
