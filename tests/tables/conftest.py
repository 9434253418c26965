from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from sgnas_deploy import tables
from sgnas_deploy.pipeline.profile import ProfileRequest, ProfileResult, profile
from tests.fakes.device import Disturbance, FakeDevice
from tests.fakes.reporters import Listener


@dataclass(frozen=True)
class Profiled:
    """A finished profile of a fake device."""

    workdir: Path
    device: FakeDevice
    result: ProfileResult
    listener: Listener

    @property
    def table(self) -> tables.LatencyTable:
        return tables.read(self.result.table)


NOISY = Disturbance(sigma=0.02, process_sigma=0.005, spike_share=0.01)


@pytest.fixture
def listener() -> Listener:
    return Listener()


@pytest.fixture(scope="session")
def profiled(tmp_path_factory: pytest.TempPathFactory) -> Profiled:
    """`tiny`, measured once with `auto` form on a slightly noisy fake device."""
    workdir = tmp_path_factory.mktemp("profiled")
    device, listener = FakeDevice(disturbance=NOISY), Listener()
    request = ProfileRequest("cpu", workdir=workdir, space="tiny", quality="quick")
    return Profiled(workdir, device, profile(request, listener, device), listener)
