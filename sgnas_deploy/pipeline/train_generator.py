"""`sgnas train generator`: train the architecture generator on a measured table."""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sgnas_deploy import data, files, generator, spaces, supernet, tables
from sgnas_deploy.errors import BadInput
from sgnas_deploy.events import Reporter, Warned
from sgnas_deploy.generator import GeneratorFile, TrainedOn
from sgnas_deploy.generator.recipe import Recipe
from sgnas_deploy.spaces import Space
from sgnas_deploy.tables import LatencyTable
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

PERTURBED: Final = 512
"""Random devices beside the measured tables."""


@dataclass(frozen=True)
class TrainGeneratorRequest:
    """Flags of `sgnas train generator`.

    Attributes:
        luts: paths or names of tables; empty for the only one that fits, or with `any_device` for
            all of the space.
        data: None for the data that the supernet was trained on.
        epochs: None for the recipe's.
        percentile: the percentile of a hot run that budgets speak of.
        budgets: how many budgets each step trains on; None for the recipe's.
        precision: of the frozen supernet's passes; None for the recipe's.
        accumulate: parts that a batch is computed in, over all processes; None for the recipe's,
            and at least one for each process.
        checkpoint_s: seconds between checkpoints.
        recipe: a recipe file, or the name of a space; None for the space's own.
        logs: what is written beside the history: `csv`, `tensorboard`.
        workers: processes that decode image files; None for one per core, at most 8.
        fresh: forget an interrupted training.
        any_device: train one that reads tables, on all of `luts`, for tables to come; None where
            probes teach, which the published training does not do.
        perturbed: random devices that it is trained on too; None for `PERTURBED`.
    """

    workdir: Path = DEFAULT_ROOT
    luts: tuple[str, ...] = ()
    data: str | None = None
    epochs: int | None = None
    batch: int | None = None
    percentile: float = 50.0
    budgets: int | None = None
    precision: Precision | None = None
    accumulate: int | None = None
    checkpoint_s: float = CHECKPOINT_S
    recipe: str | None = None
    logs: tuple[str, ...] = ()
    workers: int | None = None
    seed: int = 0
    fresh: bool = False
    any_device: bool | None = None
    perturbed: int | None = None


