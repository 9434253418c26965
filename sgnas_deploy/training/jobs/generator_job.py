"""The whole training of a generator."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
import numpy.typing as npt
import torch

from sgnas_deploy import files, generator, supernet
from sgnas_deploy.data import DataSet, split
from sgnas_deploy.events import Note, Reporter
from sgnas_deploy.generator import GeneratorFile, TrainedOn, perturbed, priors, probing
from sgnas_deploy.generator.base import Generator, TableReader
from sgnas_deploy.generator.lessons import Lessons, ManyTables, OneTable
from sgnas_deploy.generator.many import Tables
from sgnas_deploy.generator.recipe import Recipe
from sgnas_deploy.generator.scale import LatencyModel, Scale, scale_of
from sgnas_deploy.generator.train import GeneratorTask
from sgnas_deploy.spaces import Space
from sgnas_deploy.supernet import SupernetFile
from sgnas_deploy.supernet.base import Supernet
from sgnas_deploy.training import (
    checkpoint,
    feed,
    loop,
    parts,
    precision,
    process,
    ranks,
    recipes,
)
from sgnas_deploy.training.loop import AS_USUAL, Running
from sgnas_deploy.training.requirements import checkpoint_path


@final
@dataclass(frozen=True)
class Further:
    """A further table that a generator is trained on.

    Attributes:
        model: its predictor.
        described: its name and hash.
    """

    model: LatencyModel
    described: TrainedOn


@final
@dataclass(frozen=True)
class Job:
    """What is trained on what.

    Attributes:
        space: of the table.
        model: the table's predictor.
        table: name of the table.
        table_sha256: of its file.
        percentile: what `model` predicts.
        supernet: weights of the trained supernet.
        data: the images; the part that the supernet has not seen is used.
        spec: what the user called them.
        recipe: the settings.
        seed: decides first weights, priors, order, budgets and noise.
        supernet_space: space of the supernet, where it is a smaller variant of `space` with the
            same decisions; None where it is the supernet of `space` itself.
        more: further tables of the space, for a generator that reads tables.
    """

    space: Space
    model: LatencyModel
    table: str
    table_sha256: str
    percentile: float
    supernet: Path
    data: DataSet
    spec: str
    recipe: Recipe
    seed: int
    supernet_space: Space | None = None
    more: tuple[Further, ...] = ()


def run(
    job: Job,
    weights: Path,
    config: Mapping[str, Any],
    command: str,
    reporter: Reporter,
    running: Running = AS_USUAL,
) -> tuple[loop.Outcome, GeneratorFile]:
    """Train to the end, and write weights and description.

    Args:
        job: what to train.
        weights: where the weights go; description and checkpoint stand beside them.
        config: all that decides the trajectory.
        command: for the cure, where a checkpoint is refused.
        reporter: listens.
        running: how.

    Raises:
        BadInput: a checkpoint of other settings, or parts of a batch that are too small.
        EnvironmentProblem: nothing can be written, or the device cannot do the precision.
    """
    rank = running.group.rank
    device = process.prepare()
    precision.require(job.recipe.precision, device)
    frozen, described = supernet.load(job.supernet, job.supernet_space or job.space)
    scale = scale_of(job.model, job.space)
    process.seed_all("generator", job.seed)
    network = generator.build(job.space, job.recipe)
    network.set_priors(*priors.draw(job.space, job.model, scale, job.recipe.priors, job.seed))
    network.to(device)
    _, apart = split(job.data.train.labels, described.held_apart, described.split_seed)
    frozen.to(device)
    teacher, cut = None, None
    batches: feed.Feed = probing.NoImages()
    if job.recipe.taught_by == "probes":
        teacher = teacher_of(job, running.group, network, frozen, apart, scale, reporter)
    else:
        batches = feed.make(
            job.data,
            apart,
            job.recipe.batch,
            recipes.augmentation(job.data),
            job.seed,
            workers=running.watch.workers,
            part=(rank.number, rank.world),
        )
        cut = parts.of_feed(job.recipe.accumulate, batches, running.group)
    task = GeneratorTask(
        network,
        frozen,
        _lessons(job, network, scale, device),
        job.recipe,
        job.seed,
        batches.steps,
        teacher,
        cut,
    )
    plan = loop.Plan(
        title=f"training the generator of {weights.stem}",
        epochs=job.recipe.epochs,
        seed=job.seed,
        path=checkpoint_path(weights),
        config=config,
        command=command,
        running=running,
    )
    outcome = loop.run(task, batches, plan, reporter, device)

    def written() -> GeneratorFile:
        error = task.budget_error
        return _write(job, weights, network, described, scale, outcome.loss, error)

    description = ranks.from_first(running.group, written, GeneratorFile)
    assert description is not None  # `_write` makes one
    return outcome, description


def _write(
    job: Job,
    weights: Path,
    network: Generator,
    described: SupernetFile,
    scale: Scale,
    loss: float,
    budget_error: float,
) -> GeneratorFile:
    """Write weights and description."""
    checkpoint.write_tensors(weights, network.state_dict())
    description = GeneratorFile(
        space=job.space.id,
        weights_sha256=files.sha256_of(weights),
        table=job.table,
        table_sha256=job.table_sha256,
        more_tables=tuple(one.described for one in job.more),
        supernet_sha256=described.weights_sha256,
        percentile=job.percentile,
        fastest_s=scale.fastest_s,
        slowest_s=scale.slowest_s,
        data=job.spec,
        data_fingerprint=job.data.fingerprint,
        recipe=job.recipe,
        seed=job.seed,
        epochs=job.recipe.epochs,
        loss=loss,
        budget_error=budget_error,
    )
    files.write_model(weights.with_suffix(".json"), description)
    checkpoint_path(weights).unlink(missing_ok=True)
    return description


def learned(
    job: Job,
    features: Sequence[npt.NDArray[np.float64]],
    frozen: Supernet,
    apart: npt.NDArray[np.int64],
    scale: Scale,
    reporter: Reporter,
) -> probing.Worth:
    """What probes say of the options, whose features are one array (options, n) per decision.

    A resumed training looks at them again, and sees the same.

    Raises:
        BadInput: fewer images than two.
    """
    feed.require_images(job.data, len(apart))
    rng = np.random.default_rng([job.seed, 0x9E0BE])
    prober = probing.Prober(frozen, job.data.train, apart, job.data.preprocessing, job.recipe, rng)
    return probing.learn(prober, features, job.space, job.model, scale, job.recipe, rng, reporter)


def teacher_of(
    job: Job,
    group: ranks.Group,
    network: Generator,
    frozen: Supernet,
    apart: npt.NDArray[np.int64],
    scale: Scale,
    reporter: Reporter,
) -> probing.Teacher:
    """What a generator that probes teach learns from; process 0 looks, and tells the others."""

    def told() -> str:
        found = learned(job, network.option_features(), frozen, apart, scale, reporter)
        explained = f"{found.explained:.0%}"
        reporter.event(Note(f"a sum over decisions explains {explained} of the probes' loss"))
        return json.dumps([found.level, *(own.tolist() for own in found.losses)])

    level, *losses = json.loads(group.told(told))
    device = next(frozen.parameters()).device
    worth = [np.array(own) for own in losses]
    return probing.Teacher(worth, level, job.recipe.entropy, device)


def _lessons(job: Job, network: Generator, scale: Scale, device: torch.device) -> Lessons:
    """The one table; or every table and the random devices, for a generator that reads them."""
    if not isinstance(network, TableReader):
        return OneTable(network.expected_latency(job.model).to(device), scale)
    measured = [job.model, *(one.model for one in job.more)]
    scales = [scale, *(scale_of(model, job.space) for model in measured[1:])]
    devices, theirs = perturbed.draw(job.space, measured, job.recipe.perturbed, job.seed)
    tables = Tables.of([*measured, *devices], [*scales, *theirs]).to(device)
    return ManyTables(network, tables, len(measured), job.seed)
