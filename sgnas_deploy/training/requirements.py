"""What is checked before a training begins. No torch here."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, TypeVar

from sgnas_deploy import spaces
from sgnas_deploy.data import DataSet
from sgnas_deploy.errors import BadInput, EnvironmentProblem
from sgnas_deploy.spaces import Space

Description = TypeVar("Description")

CHECKPOINT_S: Final = 20.0
"""Seconds between checkpoints: at most so long a training is lost when it is stopped."""


def require_training() -> None:
    """Raise unless everything of the training extra is installed.

    Raises:
        EnvironmentProblem: names what is missing.
    """
    for module in ("torch", "safetensors", "timm"):
        if importlib.util.find_spec(module) is None:
            raise EnvironmentProblem(
                f"training needs {module}, which is not installed",
                "pip install 'sgnas-deploy[train]'",
            )


def require_positive(**flags: int | None) -> None:
    """Raise if a flag is given and not positive.

    Raises:
        BadInput: names the flag.
    """
    for name, value in flags.items():
        if value is not None and value < 1:
            raise BadInput(f"--{name} must be at least 1, not {value}")


def require_classes(data: DataSet, space: Space) -> None:
    """Raise unless the data has as many classes as the space has logits.

    Raises:
        BadInput: with the space that fits.
    """
    found = len(data.classes)
    if found != space.classes:
        name, *words = space.id.split("+")
        others = [word for word in words if not (word[0] == "c" and word[1:].isdigit())]
        fitting = spaces.load("+".join([name, f"c{found}", *others])).id
        raise BadInput(
            f"{data.name} has {found} classes, but space {space.id} has {space.classes}",
            f"use --space {fitting}",
        )


def data_spec(spec: str) -> str:
    """A name for the data that means the same from every folder."""
    return spec if spec == "digits" else str(Path(spec).resolve())


def checkpoint_path(weights: Path) -> Path:
    """Where the state of the training of `NAME.safetensors` is kept until it is done."""
    return weights.with_suffix(".checkpoint")


def kept(
    weights: Path,
    config: Mapping[str, object],
    fresh: bool,
    read: Callable[[], Description],
    made_with: Callable[[Description], Mapping[str, object]],
) -> Description | None:
    """What need not be trained again, else None; what must not be gone on with is removed.

    Args:
        weights: where the result of the training stands.
        config: all that decides the trajectory.
        fresh: train anew, whatever there is.
        read: the description beside the weights; BadInput where it is unusable.
        made_with: the same settings of a description.
    """
    if fresh:
        checkpoint_path(weights).unlink(missing_ok=True)
        return None
    if checkpoint_path(weights).exists() or not weights.exists():
        return None
    try:
        found = read()
    except BadInput:
        return None
    return found if made_with(found) == config else None
