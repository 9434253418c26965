"""Parts of timm, found where they are needed."""

from __future__ import annotations

import importlib
from typing import Any

from sgnas_deploy.errors import EnvironmentProblem


def part(module: str, name: str) -> Any:
    """Something of timm, such as `part("optim", "create_optimizer_v2")`.

    Raises:
        EnvironmentProblem: timm is not installed.
    """
    try:
        return getattr(importlib.import_module(f"timm.{module}"), name)
    except ModuleNotFoundError as error:
        raise EnvironmentProblem(
            "training needs timm, which is not installed", "pip install 'sgnas-deploy[train]'"
        ) from error
