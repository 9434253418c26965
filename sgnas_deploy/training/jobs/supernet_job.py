"""The whole training of a supernet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final

import numpy as np
import torch

from sgnas_deploy import events, files, supernet
from sgnas_deploy.data import DataSet, split
from sgnas_deploy.events import Reporter
from sgnas_deploy.spaces import Space
from sgnas_deploy.supernet import SupernetFile
from sgnas_deploy.supernet.base import Choice, Supernet
from sgnas_deploy.training import (
    checkpoint,
    evaluation,
    feed,
    loop,
    parts,
    precision,
    process,
    ranks,
    recipes,
)
from sgnas_deploy.training.loop import AS_USUAL, Running
from sgnas_deploy.training.recipes import SupernetRecipe
from sgnas_deploy.training.requirements import checkpoint_path
from sgnas_deploy.training.supernet import SupernetTask
from sgnas_deploy.training.watching import Evaluation, Watch

HELD_APART: Final = 0.2
"""Share of the training images that is kept for the generator (SGNAS, section 4)."""
SPLIT_SEED: Final = 0
"""Seed of that split: the same for every training, so that a generator never sees other images."""

EVALUATED: Final = 8
"""How many random sub-networks the accuracy is the mean of."""

WATCHED: Final = 3
"""How many of them are looked at while it is trained."""


@final
@dataclass(frozen=True)
class Job:
    """What is trained on what.

    Attributes:
        space: without the variant `se`.
        data: the images.
        spec: what `data.load` takes to find them again.
        recipe: the settings.
        seed: decides first weights, order, augmentation and sub-networks.
    """

    space: Space
    data: DataSet
    spec: str
    recipe: SupernetRecipe
    seed: int


def run(
    job: Job,
    weights: Path,
    config: Mapping[str, Any],
    command: str,
    reporter: Reporter,
    running: Running = AS_USUAL,
) -> tuple[loop.Outcome, SupernetFile]:
    """Train to the end, evaluate, and write weights and description.

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
    process.seed_all("weights", job.seed)
    network = supernet.build(job.space).to(device)
    network.dropout = job.recipe.dropout
    indices, _ = split(job.data.train.labels, HELD_APART, SPLIT_SEED)
    batches = feed.make(
        job.data,
        indices,
        job.recipe.batch,
        job.recipe.augmentation,
        job.seed,
        workers=running.watch.workers,
        part=(rank.number, rank.world),
    )
    cut = parts.of_feed(job.recipe.accumulate, batches, running.group)
    task = SupernetTask(network, job.recipe, job.recipe.epochs * batches.steps, job.seed, cut)
    plan = loop.Plan(
        title=f"training the supernet of {job.space.id}",
        epochs=job.recipe.epochs,
        seed=job.seed,
        path=checkpoint_path(weights),
        config=config,
        command=command,
        running=running,
        evaluation=_watched(job, network, running.watch, device),
    )
    outcome = loop.run(task, batches, plan, reporter, device)
    description = ranks.from_first(
        running.group,
        lambda: _write(job, weights, network, reporter, running.watch.workers, device),
        SupernetFile,
    )
    assert description is not None  # `_write` makes one
    return outcome, description


def _watched(job: Job, network: Supernet, watch: Watch, device: torch.device) -> Evaluation | None:
    """How it is evaluated while it is trained: a few sub-networks, always the same."""
    every = watch.period(job.recipe.epochs)
    if not every:
        return None
    images = evaluation.HeldOut(
        job.data.val, job.data.preprocessing, evaluation.WATCHED, watch.workers
    )
    choices = _choices(job, network, WATCHED)
    return Evaluation(
        every,
        lambda: float(np.mean(evaluation.choice_accuracies(network, choices, images, device))),
    )


def _choices(job: Job, network: Supernet, count: int) -> list[Choice]:
    """Random sub-networks, the same ones at every evaluation."""
    rng = np.random.default_rng(process.derived_seed("evaluated", job.seed))
    return [network.choice_of(job.space.sample(rng)) for _ in range(count)]


def _write(
    job: Job,
    weights: Path,
    network: Supernet,
    reporter: Reporter,
    workers: int | None,
    device: torch.device,
) -> SupernetFile:
    """Evaluate the trained supernet, and write weights and description."""
    images = evaluation.HeldOut(job.data.val, job.data.preprocessing, workers=workers)
    choices = _choices(job, network, EVALUATED)
    with events.stage(reporter, "evaluating the supernet", len(images), "images") as stage:
        accuracies = evaluation.choice_accuracies(network, choices, images, device, stage.advance)
    checkpoint.write_tensors(weights, network.state_dict())
    description = SupernetFile(
        space=job.space.id,
        weights_sha256=files.sha256_of(weights),
        data=job.spec,
        data_fingerprint=job.data.fingerprint,
        classes=job.data.classes,
        held_apart=HELD_APART,
        split_seed=SPLIT_SEED,
        recipe=recipes.settings(job.recipe),
        seed=job.seed,
        epochs=job.recipe.epochs,
        accuracy=float(np.mean(accuracies)),
        accuracies=tuple(accuracies),
        images=len(images),
    )
    files.write_model(weights.with_suffix(".json"), description)
    checkpoint_path(weights).unlink(missing_ok=True)
    return description
