"""The demo's logic, with the steps replaced."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sgnas_deploy import tables
from sgnas_deploy.errors import BadInput, ClearNo
from sgnas_deploy.events import Reporter
from sgnas_deploy.pipeline import demo as pipeline
from sgnas_deploy.pipeline.demo import DemoRequest, demo
from tests.cli import samples
from tests.fakes.reporters import Listener

STEPS = {
    "profile": samples.PROFILE,
    "train_supernet": samples.SUPERNET,
    "train_generator": samples.GENERATOR,
    "generate": samples.GENERATE,
    "retrain": samples.RETRAIN,
    "export": samples.EXPORT,
    "validate": samples.validate_result("PASS", "UNDECIDED", "FAIL"),
}


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What each step was asked, in the order of the steps."""
    asked: dict[str, Any] = {}

    def fake(name: str) -> Callable[[Any, Reporter], Any]:
        def step(request: Any, reporter: Reporter) -> Any:
            del reporter
            asked[name] = request
            return STEPS[name]

        return step

    for name in STEPS:
        monkeypatch.setattr(pipeline, name, fake(name))
    return asked


def test_all_steps_in_order(requests: dict[str, Any], tmp_path: Path) -> None:
    listener = Listener()
    demo(DemoRequest(workdir=tmp_path / "my demo"), listener)
    assert list(requests) == list(STEPS)
    assert all(request.workdir == tmp_path / "my demo" for request in requests.values())
    work = f"--workdir '{tmp_path}/my demo'"
    assert listener.notes == [
        f"[1/7] sgnas profile --device cpu --space tiny --quality quick {work}",
        f"[2/7] sgnas train supernet --space tiny --data digits {work}",
        f"[3/7] sgnas train generator {work}",
        f"[4/7] sgnas generate --count 3 {work}",
        f"[5/7] sgnas retrain {work}",
        f"[6/7] sgnas export --format onnx {work}",
        f"[7/7] sgnas validate --data digits {work}",
    ]


def test_the_commands_it_names_do_what_it_does(
    requests: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each line, typed by hand, gives the same request."""
    import shlex

    from sgnas_cli.main import run
    from tests.cli.fakes import FakePipeline

    listener = Listener()
    demo(DemoRequest(workdir=tmp_path, fresh=True), listener)
    typed = FakePipeline(monkeypatch)
    for note in listener.notes:
        assert run(shlex.split(note.partition(" sgnas ")[2])) == 0
    assert [arguments for _, arguments in typed.calls] == [(r,) for r in requests.values()]


def test_rows_join_what_was_asked_trained_and_measured(
    requests: dict[str, Any], tmp_path: Path
) -> None:
    del requests
    result = demo(DemoRequest(workdir=tmp_path), Listener())
    assert [row.verdict for row in result.rows] == ["PASS", "UNDECIDED", "FAIL"]
    assert result.verdict == "FAIL"
    assert result.margin == samples.GENERATE.margin
    assert [row.name for row in result.rows] == [m.name for m in samples.RETRAIN.models]
    assert [row.budget_s for row in result.rows] == [0.001, 0.002, 0.003]
    assert [row.macs for row in result.rows] == [1_000_000, 2_000_000, 3_000_000]
    assert [name for name, _ in result.stages] == [
        *("profile", "train supernet", "train generator"),
        *("generate", "retrain", "export", "validate"),
    ]
    assert all(seconds >= 0 for _, seconds in result.stages)


def test_a_table_that_is_there_is_kept_unless_fresh(
    requests: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tmp_path / "luts" / "tiny--cpu--onnxruntime-fp32-b1-t1.json"
    table.parent.mkdir()
    table.write_text("{}")
    monkeypatch.setattr(tables, "read", lambda path: path)
    listener = Listener()
    demo(DemoRequest(workdir=tmp_path), listener)
    assert "profile" not in requests
    assert any(str(table) in note for note in listener.notes)

    requests.clear()
    demo(DemoRequest(workdir=tmp_path, fresh=True), listener)
    fresh = {name: request.fresh for name, request in requests.items() if hasattr(request, "fresh")}
    assert fresh == dict.fromkeys(("profile", "train_supernet", "train_generator", "retrain"), True)


def test_a_table_that_cannot_be_read_is_measured_anew(
    requests: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(path: Path) -> None:
        raise BadInput(f"{path} is no table")

    (tmp_path / "luts").mkdir()
    (tmp_path / "luts" / "tiny--cpu--x.json").write_text("{")
    monkeypatch.setattr(tables, "read", broken)
    demo(DemoRequest(workdir=tmp_path), Listener())
    assert "profile" in requests


def test_an_error_of_a_step_is_the_demo_s(
    requests: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: Any) -> None:
        raise ClearNo("the outputs differ")

    monkeypatch.setattr(pipeline, "export", failing)
    with pytest.raises(ClearNo):
        demo(DemoRequest(workdir=tmp_path), Listener())
    assert "validate" not in requests