class TrainGeneratorResult(files.FrozenModel):
    """What was trained.

    Attributes:
        checkpoint: path of the weights (safetensors); a JSON description stands beside it.
        sha256: of that file.
        table: the table it was trained on; the first one, if it reads tables.
        more_tables: the others.
        perturbed: random devices that it was trained on too.
        epochs: trained in all.
        resumed_at: the epoch an interrupted training went on at, 0 for a fresh one.
        loss: cross-entropy of the last epoch; where probes teach, what they let expect.
        budget_error: mean relative distance of expected latency to its target, last epoch.
        seconds: how long it took.
    """

    checkpoint: Path
    sha256: str
    table: Path
    more_tables: tuple[Path, ...] = ()
    perturbed: int = 0
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
        EnvironmentProblem: torch or another part of the training extra is missing, the
            workspace cannot be written, or the device cannot do the precision.
        Followed: another of several processes has failed.
    """
    with ranks.joined() as group:
        return _trained(request, group, ranks.heard(group, reporter))


def _trained(
    request: TrainGeneratorRequest, group: Group, reporter: Reporter
) -> TrainGeneratorResult:
    started = time.monotonic()
    require_positive(
        epochs=request.epochs,
        batch=request.batch,
        budgets=request.budgets,
        accumulate=request.accumulate,
    )
    watch = Watch(request.logs, workers=request.workers)
    workspace = Workspace(request.workdir)
    paths = _paths(request, workspace)
    path, *others = paths
    read = [tables.read(one) for one in paths]
    model, *models = (tables.predictor(one, request.percentile) for one in read)
    space = _one_space(read)
    usual = recipes.generator(space, request.recipe)
    reads = _reads(request, usual)
    _require_one(request, reads, len(paths))
    trained = supernet.weights_path(workspace.supernet, space)
    described = supernet.read_file(trained, space)
    spec = request.data or described.data
    found = data.load(spec, space.resolution)
    require_classes(found, space)
    if found.fingerprint != described.data_fingerprint:
        reporter.event(
            Warned(f"{spec} is not, or no longer, the data that the supernet was trained on")
        )
    recipe = _recipe(request, usual, reads, group.rank.world)
    if reads:
        weights = generator.any_device_path(workspace.generator, space.id)
    else:
        weights = generator.weights_path(workspace.generator, path.stem)
    more = tuple(TrainedOn(table=o.stem, table_sha256=tables.sha256(o)) for o in others)
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
    if reads:
        config["more_tables"] = [one.model_dump(mode="json") for one in more]
    ranks.require_same(group, json.dumps(config, sort_keys=True))

    def made_with(one: GeneratorFile) -> dict[str, object]:
        stated = one.model_dump(mode="json")
        return {name: value for name, value in stated.items() if name in config}

    def finished() -> GeneratorFile | None:
        read = functools.partial(generator.read_file, weights)
        return kept(weights, config, request.fresh, read, made_with)

    there = ranks.from_first(group, finished, GeneratorFile)
    if there is not None:
        if group.rank.number == 0:
            workspace.remember("generator", [weights.stem])
        return _result(weights, paths, there, there.epochs, started)
    # Training needs torch; whatever can be wrong before is said without it.
    require_training()
    from sgnas_deploy.training.jobs import generator_job
    from sgnas_deploy.training.loop import Running

    job = generator_job.Job(
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
        more=tuple(generator_job.Further(*both) for both in zip(models, more, strict=True)),
    )
    command = _command(request, paths)
    running = Running(group, request.checkpoint_s, watch)
    outcome, description = generator_job.run(job, weights, config, command, reporter, running)
    if group.rank.number == 0:
        workspace.remember("generator", [weights.stem])
    return _result(weights, paths, description, outcome.resumed_at, started)


def _paths(request: TrainGeneratorRequest, workspace: Workspace) -> tuple[Path, ...]:
    """The tables to train on, at least one."""
    if request.any_device is False:
        _require_one(request, False, len(request.luts))
    if request.luts:
        return tuple(workspace.find_table(lut) for lut in dict.fromkeys(request.luts))
    if workspace.space is not None and _reads(
        request, recipes.generator(spaces.load(workspace.space), request.recipe)
    ):
        found = sorted(workspace.luts.glob(f"{workspace.space}--*.json"))
        if found:
            return tuple(found)
    return (workspace.find_table(None, workspace.space),)


def _reads(request: TrainGeneratorRequest, usual: Recipe) -> bool:
    """Whether the generator is to read tables."""
    if request.any_device is not None:
        return request.any_device
    return usual.taught_by == "probes"


def _require_one(request: TrainGeneratorRequest, reads: bool, count: int) -> None:
    """Refuse what only a generator that reads tables can do."""
    if reads:
        return
    if count > 1:
        raise BadInput(
            f"a generator of one table cannot be trained on {count}",
            "name one with --lut, or train one that reads tables: --any-device",
        )
    if request.perturbed is not None:
        message = "random devices are only for a generator that reads tables"
        if request.any_device is False:
            raise BadInput(f"{message}, not for --one-table", "leave out one of the two")
        raise BadInput(message, "add --any-device")


def _one_space(found: Sequence[LatencyTable]) -> Space:
    names = sorted({table.space for table in found})
    if len(names) > 1:
        raise BadInput(
            f"the tables are of different spaces: {', '.join(names)}",
            "name tables of one space with --lut",
        )
    return spaces.load(names[0])


def _command(request: TrainGeneratorRequest, paths: Sequence[Path]) -> str:
    words = [f" --lut {path.stem}" for path in paths]
    kind = {None: "", True: " --any-device", False: " --one-table"}[request.any_device]
    return f"sgnas train generator{kind}{''.join(words)}"


def _perturbed(request: TrainGeneratorRequest, reads: bool) -> int | None:
    if not reads:
        return None
    if request.perturbed is None:
        return PERTURBED
    if request.perturbed < 0:
        raise BadInput(f"{request.perturbed} random devices are not possible", "give 0 or more")
    return request.perturbed


def _recipe(request: TrainGeneratorRequest, usual: Recipe, reads: bool, world: int) -> Recipe:
    changed = {
        "epochs": request.epochs,
        "batch": request.batch,
        "budgets": request.budgets,
        "precision": request.precision,
        "accumulate": ranks.micro_batches(request.accumulate, usual.accumulate, world),
        "reads_tables": reads or None,
        "perturbed": _perturbed(request, reads),
    }
    given = {name: value for name, value in changed.items() if value is not None}
    return Recipe.model_validate({**usual.model_dump(), **given})


def _result(
    weights: Path,
    paths: Sequence[Path],
    description: GeneratorFile,
    resumed_at: int,
    started: float,
) -> TrainGeneratorResult:
    return TrainGeneratorResult(
        checkpoint=weights,
        sha256=description.weights_sha256,
        table=paths[0],
        more_tables=tuple(paths[1:]),
        perturbed=description.recipe.perturbed,
        epochs=description.epochs,
        resumed_at=resumed_at,
        loss=description.loss,
        budget_error=description.budget_error,
        seconds=time.monotonic() - started,
    )
