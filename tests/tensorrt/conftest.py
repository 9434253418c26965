from __future__ import annotations

import os

import pytest

from sgnas_profilers.errors import EnvironmentProblem
from sgnas_profilers.trt.load import Runtime, load


@pytest.fixture(scope="session")
def rtx() -> Runtime:
    """TensorRT for RTX; without it the test skips, or fails where SGNAS_REQUIRE_RTX says so."""
    try:
        return load("rtx")
    except EnvironmentProblem as error:
        if os.environ.get("SGNAS_REQUIRE_RTX") == "1":
            raise
        pytest.skip(str(error))
