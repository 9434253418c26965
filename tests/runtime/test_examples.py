"""The examples do what they say: every line of the pages is run, in order, or marked as not run.

All pages of `examples/` are taken, a new one too.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import typer.main
from PIL import Image

from sgnas_cli.main import app, run
from sgnas_deploy import models
from sgnas_deploy.workspace import Workspace
from sgnas_profilers.errors import EnvironmentProblem
from sgnas_profilers.trt.load import load
from tests.cli.fakes import FakePipeline
from tests.runtime import pages
from tests.runtime.board import standing_in
from tests.verdict import exported

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "examples").glob("*.md"))
FEW_PROBES = ROOT / "tests" / "generator" / "few_probes.toml"
DOCUMENTS = [ROOT / "README.md", ROOT / "docs" / "devices.md"]
"""Their commands are read by the real command line, not run."""
SHORTER = {
    "sgnas profile --device orin": " --space tiny --quality quick --max-blocks 40",
    "sgnas train supernet": " --epochs 1",
    "sgnas train generator": f" --epochs 1 --recipe {shlex.quote(str(FEW_PROBES))}",
    "sgnas retrain": " --epochs 1",
    # After one epoch the answers are so close to one another that rounding may turn a few.
    "sgnas export --format tensorrt": " --max-drop 0.05",
    "sgnas validate": " --max-seconds 5",
    # It is installed already; what is looked at is whether it would be.
    "pip install": " --dry-run --no-build-isolation --quiet",
}
"""What is added, so that the test is short; the commands are otherwise as they stand."""


def named(page: Path) -> str:
    return page.name


EVERY_PAGE = pytest.mark.parametrize("page", PAGES, ids=named)


def carried_out(page: Path) -> list[pages.Command]:
    """The lines that `test_the_page_is_carried_out` executes; unmarked ones are among them."""
    return [line for line in pages.commands(page) if line.mark != pages.NOT_RUN]


def flags() -> set[str]:
    """Every flag that the command line has, of any command."""
    found, left = set[str](), [typer.main.get_command(app)]
    while left:
        command = left.pop()
        left += getattr(command, "commands", {}).values()
        for parameter in command.params:
            found.update(parameter.opts, parameter.secondary_opts)
    return found


@pytest.mark.parametrize("name", ["cpu_walkthrough.md", "jetson.md"])
def test_a_walk_through_has_the_whole_job(name: str) -> None:
    text = [line.text for line in pages.commands(ROOT / "examples" / name)]
    for step in ("profile", "train supernet", "train generator", "generate", "retrain", "export",
                 "validate"):  # fmt: skip
        assert any(line.startswith(f"sgnas {step}") for line in text), step


@EVERY_PAGE
def test_every_line_is_executed_or_marked(page: Path) -> None:
    assert pages.strays(page) == [], "commands belong into a block that is marked sh"
    lines = pages.commands(page)
    assert lines
    marks = {line.mark for line in lines}
    assert marks <= {*pages.MARKS, ""}
    # One marked line makes a reader think that those without a mark were left out.
    assert marks == {""} or "" not in marks


@EVERY_PAGE
def test_what_needs_the_board_is_never_called_run(page: Path) -> None:
    """What reaches another machine, or changes this one, cannot be run here as it stands."""
    for line in pages.commands(page):
        board = line.text.startswith(("ssh ", "sudo ", "sgnas devices test orin"))
        if board or "--device orin" in line.text or "--device jetson" in line.text:
            assert line.mark in (pages.REHEARSED, pages.NOT_RUN), line.text


@pytest.mark.parametrize("page", [*PAGES, *DOCUMENTS], ids=named)
def test_every_command_is_understood(
    page: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the real command line, with the work replaced."""
    fake = FakePipeline(monkeypatch)
    own = [line.text for line in pages.commands(page) if line.text.startswith("sgnas ")]
    own += pages.indented(page)
    assert own
    for line in own:
        assert run(shlex.split(line)[1:]) == 0, line
    assert len(fake.calls) == len(own)
    capsys.readouterr()


@pytest.mark.parametrize("page", [*PAGES, *DOCUMENTS], ids=named)
def test_every_flag_of_the_text_exists(page: Path) -> None:
    assert pages.named_flags(page) <= flags()


def test_every_page_is_linked_by_name() -> None:
    for document in DOCUMENTS:
        for page in PAGES:
            assert f"examples/{page.name})" in document.read_text(), document.name


def test_the_gates_carry_the_pages_out() -> None:
    assert "make examples" in (ROOT / ".ci" / "run").read_text().splitlines()
    _, _, recipe = (ROOT / "Makefile").read_text().partition("\nexamples: ")
    command = recipe.splitlines()[1]
    assert "-m slow" in command
    assert command.endswith(" tests/runtime/test_examples.py")


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
@EVERY_PAGE
def test_the_page_is_carried_out(page: Path, tmp_path: Path) -> None:
    for module in ("torch", "timm", "sklearn", "onnxruntime"):
        pytest.importorskip(module)
    image = tmp_path / "an image.png"
    Image.fromarray(np.zeros((20, 30, 3), np.uint8)).save(image)
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    path = [str(Path(sys.executable).parent), os.environ["PATH"]]
    said = {}
    with ExitStack() as stack:
        if any("me@orin" in line.text for line in carried_out(page)):
            require_rtx()
            (tmp_path / "board").mkdir()
            path.insert(0, str(stack.enter_context(standing_in(tmp_path / "board"))))
        environment = {
            **os.environ,
            "DATA": "digits",
            "IMAGE": str(image),
            "OMP_NUM_THREADS": "1",
            "PATH": os.pathsep.join(path),
            "XDG_CONFIG_HOME": str(tmp_path / "config"),
        }
        for line in carried_out(page):
            said[line.text] = execute(line, tmp_path, environment)
    check_what_is_left(page.name, Workspace(tmp_path / "sgnas-work"), said, image)


def require_rtx() -> None:
    """Skip without TensorRT for RTX, or fail where SGNAS_REQUIRE_RTX says so."""
    try:
        load("rtx")
    except EnvironmentProblem as error:
        if os.environ.get("SGNAS_REQUIRE_RTX") == "1":
            raise
        pytest.skip(str(error))


def execute(line: pages.Command, folder: Path, environment: dict[str, str]) -> str:
    """Type a line of a page; what it printed."""
    extra = next((more for start, more in SHORTER.items() if line.text.startswith(start)), "")
    names = sorted((folder / "sgnas-work" / "models").glob("*.onnx"))
    done = subprocess.run(
        ["sh", "-c", line.text + extra],
        # pip is called in a checkout, as the page says; all else beside its examples.
        cwd=ROOT if line.text.startswith("pip ") else folder,
        env={**environment, "NAME": names[0].stem if names else ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in line.codes, f"{line.text}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr
    return done.stdout


def check_what_is_left(page: str, workspace: Workspace, said: dict[str, str], image: Path) -> None:
    """Look whether the commands have made what their page promises."""
    verdicts = list(workspace.reports.glob("*.verdict.html"))
    if page == "cpu_walkthrough.md":
        (classified,) = (out for line, out in said.items() if "classify.py" in line)
        assert classified.startswith(f"{image}: ")
        assert classified.count("%") == 3
        assert (workspace.reports / "report.html").is_file()
        assert len(verdicts) == 2
    if page == "jetson.md":
        (engine,) = workspace.models.glob("*.plan")
        facts = models.read_export_file(engine).runtime
        assert (facts["built_on"], facts["flavour"]) == ("orin", "tensorrt")
        assert len(verdicts) == 1
