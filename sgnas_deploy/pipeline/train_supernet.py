"""`sgnas train supernet`: train the unified supernet of a space."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from sgnas_deploy import data, files, spaces, supernet
from sgnas_deploy.errors import BadInput
from sgnas_deploy.events import Reporter
from sgnas_deploy.training import recipes
from sgnas_deploy.training.requirements import (
    checkpoint_path,
    data_spec,
    require_classes,
    require_positive,
    require_training,
)
from sgnas_deploy.workspace import DEFAULT_ROOT, Workspace

DEFAULT_SPACE: Final = "imagenet"


@dataclass(frozen=True)
class TrainSupernetRequest:
    """Flags of `sgnas train supernet`.

    Attributes:
        data: `digits`, or a folder.
        space: identifier; None for the workspace's, else `imagenet`.
        epochs: None for the recipe's.
        batch: images a step; None for the recipe's.
        precision: of the passes; weights, statistics and losses are fp32.
        fresh: forget an interrupted training.
    """

    data: str
    workdir: Path = DEFAULT_ROOT
    space: str | None = None
    epochs: int | None = None
    batch: int | None = None
    precision: Literal["fp32", "bf16"] = "fp32"
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
    """Train, or go on with, a supernet.

    A finished supernet of the same space, data, recipe and seed is kept as it is.

    Raises:
        BadInput: unusable data or flags, data with another number of classes than the space, or
            an interrupted training with other settings.
        EnvironmentProblem: torch or another part of the training extra is missing, or the
            workspace cannot be written.
    """
    started = time.monotonic()
    require_positive(epochs=request.epochs, batch=request.batch)
    workspace = Workspace(request.workdir)
    asked = spaces.load(request.space or workspace.space or DEFAULT_SPACE)
    space = supernet.space_of(asked)
    found = data.load(request.data, space.resolution)
    require_classes(found, space)
    usual = recipes.supernet(space, found)
    recipe = dataclasses.replace(
        usual,
        epochs=request.epochs or usual.epochs,
        batch=request.batch or usual.batch,
        precision=request.precision,
    )
    weights = supernet.weights_path(workspace.supernet, space)
    config = {
        "space": space.id,
        "data_fingerprint": found.fingerprint,
        "recipe": recipes.settings(recipe),
        "seed": request.seed,
    }
    if request.fresh:
        checkpoint_path(weights).unlink(missing_ok=True)
    else:
        kept = _finished(weights, space, config)
        if kept is not None:
            workspace.remember("supernet", [weights.stem], asked.id)
            return _result(weights, kept, kept.epochs, started)
    # Training needs torch; whatever can be wrong before is said without it.
    require_training()
    from sgnas_deploy.training.jobs import supernet_job

    command = f"sgnas train supernet --space {space.id} --data {request.data}"
    outcome, description = supernet_job.run(
        supernet_job.Job(space, found, data_spec(request.data), recipe, request.seed),
        weights,
        config,
        command,
        reporter,
    )
    workspace.remember("supernet", [weights.stem], asked.id)
    return _result(weights, description, outcome.resumed_at, started)


def _finished(
    weights: Path, space: spaces.Space, config: Mapping[str, object]
) -> supernet.SupernetFile | None:
    """What a finished training with the same settings has left, else None."""
    if checkpoint_path(weights).exists() or not weights.exists():
        return None
    try:
        found = supernet.read_file(weights, space)
    except BadInput:
        return None
    same = {
        "space": found.space,
        "data_fingerprint": found.data_fingerprint,
        "recipe": found.recipe,
        "seed": found.seed,
    }
    return found if same == config else None


def _result(
    weights: Path, description: supernet.SupernetFile, resumed_at: int, started: float
) -> TrainSupernetResult:
    return TrainSupernetResult(
        checkpoint=weights,
        sha256=description.weights_sha256,
        space=description.space,
        epochs=description.epochs,
        resumed_at=resumed_at,
        accuracy=description.accuracy,
        seconds=time.monotonic() - started,
    )
