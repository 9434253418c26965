from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
KILLS = 50


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_killed_fifty_times_it_loses_nothing_and_ends_with_the_same_table(tmp_path: Path) -> None:
    # A process of its own: forking one that has threads is not safe.
    single = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "tests.tables.killed", str(tmp_path), str(KILLS), "7"],
        cwd=ROOT,
        env={**os.environ, **single},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["killed"] == KILLS
    assert found["lost"] == 0
    assert found["resumed"] > 0
    assert found["measured_twice"] == 0
    assert found["same_table"]
    assert found["left_behind"] == ["tiny--cpu--onnxruntime-fp32-b1-t1.json"]
