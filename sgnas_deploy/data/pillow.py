"""Pillow, where it is needed: decoding image files and resizing."""

from __future__ import annotations

from types import ModuleType

from sgnas_deploy.errors import EnvironmentProblem


def pillow() -> ModuleType:
    """The module `PIL.Image`.

    Raises:
        EnvironmentProblem: it is not installed.
    """
    try:
        from PIL import Image
    except ImportError as error:
        raise EnvironmentProblem(
            "reading and resizing images needs Pillow, which is not installed",
            "pip install 'sgnas-deploy[train]'",
        ) from error
    return Image
