"""How the C library of a training process hands out memory.

A training step asks for the same large tensors again and again. As it starts, glibc gives memory at
the end of its heap back to the system whenever a few tensors have been freed, and fetches it anew
for the next ones: each of its pages is then zeroed and mapped by the kernel, which takes a sixth of
a generator's step (`docs/speed.md`). A process that trains keeps what it has had; its peak is the
same, only what lies between the peaks is not given back.
"""

from __future__ import annotations

import ctypes
import os
import platform
from collections.abc import Mapping
from typing import Final

_TRIM_THRESHOLD: Final = -1
_MMAP_THRESHOLD: Final = -3
"""The names of glibc's `malloc.h`."""

_NEVER: Final = -1
_MAPPED_FROM_BYTES: Final = 32 << 20
"""Larger blocks are mapped one by one, as glibc itself does it once it has seen such sizes."""


def keep(environment: Mapping[str, str] = os.environ) -> bool:
    """Let this process keep memory that it has freed, for what it asks for next.

    Args:
        environment: where a user may have set glibc's allocator, by `MALLOC_...` or
            `GLIBC_TUNABLES`; then nothing is changed.

    Returns:
        Whether it was done: glibc only.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    if "malloc" in environment.get("GLIBC_TUNABLES", ""):
        return False
    if any(name.startswith("MALLOC_") and name.endswith("_") for name in environment):
        return False
    settings = ((_TRIM_THRESHOLD, _NEVER), (_MMAP_THRESHOLD, _MAPPED_FROM_BYTES))
    library = ctypes.CDLL(None)
    return all(bool(library.mallopt(name, value)) for name, value in settings)
