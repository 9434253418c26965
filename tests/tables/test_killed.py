from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.fakes.alone import run_alone

KILLS = 50


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_killed_fifty_times_it_loses_nothing_and_ends_with_the_same_table(tmp_path: Path) -> None:
    found, _ = run_alone("tests.tables.killed", str(tmp_path), str(KILLS), "7")
    assert found["killed"] == KILLS
    assert found["lost"] == 0
    assert found["resumed"] > 0
    assert found["measured_twice"] == 0
    assert found["same_table"]
    assert found["left_behind"] == ["tiny--cpu--onnxruntime-fp32-b1-t1.json"]
