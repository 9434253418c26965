"""The examples do what they say: every command of the walk-through is run, in its order."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sgnas_cli.main import run
from sgnas_deploy.workspace import Workspace
from tests.cli.fakes import FakePipeline
from tests.verdict import exported

ROOT = Path(__file__).parents[2]
WALKTHROUGH = ROOT / "examples" / "cpu_walkthrough.md"
SHORTER = {
    "sgnas train supernet": " --epochs 1",
    "sgnas train generator": " --epochs 1",
    "sgnas retrain": " --epochs 1",
    "sgnas validate": " --max-seconds 5",
}
"""What is added, so that the test is short; the commands are otherwise as they stand."""


def commands() -> list[tuple[str, set[int]]]:
    """Every command of the page and the exit codes that are fine."""
    found = []
    text = WALKTHROUGH.read_text()
    for mark, body in re.findall(r"^```sh([^\n]*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        codes = {int(code) for code in re.findall(r"\d+", mark)} or {0}
        found += [(line, codes) for line in body.splitlines()]
    return found


def test_the_walk_through_has_the_whole_job() -> None:
    text = [line for line, _ in commands()]
    for step in ("profile", "train supernet", "train generator", "generate", "retrain", "export",
                 "validate", "report", "run"):  # fmt: skip
        assert any(line.startswith(f"sgnas {step}") for line in text), step
    assert any(line.startswith("python examples/classify.py") for line in text)


def test_every_command_of_the_walk_through_is_understood(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the real command line, with the work replaced; the whole is run by the slow test."""
    fake = FakePipeline(monkeypatch)
    own = [line for line, _ in commands() if line.startswith("sgnas ")]
    for line in own:
        assert run(shlex.split(line)[1:]) == 0, line
    assert len(fake.calls) == len(own)
    capsys.readouterr()


@pytest.mark.skipif(find_spec("onnxruntime") is None, reason="ONNX Runtime is not installed")
def test_the_snippet_classifies(tmp_path: Path) -> None:
    artefact = exported.put(Workspace(tmp_path), "net")
    image = tmp_path / "image.png"
    Image.fromarray(np.zeros((20, 30, 3), np.uint8)).save(image)
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "classify.py"), str(artefact), str(image)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith(f"{image}: ")
    assert done.stdout.count("%") == 3


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_walk_through(tmp_path: Path) -> None:
    for module in ("torch", "timm", "sklearn", "onnxruntime"):
        pytest.importorskip(module)
    image = tmp_path / "an image.png"
    Image.fromarray(np.zeros((20, 30, 3), np.uint8)).save(image)
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    environment = {
        **os.environ,
        "IMAGE": str(image),
        "OMP_NUM_THREADS": "1",
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    said = ""
    for line, codes in commands():
        extra = next((more for start, more in SHORTER.items() if line.startswith(start)), "")
        names = sorted((tmp_path / "sgnas-work" / "models").glob("*.onnx"))
        environment["NAME"] = names[0].stem if names else ""
        done = subprocess.run(
            ["sh", "-c", line + extra],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode in codes, f"{line}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr
        said = done.stdout
    assert said.startswith(f"{image}: ")
    assert said.count("%") == 3
    reports = {path.name for path in (tmp_path / "sgnas-work" / "reports").iterdir()}
    assert "report.html" in reports
    assert sum(name.endswith(".verdict.html") for name in reports) == 2
