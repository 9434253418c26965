from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Any

import pytest
import typer.main
from syrupy.assertion import SnapshotAssertion

from sgnas_cli.main import app, run
from tests.cli.fakes import FakePipeline


def _walk(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    yield path
    for name, child in getattr(command, "commands", {}).items():
        yield from _walk(child, (*path, name))


PATHS = sorted(_walk(typer.main.get_command(app)))
CONTRACT = {
    *("profile", "train supernet", "train generator", "generate", "retrain", "export"),
    *("fit", "validate", "report", "run", "lut show", "lut check", "lut diff", "lut merge"),
    *("lut export", "lut migrate"),
    *("devices", "devices list", "devices add", "devices test", "doctor", "demo"),
    "bench nasbench201",
}


def _help(path: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> str:
    assert run([*path, "--help"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return out


def _examples(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.startswith("    sgnas ")]


def test_all_commands_of_the_contract_are_there() -> None:
    assert {" ".join(path) for path in PATHS} >= CONTRACT


@pytest.mark.parametrize("path", PATHS, ids=" ".join)
def test_help(
    path: tuple[str, ...], capsys: pytest.CaptureFixture[str], snapshot: SnapshotAssertion
) -> None:
    text = _help(path, capsys)
    assert max(map(len, text.splitlines())) <= 80
    assert text == snapshot


@pytest.mark.parametrize("path", PATHS, ids=" ".join)
def test_examples_of_the_help_work(
    path: tuple[str, ...], capsys: pytest.CaptureFixture[str], pipeline: FakePipeline
) -> None:
    found = _examples(_help(path, capsys))
    assert found, "a command without an example"
    for line in found:
        words = shlex.split(line.split("  ")[0])
        before = len(pipeline.calls)
        assert run(words[1:]) == 0, line
        assert len(pipeline.calls) == before + 1
        assert words[: 1 + len(path)] == ["sgnas", *path], "an example of another command"


@pytest.mark.parametrize(
    ("path", "flag"),
    [
        (("profile",), "--device"),
        (("profile",), "--backend"),
        (("devices", "add"), "--backend"),
        (("train", "supernet"), "--precision"),
        (("train", "generator"), "--precision"),
        (("retrain",), "--precision"),
        (("validate",), "[MODEL]..."),
        (("validate",), "--device"),
        (("fit",), "--device"),
    ],
)
def test_what_never_ran_on_hardware_is_marked(
    path: tuple[str, ...], flag: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text = " ".join(_help(path, capsys).split())
    _, _, after = text.partition(f" {flag} ")
    own, *_ = after.split(" --")
    assert "not yet run on hardware" in own


def test_no_arguments_show_the_help_and_are_misuse(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([]) == 2
    assert "sgnas generate --count 3" in capsys.readouterr().err


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out.startswith("sgnas 0.")
