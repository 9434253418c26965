from __future__ import annotations

from typing import Any

import pytest

from benchmarks import in_turns


def test_slow_forms_get_one_step_in_the_first_and_the_last_round(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[tuple[str, int]] = []

    def run(module: str, form: str, flags: dict[str, Any]) -> dict[str, float]:
        asked.append((form, flags["steps"]))
        return {"step_s": float(len(asked)), "least_s": 0.5, "peak_rss_bytes": len(asked)}

    monkeypatch.setattr(in_turns, "in_fresh_process", run)
    found = in_turns.rows("m", ("plain", "fast"), 3, 64, {"steps": 5}, slow=("plain",))
    assert asked == [("plain", 1), ("fast", 5), ("fast", 5), ("plain", 1), ("fast", 5)]
    assert found["plain"]["rounds"] == 2
    assert found["plain"]["step_s"] == 2.5
    assert found["fast"]["step_s"] == 3.0
    assert found["fast"]["images_per_s"] == 64 / 3
    assert found["fast"]["peak_rss_bytes"] == 5


def test_one_round_measures_every_form_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        in_turns,
        "in_fresh_process",
        lambda module, form, flags: {"step_s": 1.0, "least_s": 1.0, "peak_rss_bytes": 1},
    )
    found = in_turns.rows("m", ("plain", "fast"), 1, 64, {"steps": 5}, slow=("plain",))
    assert [row["rounds"] for row in found.values()] == [1, 1]
