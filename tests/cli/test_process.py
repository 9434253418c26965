"""The command as a process: what it imports, and how it ends when it is told to."""

from __future__ import annotations

import ast
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("torch", "onnx", "onnxruntime", "numpy", "pydantic", "rich", "timm", "sklearn")
# Typer itself looks at the words after a command with pydantic.
TYPERS = {"pydantic"}

LIGHT = f"""
import sys
from sgnas_cli.main import run
code = run(sys.argv[1:])
print(sorted(set({HEAVY!r}) & set(sys.modules)), file=sys.stderr)
sys.exit(code)
"""

TORCH_FREE = """
import importlib, sys
import sgnas_cli.render
importlib.import_module(f"sgnas_deploy.pipeline.{sys.argv[1]}")
print(sorted({"torch", "torchvision", "timm", "sklearn"} & set(sys.modules)))
"""

WAITING = """
import signal, sys, threading
from sgnas_cli import main
from sgnas_deploy.events import Note
from sgnas_deploy.pipeline import retrain

def slow(request, reporter):
    reporter.event(Note("at work"))
    threading.Event().wait(60)

retrain.retrain = slow
sys.argv = ["sgnas", "retrain", *sys.argv[1:]]
main.main()
"""


def python(*arguments: str) -> list[str]:
    return [sys.executable, *arguments]


@pytest.mark.parametrize("line", ["--help", "--version", "train --help", "profile --help"])
def test_help_imports_nothing_heavy(line: str) -> None:
    done = subprocess.run(
        python("-c", LIGHT, *line.split()), capture_output=True, text=True, check=False
    )
    found = set(ast.literal_eval(done.stderr.splitlines()[-1]))
    assert found <= (set() if line in ("--help", "--version") else TYPERS)


@pytest.mark.parametrize("name", ["profile", "validate", "lut", "devices", "doctor"])
def test_commands_for_a_device_import_no_torch(name: str) -> None:
    done = subprocess.run(
        python("-c", TORCH_FREE, name), capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_told_to_stop(name: str) -> None:
    with subprocess.Popen(
        python("-c", WAITING, "--json"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "at work\n"
        process.send_signal(getattr(signal, name))
        out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert err == "error: stopped; what was finished is kept\n"
    assert '"exit_code": 130' in out


def test_what_was_ignored_on_purpose_stays_ignored() -> None:
    """As under nohup."""
    process = subprocess.Popen(
        python("-c", f"import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n{WAITING}"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stderr is not None
        assert process.stderr.readline() == "at work\n"
        process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
    assert process.returncode == 130


def test_a_reader_that_left_changes_no_exit_code(tmp_path: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    script = (
        "import sys\nfrom sgnas_cli import main\nfrom sgnas_deploy.pipeline import validate\n"
        "from tests.cli import samples\n"
        "validate.validate = lambda *_: samples.validate_result('FAIL')\n"
        "sys.argv = ['sgnas', 'validate', *sys.argv[1:]]\nmain.main()\n"
    )
    root = Path(__file__).parents[2]
    for flags in ([], ["--json"]):
        done = subprocess.run(
            python("-c", script, *flags),
            stdout=write,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(root)},
        )
        assert (done.returncode, done.stderr) == (1, "")
    os.close(write)


def test_python_m_is_the_same_command() -> None:
    done = subprocess.run(
        python("-m", "sgnas_cli", "generate"), capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: no budget was given\n")
