from __future__ import annotations

import os

import pytest

from sgnas_profilers import cuda
from sgnas_profilers.errors import EnvironmentProblem
from sgnas_profilers.trt import load as loading
from sgnas_profilers.trt.load import Runtime, load
from tests.tensorrt.fake_trt import FakeTrt


@pytest.fixture(scope="session")
def rtx() -> Runtime:
    """TensorRT for RTX; without it the test skips, or fails where SGNAS_REQUIRE_RTX says so."""
    try:
        return load("rtx")
    except EnvironmentProblem as error:
        if os.environ.get("SGNAS_REQUIRE_RTX") == "1":
            raise
        pytest.skip(str(error))


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> FakeTrt:
    """A TensorRT and a GPU on this machine."""
    trt = FakeTrt()
    monkeypatch.setattr(cuda, "load", lambda: trt.gpu)
    monkeypatch.setattr(loading, "load", trt.runtime)
    return trt
