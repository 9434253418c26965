"""nvidia-smi's answers, from recorded text."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from sgnas_profilers._system import System
from sgnas_profilers.cuda import smi


@pytest.fixture
def answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What nvidia-smi prints, whatever it is asked."""
    text = tmp_path / "answer"
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\nexec cat {shlex.quote(str(text))}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    # The file that says that there is a card.
    monkeypatch.setattr(System, "glob", lambda self, pattern: ["dev/nvidia0"])
    return text


@pytest.mark.parametrize(
    ("mask", "throttled"),
    [
        ("0x0000000000000000", "no"),
        ("0x0000000000000001", "no"),
        ("0x0000000000000002", "no"),
        ("0x0000000000000004", "yes"),
        ("0x0000000000000020", "yes"),
    ],
)
def test_the_state(answer: Path, mask: str, throttled: str) -> None:
    answer.write_text(f"1410, 1980, 2619, 41, [N/A], {mask}\nsecond, card, is, not, asked, 0x0\n")
    assert smi.state(System()) == {
        "gpu_mhz": 1410.0,
        "gpu_max_mhz": 1980.0,
        "gpu_memory_mhz": 2619.0,
        "gpu_c": 41.0,
        "gpu_throttled": throttled,
    }


def test_the_identity(answer: Path) -> None:
    answer.write_text("NVIDIA GeForce RTX 4070, 8.9, 580.65.06\n")
    assert smi.identity(System()) == {
        "gpu": "NVIDIA GeForce RTX 4070",
        "compute_capability": "8.9",
        "driver": "580.65.06",
    }


@pytest.mark.parametrize("text", ["", "No devices were found\n", "a, b\n", "Orin (nvgpu), [N/A]"])
def test_what_it_does_not_know_is_absent(answer: Path, text: str) -> None:
    answer.write_text(text)
    assert smi.state(System()) == {}
    assert smi.identity(System()) == {}


def test_without_a_card_nothing_is_asked(tmp_path: Path) -> None:
    assert smi.state(System(tmp_path)) == {}
