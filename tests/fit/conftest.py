from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from sgnas_deploy.events import NullReporter
from sgnas_deploy.pipeline.profile import ProfileRequest, profile
from sgnas_deploy.workspace import Workspace
from tests.fakes.device import Disturbance, FakeDevice
from tests.fakes.reporters import Listener
from tests.fit.wandering import WanderingDevice

NOISE = Disturbance(sigma=0.02, process_sigma=0.008, spike_share=0.01)


@pytest.fixture(autouse=True)
def no_registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


@pytest.fixture
def listener() -> Listener:
    return Listener()


def device(
    seed: int = 1, wander: float = 0.006, unequal: float = 0.2, jump: float = 0.0
) -> WanderingDevice:
    """A device as a real one is: noise, processes that differ, a wandering speed, fusion."""
    return WanderingDevice(
        FakeDevice(disturbance=NOISE, seed=seed),
        wander=wander,
        time_s=200.0,
        unequal=unequal,
        jump=jump,
        own=0.004,
    )


@pytest.fixture(scope="session")
def profiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a table of `tiny`."""
    workdir = tmp_path_factory.mktemp("profiled")
    profile(
        ProfileRequest("cpu", workdir=workdir, space="tiny", quality="quick", form="concat"),
        NullReporter(),
        transport=device(),
    )
    return workdir


@pytest.fixture
def workspace(profiled: Path, tmp_path: Path) -> Workspace:
    shutil.copytree(profiled, tmp_path / "work")
    return Workspace(tmp_path / "work")
