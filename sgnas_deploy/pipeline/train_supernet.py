"""`sgnas train supernet`: train the unified supernet of a space."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sgnas_deploy import files
from sgnas_deploy.errors import NotBuiltYet
from sgnas_deploy.events import Reporter
from sgnas_deploy.workspace import DEFAULT_ROOT


@dataclass(frozen=True)
class TrainSupernetRequest:
    """Flags of `sgnas train supernet`.

    Attributes:
        data: `digits`, or a folder.
        space: identifier; None for the workspace's, else `imagenet`.
        epochs: None for the recipe's.
        batch: images a step; None for the recipe's.
        fresh: forget an interrupted training.
    """

    data: str
    workdir: Path = DEFAULT_ROOT
    space: str | None = None
    epochs: int | None = None
    batch: int | None = None
    seed: int = 0
    fresh: bool = False


class TrainSupernetResult(files.FrozenModel):
    """What was trained.

    Attributes:
        checkpoint: path of the weights (safetensors); a JSON description stands beside it.
        sha256: of that file.
        space: identifier.
        epochs: trained in all.
        resumed_at: the epoch an interrupted training went on at, 0 for a fresh one.
        accuracy: mean top-1 of a few random sub-networks on the held-out images.
        seconds: how long it took.
    """

    checkpoint: Path
    sha256: str
    space: str
    epochs: int
    resumed_at: int
    accuracy: float
    seconds: float


def train_supernet(request: TrainSupernetRequest, reporter: Reporter) -> TrainSupernetResult:
    """Train, or go on with, a supernet."""
    raise NotBuiltYet("sgnas train supernet is not built yet")
