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
from sgnas_deploy.training import recipes
from sgnas_deploy.training.requirements import require_classes, require_positive, require_training
from sgnas_deploy.workspace import DEFAULT_ROOT, Workspace


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
    """Train each architecture, one after another; finished ones are kept.

    An architecture is finished when its model was made with the same recipe, seed and data.

    Raises:
        BadInput: no architectures, unusable data or flags, data with another number of classes
            than the space, or an interrupted training with other settings.
        EnvironmentProblem: torch or another part of the training extra is missing, or the
            workspace cannot be written.
    """
    require_positive(epochs=request.epochs, batch=request.batch)
    workspace = Workspace(request.workdir)
    found = [architectures.read(path) for path in workspace.find("generate", request.architectures)]
    _require_distinct_names(found)
    sets = {space.id: _data(request, workspace, space, reporter) for space in _spaces(found)}
    require_training()
    from sgnas_deploy.training.jobs import retrain_job

    made: list[Retrained] = []
    with events.stage(reporter, "retraining", len(found), "networks") as stage:
        for architecture in found:
            started = time.monotonic()
            space = spaces.load(architecture.space)
            images = sets[space.id]
            usual = recipes.retraining(space, images)
            recipe = dataclasses.replace(
                usual,
                epochs=request.epochs or usual.epochs,
                batch=request.batch or usual.batch,
                inherit=request.inherit,
            )
            job = retrain_job.Job(
                architecture=architecture,
                data=images,
                recipe=recipe,
                seed=request.seed,
                supernet=supernet.weights_path(workspace.supernet, space),
            )
            resumed_at, model = retrain_job.run(job, workspace.models, request.fresh, reporter)
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
