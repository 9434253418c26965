from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from sgnas_deploy import data
from sgnas_deploy.workspace import Workspace
from tests.generator import models, trained


@pytest.fixture(autouse=True)
def _as_found() -> Iterator[None]:
    """One thread, so that a busy machine is no slower; training flushes denormals, tests do not."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
    torch.set_flush_denormal(False)


@pytest.fixture
def with_table(tmp_path: Path) -> Workspace:
    return models.workspace(tmp_path / "work")


@pytest.fixture
def ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.setattr(data, "load", lambda spec, resolution: trained.small_data())
    return trained.ready(tmp_path / "work")
