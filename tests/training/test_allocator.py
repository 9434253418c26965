"""A process that trains keeps the memory that it was given, unless its user has said otherwise."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

from sgnas_deploy.training import allocator

glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's allocator")

FREES = """
import sys
from sgnas_deploy.training import allocator

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096

if sys.argv[1] == "keep":
    assert allocator.keep({})
before = resident()
blocks = [bytearray(b"x") * (16 << 20) for _ in range(4)]
full = resident() - before
del blocks
print(full, resident() - before)
"""


@glibc
@pytest.mark.parametrize("how", ["keep", "as it starts"])
def test_what_was_freed_stays_resident(how: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FREES, how], stdout=subprocess.PIPE, text=True, check=True
    )
    full, left = map(int, done.stdout.split())
    assert full >= 60 << 20
    assert left >= full - (1 << 20) if how == "keep" else left <= 20 << 20


@glibc
@pytest.mark.parametrize(
    "said",
    [{"MALLOC_TRIM_THRESHOLD_": "131072"}, {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}],
    ids=["MALLOC", "GLIBC_TUNABLES"],
)
def test_a_user_s_own_setting_stands(said: dict[str, str]) -> None:
    assert not allocator.keep(said)


def test_other_libraries_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    assert not allocator.keep({})
