"""`sgnas train generator`: train the architecture generator on a measured table."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sgnas_deploy import files
from sgnas_deploy.errors import NotBuiltYet
from sgnas_deploy.events import Reporter
from sgnas_deploy.workspace import DEFAULT_ROOT


@dataclass(frozen=True)
class TrainGeneratorRequest:
    """Flags of `sgnas train generator`.

    Attributes:
        lut: path or name of the table; None for the only one that fits.
        data: None for the data that the supernet was trained on.
        epochs: None for the recipe's.
        percentile: the percentile of a hot run that budgets speak of.
        budgets: how many budgets each step trains on.
        fresh: forget an interrupted training.
    """

    workdir: Path = DEFAULT_ROOT
    lut: str | None = None
    data: str | None = None
    epochs: int | None = None
    batch: int | None = None
    percentile: float = 50.0
    budgets: int = 8
    seed: int = 0
    fresh: bool = False


class TrainGeneratorResult(files.FrozenModel):
    """What was trained.

    Attributes:
        checkpoint: path of the weights (safetensors); a JSON description stands beside it.
        sha256: of that file.
        table: the table it was trained on.
        epochs: trained in all.
        resumed_at: the epoch an interrupted training went on at, 0 for a fresh one.
        loss: cross-entropy of the last epoch.
        budget_error: mean relative distance of expected latency to its target, last epoch.
        seconds: how long it took.
    """

    checkpoint: Path
    sha256: str
    table: Path
    epochs: int
    resumed_at: int
    loss: float
    budget_error: float
    seconds: float


def train_generator(request: TrainGeneratorRequest, reporter: Reporter) -> TrainGeneratorResult:
    """Train, or go on with, a generator."""
    raise NotBuiltYet("sgnas train generator is not built yet")
