"""Facts are read from files below a root and from the output of a few programs: both replaceable.

Whatever cannot be read is None, never an error: a board shows what it shows.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Sequence, final

_PROGRAM_TIMEOUT_S = 5.0
_SYSTEM_FOLDERS = ("/usr/sbin", "/sbin", "/usr/local/sbin")


@final
class System:
    """The machine's files and programs.

    Args:
        root: what stands for `/`; tests put recorded files there. A root other than `/` runs no
            programs.
    """

    def __init__(self, root: Path = Path("/")) -> None:
        self._root = root

    def text(self, path: str) -> str | None:
        """Text of a file given relative to the root, stripped; None when unreadable or empty."""
        try:
            data = (self._root / path).read_bytes()
        except OSError:
            return None
        # Device-tree strings end with a NUL.
        return data.decode("utf-8", "replace").replace("\0", " ").strip() or None

    def number(self, path: str) -> float | None:
        """Number in a file; None when there is none."""
        try:
            return float(self.text(path) or "")
        except ValueError:
            return None

    def glob(self, pattern: str) -> list[str]:
        """Paths (relative to the root) that match, sorted."""
        try:
            return sorted(str(path.relative_to(self._root)) for path in self._root.glob(pattern))
        except OSError:
            return []

    def output(self, command: Sequence[str]) -> str | None:
        """Standard output of a program; None when it is missing, fails or takes too long."""
        if self._root != Path("/"):
            return None
        # Where these programs lie is often not on the PATH of a plain user.
        folders = [os.environ.get("PATH", os.defpath), *_SYSTEM_FOLDERS]
        program = shutil.which(command[0], path=os.pathsep.join(folders))
        if program is None:
            return None
        try:
            done = subprocess.run(
                [program, *command[1:]],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                timeout=_PROGRAM_TIMEOUT_S,
                check=True,
            )
        except (OSError, subprocess.SubprocessError):
            return None
        return done.stdout.decode("utf-8", "replace")
