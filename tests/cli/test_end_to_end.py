"""The real commands on the real toolchain.

The fast ones run on the backend `null`, which executes nothing: its table holds the harness's own
overhead, which is enough to test the way from command to command. The whole demo is `slow`.
"""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SGNAS = (sys.executable, "-m", "sgnas_cli")
PROFILE = ("profile", "--device", "cpu", "--space", "tiny", "--backend", "null")
QUICK = ("--quality", "quick")


def sgnas(*arguments: str | Path, timeout_s: float = 200) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*SGNAS, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout_s,
    )


def answer(done: subprocess.CompletedProcess[str]) -> Any:
    """The one JSON object on stdout."""
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def profiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a table."""
    work = tmp_path_factory.mktemp("profiled")
    done = sgnas(*PROFILE, *QUICK, "--form", "concat", "--workdir", work, "--json")
    assert done.returncode == 0, done.stderr
    result = answer(done)
    assert result["form"] == "concat"
    assert result["resumed"] == 0
    assert Path(result["table"]) == work / "luts" / "tiny--cpu--null-fp32-b1-t1.json"
    return work


def test_a_table_leads_to_architectures_that_keep_their_budgets(profiled: Path) -> None:
    done = sgnas("generate", "--count", "3", "--scores", "macs", "--workdir", profiled, "--json")
    assert done.returncode == 0, done.stderr
    result = answer(done)
    assert len(result["architectures"]) == 3
    for one in result["architectures"]:
        assert one["predicted_s"] <= one["budget_s"] * (1 - result["margin"]) * (1 + 1e-12)
        assert Path(one["path"]).is_file()
    assert [one["budget_s"] for one in result["architectures"]] == sorted(
        one["budget_s"] for one in result["architectures"]
    )


def test_a_budget_below_the_fastest_is_a_clear_no(profiled: Path) -> None:
    done = sgnas(
        "generate", "--latency-ms", "1e-9", "--scores", "macs", "--workdir", profiled, "--json"
    )
    assert done.returncode == 1
    said = answer(done)
    assert said["exit_code"] == 1
    assert "feasible" in said["error"]


def test_a_budget_above_the_slowest_is_a_warning(profiled: Path) -> None:
    done = sgnas(
        "generate", "--latency-ms", "1e6", "--scores", "macs", "--workdir", profiled, "--json"
    )
    assert done.returncode == 0
    assert answer(done)["warnings"]
    assert "warning: " in done.stderr


def test_generate_without_a_generator_names_the_command(profiled: Path) -> None:
    done = sgnas("generate", "--count", "3", "--workdir", profiled)
    assert (done.returncode, done.stdout) == (2, "")
    assert "sgnas train generator" in done.stderr


@pytest.mark.parametrize(
    ("line", "commands"),
    [
        (
            "generate --count 3",
            ("sgnas profile --device cpu", "sgnas train supernet", "sgnas train generator"),
        ),
        ("generate --count 3 --scores macs", ("sgnas profile --device cpu",)),
        ("train generator", ("sgnas profile --device cpu",)),
        ("retrain", ("sgnas generate",)),
        ("export", ("sgnas retrain",)),
        ("validate", ("sgnas export",)),
        ("lut check", ("sgnas profile --device cpu",)),
    ],
)
def test_an_empty_workspace_is_told_what_to_run(
    line: str, commands: tuple[str, ...], tmp_path: Path
) -> None:
    work = tmp_path / "empty"
    done = sgnas(*line.split(), "--workdir", work)
    assert (done.returncode, done.stdout) == (2, "")
    for command in commands:
        assert command in done.stderr
    assert not work.exists(), "a refusal leaves nothing behind"


@pytest.mark.parametrize(
    "line",
    [
        "profile --device jetson",
        "profile --device cpu --host me@there",
        "profile --device cpu --form ring",
        "profile --device cpu --space tiny+nothing",
        "profile --device nosuch",
        "lut show nosuch",
        "train supernet --data nosuch --space tiny",
    ],
)
def test_what_is_unknown_is_one_sentence(line: str, tmp_path: Path) -> None:
    work = tmp_path / "empty"
    done = sgnas(*line.split(), "--workdir", work)
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert [text.split(": ")[0] for text in done.stderr.splitlines()] == ["error", "cure"]
    assert not work.exists(), "a refusal leaves nothing behind"


@pytest.mark.skipif(shutil.which("nvidia-smi") is not None, reason="there may be a GPU")
@pytest.mark.parametrize("line", ["--device gpu", "--device cpu --backend tensorrt"])
def test_a_missing_gpu_is_an_environment_problem(line: str, tmp_path: Path) -> None:
    work = tmp_path / "empty"
    done = sgnas("profile", *line.split(), "--workdir", work)
    assert (done.returncode, done.stdout) == (4, ""), done.stderr
    assert not work.exists(), "a refusal leaves nothing behind"


def test_a_corrupt_table_is_bad_input(tmp_path: Path) -> None:
    luts = tmp_path / "luts"
    luts.mkdir()
    (luts / "tiny--cpu--null-fp32-b1-t1.json").write_text('{"kind": ')
    done = sgnas("generate", "--count", "3", "--workdir", tmp_path)
    assert done.returncode == 2
    assert "tiny--cpu--null-fp32-b1-t1.json" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_workspace_that_cannot_be_written_is_the_environment_s(tmp_path: Path) -> None:
    """A file where the folder should be: unlike permissions, it stops root as well."""
    (tmp_path / "file").write_text("")
    done = sgnas(*PROFILE, *QUICK, "--workdir", tmp_path / "file" / "work")
    assert done.returncode == 4, done.stderr
    assert "Traceback" not in done.stderr


def test_a_stopped_profile_goes_on(tmp_path: Path) -> None:
    command = [*SGNAS, *PROFILE, *QUICK, "--form", "concat", "--workdir", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as (
        process
    ):
        assert process.stderr is not None
        for line in process.stderr:
            if "ended after" in line:  # the first pass is in the journal
                break
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    assert err.splitlines()[-1] == "error: stopped; what was finished is kept"
    assert "Traceback" not in err
    assert not list((tmp_path / "luts").glob("*--t1.json"))

    done = sgnas(*command[len(SGNAS) :], "--json")
    assert done.returncode == 0, done.stderr
    assert answer(done)["resumed"] > 0


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_whole_demo(tmp_path: Path) -> None:
    done = sgnas("demo", "--workdir", tmp_path / "demo-work", "--json", timeout_s=1700)
    assert done.returncode == 0, done.stderr
    result = answer(done)
    assert len(result["rows"]) == 3
    assert [name for name, _ in result["stages"]] == [
        *("profile", "train supernet", "train generator"),
        *("generate", "retrain", "export", "validate"),
    ]
    for row in result["rows"]:
        assert row["verdict"] in ("PASS", "FAIL", "UNDECIDED")
        assert row["predicted_s"] <= row["budget_s"] * (1 - result["margin"]) * (1 + 1e-12)
        assert row["p50_s"] <= row["p95_s"]
        assert 0.5 < row["accuracy"] <= 1, "ten classes: far above chance"
