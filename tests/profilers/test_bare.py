"""The package zipped, on every Python that runs here, with nothing but its standard library."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from functools import cache
from pathlib import Path

import pytest

import sgnas_profilers
from sgnas_profilers import backends
from sgnas_profilers.backends import RunOptions
from sgnas_profilers.errors import BadInput, EnvironmentProblem
from sgnas_profilers.timing import TimingPlan
from sgnas_profilers.transports.stream import StreamAgent

PACKAGE = Path(sgnas_profilers.__file__).parent
NAMES = [f"python3.{minor}" for minor in range(8, 16)]

IMPORT_ALL = """
import sys
sys.path.insert(0, sys.argv[1])
import pkgutil
import sgnas_profilers
assert sgnas_profilers.__file__.startswith(sys.argv[1])
names = ["sgnas_profilers"]
names += [m.name for m in pkgutil.walk_packages(sgnas_profilers.__path__, "sgnas_profilers.")]
for name in names:
    __import__(name)
heavy = {"onnxruntime", "numpy", "onnx", "torch", "tensorrt", "pydantic", "typer", "rich"}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
print(*names)
"""
SERVE = """
import sys
sys.path.insert(0, sys.argv[1])
import runpy
runpy.run_module("sgnas_profilers", run_name="__main__", alter_sys=True)
"""


@cache
def interpreters() -> dict[str, str]:
    """Pythons that really run (a shim of a version manager may not), and the one that runs this."""
    found = {"this": sys.executable}
    for name in NAMES:
        path = shutil.which(name)
        if path and subprocess.run([path, "-c", ""], capture_output=True).returncode == 0:
            found[name] = path
    return found


@pytest.fixture(params=sorted(interpreters()))
def python(request: pytest.FixtureRequest) -> str:
    return interpreters()[request.param]


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("agent") / "agent.zip"
    with zipfile.ZipFile(path, "w") as file:
        for source in sorted(PACKAGE.rglob("*.py")):
            file.write(source, source.relative_to(PACKAGE.parent))
    return str(path)


def command(python: str, code: str, archive: str) -> list[str]:
    # -I: no environment, no current folder, no user's packages; -S: no site-packages either.
    return [python, "-I", "-S", "-c", code, archive]


def test_every_module_imports_without_any_package(python: str, archive: str) -> None:
    done = subprocess.run(command(python, IMPORT_ALL, archive), capture_output=True, text=True)
    assert done.stderr == ""
    modules = done.stdout.split()
    assert len(modules) == len(list(PACKAGE.rglob("*.py")))
    assert "sgnas_profilers.backends.onnxruntime" in modules


def test_the_agent_measures(python: str, archive: str) -> None:
    with StreamAgent(command(python, SERVE, archive), "the agent", "null", RunOptions(1)) as agent:
        assert agent.hello.agent_version == sgnas_profilers.__version__
        measurement = agent.measure(b"model" * 100_000, TimingPlan(8, 0, 1e-5, 4))
    assert len(measurement.timing.samples_s) == 4
    assert min(measurement.timing.samples_s) > 0


def test_the_agent_finds_its_backends_and_says_what_is_missing(python: str, archive: str) -> None:
    with pytest.raises(BadInput) as unknown:
        StreamAgent(command(python, SERVE, archive), "the agent", "abacus", RunOptions(1))
    assert unknown.value.cure == f"choose one of: {', '.join(backends.names())}"
    with pytest.raises(EnvironmentProblem, match="onnxruntime cannot be imported") as missing:
        StreamAgent(command(python, SERVE, archive), "the agent", "onnxruntime", RunOptions(1))
    assert missing.value.cure == "pip install 'sgnas-deploy[cpu]'"


def test_the_oldest_python_was_among_them() -> None:
    if "python3.8" not in interpreters():
        pytest.skip("python3.8 does not run here: its syntax and library are checked by vermin")
