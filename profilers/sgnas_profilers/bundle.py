"""This package as one file that any Python 3.8 or later runs: `python3 agent.pyz`.

The same sources give the same bytes, so that a device keeps it under its hash.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from dataclasses import dataclass
from pathlib import Path

import sgnas_profilers

OLD_PYTHON = 97
"""Exit code of the bundle under a Python that is too old for it."""

# Runs on any Python, so that an old one can say so.
_MAIN = f"""\
import sys

if sys.version_info < (3, 8):
    sys.stderr.write("Python " + sys.version.split()[0] + "\\n")
    sys.exit({OLD_PYTHON})
from sgnas_profilers.__main__ import main

main()
"""
_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The first moment that a ZIP archive can name."""
_READABLE = 0o644 << 16
_UNIX = 3


@dataclass(frozen=True)
class Bundle:
    """A ZIP archive with `__main__.py`, and its SHA-256."""

    data: bytes
    sha256: str


def bundle() -> Bundle:
    """Bundle the package that runs here."""
    package = Path(sgnas_profilers.__file__).resolve().parent
    sources = {
        path.relative_to(package.parent).as_posix(): path.read_bytes()
        for path in package.rglob("*.py")
    }
    sources["__main__.py"] = _MAIN.encode("ascii")
    file = io.BytesIO()
    # Stored, not deflated: what a compressor makes of it changes from version to version.
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(sources):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.create_system = _UNIX
            entry.external_attr = _READABLE
            archive.writestr(entry, sources[name])
    data = file.getvalue()
    return Bundle(data, hashlib.sha256(data).hexdigest())
