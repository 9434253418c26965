"""The agent as one file: the same bytes each time, on a Python without any package."""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import sgnas_profilers
from sgnas_profilers.backends import RunOptions
from sgnas_profilers.bundle import OLD_PYTHON, bundle
from sgnas_profilers.timing import TimingPlan
from sgnas_profilers.transports.stream import StreamAgent

PACKAGE = Path(sgnas_profilers.__file__).parent


@pytest.fixture
def agent_file(tmp_path: Path) -> Path:
    path = tmp_path / "agent.pyz"
    path.write_bytes(bundle().data)
    return path


def test_the_same_sources_give_the_same_bytes() -> None:
    first = bundle()
    assert bundle() == first
    assert hashlib.sha256(first.data).hexdigest() == first.sha256


def test_it_holds_the_sources_and_nothing_else() -> None:
    with zipfile.ZipFile(io.BytesIO(bundle().data)) as archive:
        names = archive.namelist()
        assert archive.testzip() is None
        # Nothing of the files but their content, whoever unpacked them when.
        facts = {(one.date_time, one.external_attr, one.extra) for one in archive.infolist()}
        assert len(facts) == 1
    expected = {path.relative_to(PACKAGE.parent).as_posix() for path in PACKAGE.rglob("*.py")}
    assert set(names) == {*expected, "__main__.py"}
    assert names == sorted(names)


def test_it_runs_on_a_bare_python(agent_file: Path) -> None:
    command = [sys.executable, "-I", "-S", str(agent_file)]
    with StreamAgent(command, "the bundle", "null", RunOptions(1), compress=True) as agent:
        assert agent.hello.agent_version == sgnas_profilers.__version__
        assert agent.measure(bytes(1 << 20), TimingPlan(1, 0, 0, 2)).timing.samples_s


def test_an_old_python_is_told(agent_file: Path) -> None:
    code = (
        "import runpy, sys; sys.version, sys.version_info = '3.7.1 (old)', (3, 7, 1); "
        "runpy.run_path(sys.argv[1], run_name='__main__')"
    )
    command = [sys.executable, "-I", "-c", code, str(agent_file)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (OLD_PYTHON, "Python 3.7.1\n")
