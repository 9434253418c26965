"""`sgnas retrain`: train generated architectures to the end."""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from pathlib import Path

from sgnas_deploy import architectures, data, events, files, spaces, supernet
from sgnas_deploy.architectures import ArchitectureFile
from sgnas_deploy.data import DataSet
from sgnas_deploy.errors import BadInput
from sgnas_deploy.events import Reporter
from sgnas_deploy.spaces import Space
from sgnas_deploy.training import ranks, recipes
from sgnas_deploy.training.ranks import Group
from sgnas_deploy.training.recipes import Precision
from sgnas_deploy.training.requirements import (
    CHECKPOINT_S,
    require_classes,
    require_positive,
    require_training,
)
from sgnas_deploy.training.watching import Watch
from sgnas_deploy.workspace import DEFAULT_ROOT, Workspace


@dataclass(frozen=True)
class RetrainRequest:
    """Flags of `sgnas retrain`.

    Attributes:
        architectures: paths or names; empty for all that `generate` made last.
        data: None for the data that the supernet was trained on.
        epochs: None for the recipe's.
        batch: images a step, those of all processes together; None for the recipe's.
        precision: of the passes; weights, statistics and losses are fp32. None for the recipe's.
        accumulate: parts that a batch is computed in, over all processes; None for the recipe's,
            and at least one for each process.
        compiled: whether passes go through `torch.compile`.
        checkpoint_s: seconds between checkpoints.
        recipe: a recipe file, or the name of a space; None for the space's own.
        logs: what is written beside the history: `csv`, `tensorboard`.
        evaluate_every: epochs between looks at held-out images; 0 for none before the end, None for
            ten in all where there are 50 epochs or more.
        workers: processes that decode image files; None for one per core, at most 8.
        inherit: start from the supernet's weights instead of from scratch.
        fresh: forget an interrupted training.
    """

    workdir: Path = DEFAULT_ROOT
    architectures: tuple[str, ...] = ()
    data: str | None = None
    epochs: int | None = None
    batch: int | None = None
    precision: Precision | None = None
    accumulate: int | None = None
    compiled: bool = False
    checkpoint_s: float = CHECKPOINT_S
    recipe: str | None = None
    logs: tuple[str, ...] = ()
    evaluate_every: int | None = None
    workers: int | None = None
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
    """Train each architecture, one after another; finished ones are kept.

    An architecture is finished when its model was made with the same recipe, seed and data.

    Raises:
        BadInput: no architectures, unusable data or flags, data with another number of classes
            than the space, or an interrupted training with other settings.
        EnvironmentProblem: torch or another part of the training extra is missing, the
            workspace cannot be written, the device cannot do the precision, or there is no
            compiler.
        Followed: another of several processes has failed.
    """
    with ranks.joined() as group:
        return _retrained(request, group, ranks.heard(group, reporter))


def _retrained(request: RetrainRequest, group: Group, reporter: Reporter) -> RetrainResult:
    require_positive(epochs=request.epochs, batch=request.batch, accumulate=request.accumulate)
    watch = Watch(request.logs, request.evaluate_every, request.workers)
    workspace = Workspace(request.workdir)
    found = [architectures.read(path) for path in workspace.find("generate", request.architectures)]
    _require_distinct_names(found)
    sets = {space.id: _data(request, workspace, space, reporter) for space in _spaces(found)}
    require_training()
    from sgnas_deploy.training.jobs import retrain_job
    from sgnas_deploy.training.loop import Running

    made: list[Retrained] = []
    with events.stage(reporter, "retraining", len(found), "networks") as stage:
        for architecture in found:
            started = time.monotonic()
            space = spaces.load(architecture.space)
            images = sets[space.id]
            usual = recipes.retraining(space, images, request.recipe)
            recipe = dataclasses.replace(
                usual,
                epochs=request.epochs or usual.epochs,
                batch=request.batch or usual.batch,
                inherit=request.inherit or usual.inherit,
                precision=request.precision or usual.precision,
                accumulate=ranks.micro_batches(
                    request.accumulate, usual.accumulate, group.rank.world
                ),
            )
            job = retrain_job.Job(
                architecture=architecture,
                data=images,
                recipe=recipe,
                seed=request.seed,
                supernet=supernet.weights_path(workspace.supernet, space),
                compiled=request.compiled,
            )
            resumed_at, model = retrain_job.run(
                job,
                workspace.models,
                request.fresh,
                reporter,
                Running(group, request.checkpoint_s, watch),
            )
            made.append(
                Retrained(
                    name=model.name,
                    path=retrain_job.weights_path(workspace.models, model.name),
                    accuracy=model.accuracy,
                    supernet_accuracy=architecture.supernet_accuracy,
                    epochs=recipe.epochs,
                    resumed_at=resumed_at,
                    seconds=time.monotonic() - started,
                )
            )
            stage.advance(note=f"{model.name}: {model.accuracy:.1%}")
    if group.rank.number == 0:
        workspace.remember("retrain", [model.name for model in made])
    return RetrainResult(
        data=", ".join(sorted({d.name for d in sets.values()})), models=tuple(made)
    )


def _spaces(found: list[ArchitectureFile]) -> list[Space]:
    return [spaces.load(name) for name in sorted({each.space for each in found})]


def _require_distinct_names(found: list[ArchitectureFile]) -> None:
    names = [architecture.name for architecture in found]
    for name in names:
        if names.count(name) > 1:
            raise BadInput(
                f"two architectures are named {name!r}; their models would overwrite each other",
                "retrain them one by one, in different workspaces",
            )


def _data(
    request: RetrainRequest, workspace: Workspace, space: Space, reporter: Reporter
) -> DataSet:
    """The named data, else what the supernet of the space was trained on."""
    if request.data is not None:
        images = data.load(request.data, space.resolution)
    else:
        weights = supernet.weights_path(workspace.supernet, space)
        if not weights.with_suffix(".json").is_file():
            raise BadInput(
                f"there is no supernet of {space.id} that says which data to train on",
                "name the data with --data",
            )
        described = files.read_model(
            weights.with_suffix(".json"), supernet.SupernetFile, "supernet description"
        )
        images = data.load(described.data, space.resolution)
        if images.fingerprint != described.data_fingerprint:
            reporter.event(
                events.Warned(f"{described.data} has changed since the supernet was trained on it")
            )
    require_classes(images, space)
    return images
