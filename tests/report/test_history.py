"""Histories: what is written is read, and a stopped training has the same one."""

from __future__ import annotations

from pathlib import Path

import pytest

from sgnas_deploy.errors import BadInput
from sgnas_deploy.training.history import LINES_AN_EPOCH, History, path_of, read


@pytest.mark.parametrize("steps", [1, 3, 4, 10, 41])
@pytest.mark.parametrize("stop", [None, 0, 5])
def test_a_stop_changes_nothing(tmp_path: Path, steps: int, stop: int | None) -> None:
    losses = [1 / (1 + i) for i in range(3 * steps)]
    history = History(tmp_path / "a.history.jsonl", steps)
    for number, loss in enumerate(losses):
        if number == stop:
            history = History(tmp_path / "a.history.jsonl", steps, history.state())
        history.step(*divmod(number, steps), loss, {"learning_rate": 0.5})
    history.write()
    lines = read(tmp_path / "a.history.jsonl")
    assert 3 * min(steps, LINES_AN_EPOCH) <= len(lines) <= 3 * (2 * LINES_AN_EPOCH)
    assert lines[-1]["epoch"] == 3
    assert all(line["learning_rate"] == 0.5 for line in lines)
    last = lines[0]["epoch"] * steps
    assert lines[0]["loss"] == pytest.approx(sum(losses[: round(last)]) / round(last))


def test_a_task_without_readings(tmp_path: Path) -> None:
    history = History(tmp_path / "a", 1)
    history.step(0, 0, 2.0, {})
    history.write()
    assert read(tmp_path / "a") == [{"epoch": 1, "loss": 2}]


def test_names_with_dots_keep_them() -> None:
    for suffix in ("safetensors", "checkpoint"):
        assert path_of(Path(f"m/tiny-0.2ms.{suffix}")) == Path("m/tiny-0.2ms.history.jsonl")


@pytest.mark.parametrize(
    "text", ["[]", "{", '{"epoch": 1}', '{"epoch": 1, "loss": NaN}', '{"epoch": 1, "loss": "x"}']
)
def test_what_is_no_history_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.history.jsonl"
    path.write_text(f'{{"epoch": 1, "loss": 2}}\n{text}\n')
    with pytest.raises(BadInput, match="line 2"):
        read(path)
