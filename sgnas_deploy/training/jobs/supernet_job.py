"""The whole training of a supernet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final

import numpy as np

from sgnas_deploy import events, files, supernet
from sgnas_deploy.data import DataSet, split
from sgnas_deploy.events import Reporter
from sgnas_deploy.spaces import Space
from sgnas_deploy.training import checkpoint, evaluation, feed, loop, process, recipes
from sgnas_deploy.training.recipes import SupernetRecipe
from sgnas_deploy.training.requirements import checkpoint_path
from sgnas_deploy.training.supernet import SupernetTask

HELD_APART: Final = 0.2
"""Share of the training images that is kept for the generator (SGNAS, section 4)."""
SPLIT_SEED: Final = 0
"""Seed of that split: the same for every training, so that a generator never sees other images."""

EVALUATED: Final = 8
"""How many random sub-networks the accuracy is the mean of."""


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
    job: Job, weights: Path, config: Mapping[str, Any], command: str, reporter: Reporter
) -> tuple[loop.Outcome, supernet.SupernetFile]:
    """Train to the end, evaluate, and write weights and description.

    Args:
        job: what to train.
        weights: where the weights go; description and checkpoint stand beside them.
        config: all that decides the trajectory.
        command: for the cure, where a checkpoint is refused.
        reporter: listens.
    """
    device = process.prepare()
    process.seed_all("weights", job.seed)
    network = supernet.build(job.space).to(device)
    network.dropout = job.recipe.dropout
    indices, _ = split(job.data.train.labels, HELD_APART, SPLIT_SEED)
    batches = feed.make(job.data, indices, job.recipe.batch, job.recipe.augmentation, job.seed)
    task = SupernetTask(network, job.recipe, job.recipe.epochs * batches.steps, job.seed)
    plan = loop.Plan(
        title=f"training the supernet of {job.space.id}",
        epochs=job.recipe.epochs,
        seed=job.seed,
        path=checkpoint_path(weights),
        config=config,
        command=command,
    )
    outcome = loop.run(task, batches, plan, reporter, device)

    preprocessing = job.data.preprocessing
    images = evaluation.held_out(job.data.val, preprocessing)
    rng = np.random.default_rng(process.derived_seed("evaluated", job.seed))
    accuracies: list[float] = []
    with events.stage(reporter, "evaluating the supernet", EVALUATED, "sub-networks") as stage:
        for _ in range(EVALUATED):
            choice = network.choice_of(job.space.sample(rng))
            accuracies.append(
                evaluation.choice_accuracy(network, choice, images, preprocessing, device)
            )
            stage.advance(note=f"{accuracies[-1]:.1%}")
    checkpoint.write_tensors(weights, network.state_dict())
    description = supernet.SupernetFile(
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
    return outcome, description
