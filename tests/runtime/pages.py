"""The commands of a page of `examples/`, and what the page claims about each of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

RUN = "run"
REHEARSED = "not yet run on hardware; rehearsed"
NOT_RUN = "not yet run on hardware"
MARKS = (RUN, REHEARSED, NOT_RUN)

_FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_MARK = re.compile(r"\s+# \[([^]]+)\]$")


@dataclass(frozen=True)
class Command:
    """One line of a page.

    Attributes:
        text: as it is typed, without the mark.
        mark: what stands behind it in `# [...]`; empty if nothing does.
        codes: the exit codes that are fine.
    """

    text: str
    mark: str
    codes: frozenset[int]


def commands(page: Path) -> list[Command]:
    """Every line of the page's `sh` blocks, in their order."""
    return [command for text, codes in _blocks(page) for command in _lines(text, codes)]


def strays(page: Path) -> list[str]:
    """What looks like commands but stands in no `sh` block, so that nothing would execute it."""
    rest = _FENCE.sub("", page.read_text())
    found = [line for line in rest.splitlines() if re.match(r" {4}|\t", line)]
    return found + [head for head, _ in _FENCE.findall(page.read_text()) if not _is_sh(head)]


def indented(page: Path) -> list[str]:
    """The `sgnas` commands of a page that shows them indented, without their comments."""
    lines = re.findall(r"^ {4,}(sgnas .*)$", page.read_text(), re.MULTILINE)
    return [re.sub(r"\s+# .*$", "", line) for line in lines]


def named_flags(page: Path) -> set[str]:
    """Every `--flag` of ours in the page's prose."""
    rest = _FENCE.sub("", page.read_text())
    spans = re.findall(r"`((?:--|sgnas )[^`\n]+)`", rest)
    return {flag for span in spans for flag in re.findall(r"(?<!\S)--[a-z][a-z-]*", span)}


def _is_sh(head: str) -> bool:
    return head == "sh" or head.startswith("sh ")


def _blocks(page: Path) -> Iterator[tuple[str, frozenset[int]]]:
    for head, text in _FENCE.findall(page.read_text()):
        if _is_sh(head):
            yield text, frozenset(int(code) for code in re.findall(r"\d+", head)) or frozenset({0})


def _lines(text: str, codes: frozenset[int]) -> Iterator[Command]:
    for line in filter(str.strip, text.splitlines()):
        mark = _MARK.search(line)
        command = line[: mark.start()] if mark else line
        yield Command(command.rstrip(), mark.group(1) if mark else "", codes)
