"""Trainings flush denormals in their process; other tests must not inherit that."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch


@pytest.fixture(autouse=True)
def denormals_come_back() -> Iterator[None]:
    yield
    torch.set_flush_denormal(False)
