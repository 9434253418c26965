"""Logs of a training, beside its weights, for other programs to draw. No torch here.

One format, one file of this folder; the file's name is what a user types. A log is a view: what a
training goes on from is its checkpoint, and whatever a log holds from after that is taken out of it
when it is opened again, so that no step stands in it twice.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol, cast

from sgnas_deploy.errors import BadInput


class Log(Protocol):
    """An open log."""

    def row(self, step: int, values: Mapping[str, float]) -> None:
        """Add readings, such as `loss`, as they are after so many steps of the training.

        Raises:
            EnvironmentProblem: the file cannot be written.
        """

    def close(self) -> None:
        """Give back what it holds; what was added stands in the file before already."""


class _Format(Protocol):
    """What each file of this folder has."""

    def open_log(self, stem: Path, step: int) -> Log:
        """Begin a log, or go on with one.

        Args:
            stem: the weights' path without its suffix.
            step: steps that are done; readings of later ones are taken out. At 0 a log of an
                earlier training is replaced.
        """


def names() -> list[str]:
    """Names of the formats."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def check(wanted: Sequence[str]) -> None:
    """Raise unless all formats are known.

    Raises:
        BadInput: names the first that is not.
    """
    for name in wanted:
        if name not in names():
            raise BadInput(f"there is no log {name!r}", f"choose of {', '.join(names())}")


def open_log(name: str, weights: Path, step: int) -> Log:
    """Open the log of a training.

    Args:
        name: of the format.
        weights: where its weights go, or its checkpoint stands.
        step: steps that are done.

    Raises:
        BadInput: no such format.
        EnvironmentProblem: it cannot be written.
    """
    check([name])
    found = cast(_Format, importlib.import_module(f"{__name__}.{name}"))
    stem = weights.name.removesuffix(".safetensors").removesuffix(".checkpoint")
    return found.open_log(weights.with_name(stem), step)
