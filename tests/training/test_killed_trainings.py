"""Trainings that are killed anywhere end with the files of an undisturbed one, bit for bit."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.fakes.alone import run_alone

KILLS = 7


@pytest.mark.timeout(900)  # some fifty processes, one after another
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_killed_again_and_again_they_end_with_the_same_files(tmp_path: Path) -> None:
    found, err = run_alone("tests.training.killed", str(tmp_path), str(KILLS), "1")
    assert set(found) == {"supernet", "generator", "retraining"}
    for name, one in found.items():
        assert one["finished"], (name, err)
        # The last attempts may find it finished.
        assert one["killed"] >= KILLS / 2, (name, one)
        assert one["same"], (name, one)
        assert len(one["files"]) == 3, (name, one)
