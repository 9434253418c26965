"""`doctor`: one finding a part, each that is not ok with a cure."""

from __future__ import annotations

import builtins
import importlib
import shutil
import sys
from collections import namedtuple
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from sgnas_deploy.errors import EnvironmentProblem
from sgnas_deploy.pipeline import doctor as module
from sgnas_deploy.pipeline.doctor import DoctorResult, Finding, doctor
from sgnas_profilers import machine

Usage = namedtuple("Usage", "total used free")
TRIED = module._tried
"""The real one; no other test loads a library."""


@pytest.fixture(autouse=True)
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    return tmp_path / "sgnas" / "devices.toml"


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Libraries load at once; what was tried."""
    codes: list[str] = []

    def loads(code: str) -> str:
        codes.append(code)
        return "1.0"

    monkeypatch.setattr(module, "_tried", loads)
    return codes


@pytest.fixture(autouse=True)
def quick(tried: list[str]) -> None:
    """No test of others waits for a library."""


def has(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Just these accelerator parts are installed."""
    monkeypatch.setattr(module, "version", lambda name: "9.9" if name in names else None)
    monkeypatch.setattr(module, "find_spec", lambda name: None)


def finding(result: DoctorResult, name: str) -> Finding:
    (found,) = (one for one in result.findings if one.name == name)
    return found


def test_all_parts_are_looked_at_and_what_is_missing_has_a_cure() -> None:
    result = doctor()
    assert {one.name for one in result.findings} >= {
        "python",
        "numpy",
        "onnx",
        "pydantic",
        "typer",
        "rich",
        "onnxruntime",
        "torch",
        "timm",
        "safetensors",
        "scikit-learn",
        "tensorrt",
        "tensorrt_rtx",
        "trtexec",
        "cuda-bindings",
        "pycuda",
        "ssh client",
        "disk space",
        "processor",
        "cpu governor",
        "load",
        "configuration",
    }
    for one in result.findings:
        assert (one.cure == "") == (one.state == "ok"), one
        assert one.detail, one
    assert result.healthy


def test_versions_are_those_that_are_installed() -> None:
    import numpy

    result = doctor()
    assert finding(result, "numpy").detail == numpy.__version__
    assert finding(result, "python").detail.endswith(sys.version.split()[0])


def test_what_never_ran_on_hardware_says_so() -> None:
    result = doctor()
    for name in ("tensorrt", "tensorrt_rtx", "trtexec", "cuda-bindings", "pycuda"):
        assert "not yet run on hardware" in finding(result, name).detail


def test_nothing_is_left_behind(registry: Path) -> None:
    doctor()
    assert list(registry.parent.parent.iterdir()) == []


def test_a_broken_base_part_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.import_module

    def broken(name: str, package: str | None = None) -> ModuleType:
        if name == "onnx":
            raise ImportError("libprotobuf is missing")
        return real(name, package)

    monkeypatch.setattr(importlib, "import_module", broken)
    result = doctor()
    assert not result.healthy
    found = finding(result, "onnx")
    assert (found.state, found.cure) == ("problem", "pip install --force-reinstall onnx")
    assert "libprotobuf" in found.detail


def test_a_missing_runtime_is_missing_and_no_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any) -> ModuleType:
        if name == "onnxruntime":
            raise ImportError("No module named 'onnxruntime'")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    result = doctor()
    found = finding(result, "onnxruntime")
    assert (found.state, found.cure) == ("missing", "pip install 'sgnas-deploy[cpu]'")
    assert result.healthy


def test_missing_extras_name_their_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "version", lambda name: None)
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    result = doctor()
    assert finding(result, "torch").cure == "pip install 'sgnas-deploy[train]'"
    assert finding(result, "tensorrt").cure.startswith("pip install 'sgnas-deploy[tensorrt]'")
    assert finding(result, "ssh client").state == "missing"
    assert result.healthy


def test_what_is_installed_is_loaded(monkeypatch: pytest.MonkeyPatch, tried: list[str]) -> None:
    has(monkeypatch, "tensorrt", "cuda-bindings")
    result = doctor()
    assert finding(result, "tensorrt").state == "ok"
    assert finding(result, "CUDA").detail == "1.0, not yet run on hardware"
    assert len(tried) == 2
    assert "load('tensorrt')" in tried[0]


def test_what_is_not_installed_is_not_loaded(
    monkeypatch: pytest.MonkeyPatch, tried: list[str]
) -> None:
    has(monkeypatch)
    assert "CUDA" not in {one.name for one in doctor().findings}
    assert tried == []


def test_a_library_that_does_not_load_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    has(monkeypatch, "tensorrt_rtx", "pycuda")
    why = EnvironmentProblem("libnvinfer.so.10 is not there", "install it")
    monkeypatch.setattr(module, "_tried", lambda code: why)
    result = doctor()
    assert result.healthy
    for name in ("tensorrt_rtx", "CUDA"):
        found = finding(result, name)
        assert (found.state, found.cure) == ("missing", "install it")
        assert "libnvinfer.so.10 is not there" in found.detail
    assert finding(result, "tensorrt").state == "missing"


@pytest.mark.parametrize(
    ("code", "message", "cure"),
    [
        (
            "from sgnas_profilers.errors import EnvironmentProblem as E; raise E('no GPU', 'buy')",
            "no GPU",
            "buy",
        ),
        ("import os; os.kill(os.getpid(), 9)", "ended with -9", None),
        ("raise ZeroDivisionError", "ended with 1", None),
    ],
)
def test_loading_happens_in_a_process_of_its_own(code: str, message: str, cure: str | None) -> None:
    found = TRIED(code)
    assert isinstance(found, EnvironmentProblem)
    assert message in found.message
    assert found.cure == cure
    assert TRIED("print('noise'); said = '10.3'") == "10.3"


def test_a_library_that_never_ends_loading_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOAD_S", 0.5)
    found = TRIED("import time; time.sleep(60)")
    assert isinstance(found, EnvironmentProblem)
    assert "timed out" in found.message


def test_a_full_disk_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**12, 10**12 - 1000, 1000))
    result = doctor()
    assert finding(result, "disk space").state == "problem"
    assert not result.healthy


def test_a_moody_governor_and_a_loaded_machine_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    state = {"governor": "powersave", "load_1min": 99.0}
    monkeypatch.setattr(machine, "state", lambda: state)
    result = doctor()
    assert "performance" in finding(result, "cpu governor").cure
    assert finding(result, "load").detail == "99.0 over the last minute"


def test_a_damaged_registry_is_a_problem(registry: Path) -> None:
    registry.parent.mkdir()
    registry.write_text("not toml")
    found = finding(doctor(), "configuration")
    assert found.state == "problem"
    assert "not valid TOML" in found.detail


def test_a_configuration_folder_that_is_a_file_is_a_problem(registry: Path) -> None:
    registry.parent.write_text("in the way")
    assert finding(doctor(), "configuration").state == "problem"
