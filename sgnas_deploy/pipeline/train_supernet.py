"""`sgnas train supernet`: train the unified supernet of a space."""

from __future__ import annotations

import dataclasses
import functools
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sgnas_deploy import data, files, spaces, supernet
from sgnas_deploy.events import Reporter
from sgnas_deploy.supernet import SupernetFile
from sgnas_deploy.training import ranks, recipes
from sgnas_deploy.training.ranks import Group
from sgnas_deploy.training.recipes import Precision
from sgnas_deploy.training.requirements import (
    CHECKPOINT_S,
    data_spec,
    kept,
    require_classes,
    require_positive,
    require_training,
)
from sgnas_deploy.training.watching import Watch
from sgnas_deploy.workspace import DEFAULT_ROOT, Workspace

DEFAULT_SPACE: Final = "imagenet"


@dataclass(frozen=True)
class TrainSupernetRequest:
    """Flags of `sgnas train supernet`.

    Attributes:
        data: `digits`, or a folder.
        space: identifier; None for the workspace's, else `imagenet`.
        epochs: None for the recipe's.
        batch: images a step, those of all processes together; None for the recipe's.
        precision: of the passes; weights, statistics and losses are fp32. None for the recipe's.
        accumulate: parts that a batch is computed in, over all processes; None for the recipe's,
            and at least one for each process.
        checkpoint_s: seconds between checkpoints.
        recipe: a recipe file, or the name of a space; None for the space's own.
        logs: what is written beside the history: `csv`, `tensorboard`.
        evaluate_every: epochs between looks at held-out images; 0 for none before the end, None for
            ten in all where there are 50 epochs or more.
        workers: processes that decode image files; None for one per core, at most 8.
        fresh: forget an interrupted training.
    """

    data: str
    workdir: Path = DEFAULT_ROOT
    space: str | None = None
    epochs: int | None = None
    batch: int | None = None
    precision: Precision | None = None
    accumulate: int | None = None
    checkpoint_s: float = CHECKPOINT_S
    recipe: str | None = None
    logs: tuple[str, ...] = ()
    evaluate_every: int | None = None
    workers: int | None = None
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
        EnvironmentProblem: torch or another part of the training extra is missing, the
            workspace cannot be written, or the device cannot do the precision.
        Followed: another of several processes has failed.
    """
    with ranks.joined() as group:
        return _trained(request, group, ranks.heard(group, reporter))


def _trained(
    request: TrainSupernetRequest, group: Group, reporter: Reporter
) -> TrainSupernetResult:
    started = time.monotonic()
    require_positive(epochs=request.epochs, batch=request.batch, accumulate=request.accumulate)
    watch = Watch(request.logs, request.evaluate_every, request.workers)
    workspace = Workspace(request.workdir)
    asked = spaces.load(request.space or workspace.space or DEFAULT_SPACE)
    space = supernet.space_of(asked)
    found = data.load(request.data, space.resolution)
    require_classes(found, space)
    usual = recipes.supernet(space, found, request.recipe)
    recipe = dataclasses.replace(
        usual,
        epochs=request.epochs or usual.epochs,
        batch=request.batch or usual.batch,
        precision=request.precision or usual.precision,
        accumulate=ranks.micro_batches(request.accumulate, usual.accumulate, group.rank.world),
    )
    weights = supernet.weights_path(workspace.supernet, space)
    config = {
        "space": space.id,
        "data_fingerprint": found.fingerprint,
        "recipe": recipes.settings(recipe),
        "seed": request.seed,
    }
    ranks.require_same(group, json.dumps(config, sort_keys=True))

    def finished() -> SupernetFile | None:
        read = functools.partial(supernet.read_file, weights, space)
        return kept(weights, config, request.fresh, read, _made_with)

    there = ranks.from_first(group, finished, SupernetFile)
    if there is not None:
        if group.rank.number == 0:
            workspace.remember("supernet", [weights.stem], asked.id)
        return _result(weights, there, there.epochs, started)
    # Training needs torch; whatever can be wrong before is said without it.
    require_training()
    from sgnas_deploy.training.jobs import supernet_job
    from sgnas_deploy.training.loop import Running

    command = f"sgnas train supernet --space {space.id} --data {request.data}"
    outcome, description = supernet_job.run(
        supernet_job.Job(space, found, data_spec(request.data), recipe, request.seed),
        weights,
        config,
        command,
        reporter,
        Running(group, request.checkpoint_s, watch),
    )
    if group.rank.number == 0:
        workspace.remember("supernet", [weights.stem], asked.id)
    return _result(weights, description, outcome.resumed_at, started)


def _made_with(found: SupernetFile) -> dict[str, object]:
    return {
        "space": found.space,
        "data_fingerprint": found.data_fingerprint,
        "recipe": {**recipes.UNSTATED, **found.recipe},
        "seed": found.seed,
    }


def _result(
    weights: Path, description: SupernetFile, resumed_at: int, started: float
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
