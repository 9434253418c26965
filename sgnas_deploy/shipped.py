"""Latency tables that come with the toolchain."""

from __future__ import annotations

from pathlib import Path
from typing import Final

FOLDER: Final = "lut_data"


def tables() -> tuple[Path, ...]:
    """Their paths: in a checkout's `lut_data`, or inside the installed package."""
    package = Path(__file__).resolve().parent
    for folder in (package / FOLDER, package.parent / FOLDER):
        if folder.is_dir():
            found = (path for path in folder.rglob("*.json") if path.parent.name != "schema")
            return tuple(sorted(found))
    return ()
