"""`sgnas train generator`: train the architecture generator on a measured table."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sgnas_deploy import data, files, generator, spaces, supernet, tables
from sgnas_deploy.errors import BadInput
from sgnas_deploy.events import Reporter, Warned
from sgnas_deploy.generator import GeneratorFile
from sgnas_deploy.generator.recipe import Recipe
from sgnas_deploy.training.requirements import (
    checkpoint_path,
    data_spec,
    require_classes,
    require_positive,
    require_training,
)
from sgnas_deploy.workspace import DEFAULT_ROOT, Workspace


@dataclass(frozen=True)
class TrainGeneratorRequest:
    """Flags of `sgnas train generator`.

    Attributes:
        lut: path or name of the table; None for the only one that fits.
        data: None for the data that the supernet was trained on.
        epochs: None for the recipe's.
        percentile: the percentile of a hot run that budgets speak of.
        budgets: how many budgets each step trains on.
        precision: of the frozen supernet's passes.
        fresh: forget an interrupted training.
    """

    workdir: Path = DEFAULT_ROOT
    lut: str | None = None
    data: str | None = None
    epochs: int | None = None
    batch: int | None = None
    percentile: float = 50.0
    budgets: int = 8
    precision: Literal["fp32", "bf16"] = "fp32"
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
    """Train, or go on with, a generator.

    A finished generator of the same table, supernet, data, recipe and seed is kept as it is.

    Raises:
        BadInput: no table or no supernet, unusable data or flags, or an interrupted training with
            other settings.
        EnvironmentProblem: torch or another part of the training extra is missing, or the
            workspace cannot be written.
    """
    started = time.monotonic()
    require_positive(epochs=request.epochs, batch=request.batch, budgets=request.budgets)
    workspace = Workspace(request.workdir)
    path = workspace.find_table(request.lut, workspace.space if request.lut is None else None)
    table = tables.read(path)
    model = tables.predictor(table, request.percentile)
    space = spaces.load(table.space)
    trained = supernet.weights_path(workspace.supernet, space)
    described = supernet.read_file(trained, space)
    spec = request.data or described.data
    found = data.load(spec, space.resolution)
    require_classes(found, space)
    if found.fingerprint != described.data_fingerprint:
        reporter.event(
            Warned(f"{spec} is not, or no longer, the data that the supernet was trained on")
        )
    recipe = _recipe(request)
    weights = generator.weights_path(workspace.generator, path.stem)
    table_sha256 = tables.sha256(path)
    config = {
        "space": space.id,
        "table_sha256": table_sha256,
        "supernet_sha256": described.weights_sha256,
        "percentile": request.percentile,
        "data_fingerprint": found.fingerprint,
        "recipe": recipe.model_dump(mode="json"),
        "seed": request.seed,
    }
    if request.fresh:
        checkpoint_path(weights).unlink(missing_ok=True)
    else:
        kept = _finished(weights, config)
        if kept is not None:
            workspace.remember("generator", [path.stem])
            return _result(weights, path, kept, kept.epochs, started)
    # Training needs torch; whatever can be wrong before is said without it.
    require_training()
    from sgnas_deploy.generator import train

    job = train.Job(
        space=space,
        model=model,
        table=path.stem,
        table_sha256=table_sha256,
        percentile=request.percentile,
        supernet=trained,
        data=found,
        spec=data_spec(spec),
        recipe=recipe,
        seed=request.seed,
    )
    command = f"sgnas train generator --lut {path.stem}"
    outcome, description = train.run(job, weights, config, command, reporter)
    workspace.remember("generator", [path.stem])
    return _result(weights, path, description, outcome.resumed_at, started)


def _recipe(request: TrainGeneratorRequest) -> Recipe:
    changed = {
        "epochs": request.epochs,
        "batch": request.batch,
        "budgets": request.budgets,
        "precision": request.precision,
    }
    return Recipe.model_validate({k: v for k, v in changed.items() if v is not None})


def _finished(weights: Path, config: Mapping[str, object]) -> GeneratorFile | None:
    """What a finished training with the same settings has left, else None."""
    if checkpoint_path(weights).exists() or not weights.exists():
        return None
    try:
        found = generator.read_file(weights)
    except BadInput:
        return None
    same = {name: value for name, value in found.model_dump(mode="json").items() if name in config}
    return found if same == config else None


def _result(
    weights: Path, table: Path, description: GeneratorFile, resumed_at: int, started: float
) -> TrainGeneratorResult:
    return TrainGeneratorResult(
        checkpoint=weights,
        sha256=description.weights_sha256,
        table=table,
        epochs=description.epochs,
        resumed_at=resumed_at,
        loss=description.loss,
        budget_error=description.budget_error,
        seconds=time.monotonic() - started,
    )
