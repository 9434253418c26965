"""Trainings that are killed anywhere end with the files of an undisturbed one, bit for bit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
KILLS = 7


@pytest.mark.timeout(900)  # some fifty processes, one after another
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_killed_again_and_again_they_end_with_the_same_files(tmp_path: Path) -> None:
    # A process of its own with a single thread: forking one that has more is not safe.
    single = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "tests.training.killed", str(tmp_path), str(KILLS), "1"],
        cwd=ROOT,
        env={**os.environ, **single},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert set(found) == {"supernet", "generator", "retraining"}
    for name, one in found.items():
        assert one["finished"], (name, done.stderr)
        # The last attempts may find it finished.
        assert one["killed"] >= KILLS / 2, (name, one)
        assert one["same"], (name, one)
        assert len(one["files"]) == 3, (name, one)
