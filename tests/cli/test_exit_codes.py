from __future__ import annotations

import errno
import json
import os

import pytest

from sgnas_cli import main
from sgnas_cli.main import run
from sgnas_deploy.errors import (
    BadInput,
    ClearNo,
    EnvironmentProblem,
    TooNoisy,
)
from tests.cli import samples
from tests.cli.fakes import FakePipeline

REFUSED = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "sgnas-work/luts/t.json")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ClearNo("no network is that fast", "ask for 2 ms"), 1),
        (BadInput("no table", "run: sgnas profile --device cpu"), 2),
        (TooNoisy("the clock moved", "try again"), 3),
        (EnvironmentProblem("no onnxruntime", "pip install it"), 4),
        (REFUSED, 4),
        (PermissionError(errno.EACCES, "Permission denied", "x"), 4),
        (MemoryError(), 4),
        (FileNotFoundError(errno.ENOENT, "No such file or directory", "x"), 70),
        (ZeroDivisionError("division by zero"), 70),
        (KeyboardInterrupt(), 130),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else str(value),
)
def test_errors_end_with_their_code(
    error: BaseException, code: int, pipeline: FakePipeline, capsys: pytest.CaptureFixture[str]
) -> None:
    pipeline.answer("retrain", error)
    assert run(["retrain"]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("error: ") == 1
    assert ("Traceback" in err) == (code == 70)

    assert run(["retrain", "--json"]) == code
    out, err_of_json = capsys.readouterr()
    said = json.loads(out)
    assert said.keys() == {"error", "cure", "exit_code"}
    assert said["exit_code"] == code
    assert f"error: {said['error']}\n" in err_of_json
    if said["cure"]:
        assert f"cure: {said['cure']}\n" in err_of_json


def test_an_error_is_one_sentence_and_its_cure(
    pipeline: FakePipeline, capsys: pytest.CaptureFixture[str]
) -> None:
    pipeline.answer("lut.show", BadInput("there is no table 'x'", "list them: sgnas lut show"))
    assert run(["lut", "show"]) == 2
    assert capsys.readouterr().err == (
        "error: there is no table 'x'\ncure: list them: sgnas lut show\n"
    )


def test_a_full_disk_names_the_file(
    pipeline: FakePipeline, capsys: pytest.CaptureFixture[str]
) -> None:
    pipeline.answer("retrain", REFUSED)
    run(["retrain"])
    err = capsys.readouterr().err
    assert "error: No space left on device: sgnas-work/luts/t.json\n" in err


def test_a_bug_is_called_one(pipeline: FakePipeline, capsys: pytest.CaptureFixture[str]) -> None:
    pipeline.answer("retrain", KeyError("k5"))
    assert run(["retrain"]) == 70
    err = capsys.readouterr().err
    assert "this is a bug of ours, please report" in err
    assert "KeyError: 'k5'" in err


def test_ctrl_c_says_what_is_kept(
    pipeline: FakePipeline, capsys: pytest.CaptureFixture[str]
) -> None:
    pipeline.answer("retrain", KeyboardInterrupt())
    assert run(["retrain"]) == 130
    assert "stopped; what was finished is kept" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "function", "result", "code"),
    [
        ("fit --count 2", "fit", samples.fit_result("PASS", "PASS"), 0),
        ("fit --count 3", "fit", samples.fit_result("PASS", "FAIL", "UNDECIDED"), 1),
        ("fit --count 2", "fit", samples.fit_result("UNDECIDED", "PASS"), 3),
        ("validate", "validate", samples.validate_result("PASS", "PASS"), 0),
        ("validate", "validate", samples.validate_result("PASS", "FAIL", "UNDECIDED"), 1),
        ("validate", "validate", samples.validate_result("UNDECIDED", "PASS"), 3),
        ("lut check", "lut_check.check", samples.CHECK, 0),
        ("lut check", "lut_check.check", samples.CHECK_FAILED, 1),
        ("lut check", "lut_check.check", samples.CHECK_NOISY, 3),
        ("profile --device cpu", "profile", samples.PROFILE_NOISY, 3),
        ("doctor", "doctor", samples.HEALTHY, 0),
        ("doctor", "doctor", samples.UNHEALTHY, 4),
        ("devices test cpu", "devices.test", samples.ANSWERS, 0),
        ("devices test shelf", "devices.test", samples.SILENT, 4),
        ("demo", "demo", samples.DEMO, 0),
    ],
)
def test_results_end_with_their_code(
    line: str,
    function: str,
    result: object,
    code: int,
    pipeline: FakePipeline,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pipeline.answer(function, result)
    assert run(line.split()) == code
    assert capsys.readouterr().out.strip()
    assert run([*line.split(), "--json"]) == code
    out = capsys.readouterr().out
    assert json.loads(out) == json.loads(result.model_dump_json())  # type: ignore[attr-defined]


def test_talk_goes_to_stderr(pipeline: FakePipeline, capsys: pytest.CaptureFixture[str]) -> None:
    del pipeline
    assert run(["retrain", "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["data"] == "digits"
    assert "retrain speaks\n" in err


MISUSE = [
    "nonsense",
    "profile",
    "profile --device cpu --batch 0",
    "profile --device cpu --batch two",
    "profile --device cpu --threads 0",
    "profile --device cpu --resolution 3",
    "profile --device cpu --precision fp64",
    "profile --device cpu --quality best",
    "profile --device",
    "profile --devise cpu",
    "train",
    "train supernet",
    "train supernet --data digits --epochs 0",
    "train generator --percentile 100",
    "train generator --percentile nan",
    "train generator --budgets 0",
    "generate",
    "generate --latency-ms abc",
    "generate --latency-ms nan",
    "generate --latency-ms inf",
    "generate --latency-ms 0",
    "generate --latency-ms=-5",
    "generate --latency-ms 10 --count 3",
    "generate --latency-ms max --latency-ms 10",
    "generate --count 0",
    "generate --count 3 --margin 1",
    "generate --count 3 --margin nan",
    "generate --count 3 --scores accuracy",
    "fit --latency-ms max",
    "fit --count 2 --margin 1",
    "fit --count 2 --rounds 0",
    "validate --latency-ms max",
    "validate --latency-ms 0",
    "validate --confidence 1",
    "validate --max-seconds 0",
    "validate --max-seconds nan",
    "lut show a --lut b",
    "lut diff a",
    "lut merge a b",
    "lut check --networks 1",
    "report extra",
    "run",
    "run model",
    "run model image --top 0",
    "run model image --threads 0",
    "devices add",
    "devices test",
]


@pytest.mark.parametrize("line", MISUSE)
def test_misuse_is_one_sentence(
    line: str, pipeline: FakePipeline, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(line.split()) == 2
    assert pipeline.calls == []
    out, err = capsys.readouterr()
    assert out == ""
    assert "Traceback" not in err
    if not err.startswith("Usage: "):  # a group alone shows its commands
        first, second = err.splitlines()
        assert first.startswith("error: ")
        assert second.startswith("cure: ")


@pytest.mark.parametrize("line", ["nonsense", "generate", "profile --device cpu --batch 0"])
def test_misuse_in_json(
    line: str, pipeline: FakePipeline, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*line.split(), "--json"]) == 2
    assert pipeline.calls == []
    assert json.loads(capsys.readouterr().out)["exit_code"] == 2


def test_main_ends_the_process_with_the_code(
    pipeline: FakePipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline.answer("doctor", samples.UNHEALTHY)
    monkeypatch.setattr("sys.argv", ["sgnas", "doctor"])
    monkeypatch.setattr(main, "_stop_like_ctrl_c", lambda: None)
    with pytest.raises(SystemExit) as ended:
        main.main()
    assert ended.value.code == 4
