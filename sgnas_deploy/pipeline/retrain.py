"""`sgnas retrain`: train generated architectures to the end."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sgnas_deploy import files
from sgnas_deploy.errors import NotBuiltYet
from sgnas_deploy.events import Reporter
from sgnas_deploy.workspace import DEFAULT_ROOT


@dataclass(frozen=True)
class RetrainRequest:
    """Flags of `sgnas retrain`.

    Attributes:
        architectures: paths or names; empty for all that `generate` made last.
        data: None for the data that the supernet was trained on.
        epochs: None for the recipe's.
        inherit: start from the supernet's weights instead of from scratch.
        fresh: forget an interrupted training.
    """

    workdir: Path = DEFAULT_ROOT
    architectures: tuple[str, ...] = ()
    data: str | None = None
    epochs: int | None = None
    batch: int | None = None
    inherit: bool = False
    seed: int = 0
    fresh: bool = False


class Retrained(files.FrozenModel):
    """One retrained network.

    Attributes:
        name: its name in the workspace.
        path: its weights (safetensors); a JSON description stands beside them.
        accuracy: top-1 on the held-out images.
        supernet_accuracy: of the same architecture in the supernet, None where not known.
    """

    name: str
    path: Path
    accuracy: float
    supernet_accuracy: float | None
    epochs: int
    resumed_at: int
    seconds: float


class RetrainResult(files.FrozenModel):
    """What was retrained."""

    data: str
    models: tuple[Retrained, ...]


def retrain(request: RetrainRequest, reporter: Reporter) -> RetrainResult:
    """Train each architecture, one after another; finished ones are kept."""
    raise NotBuiltYet("sgnas retrain is not built yet")
