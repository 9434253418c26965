from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from sgnas_deploy.workspace import Workspace
from tests.report import workspaces


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A whole workspace; not to be changed."""
    return workspaces.build(tmp_path_factory.mktemp("report") / "shop")


@pytest.fixture
def workspace(finished: Workspace, tmp_path: Path) -> Workspace:
    """The same, to be changed."""
    shutil.copytree(finished.root, tmp_path / "shop")
    return Workspace(tmp_path / "shop")
