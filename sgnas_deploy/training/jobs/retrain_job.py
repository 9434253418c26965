"""The whole retraining of one architecture."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import torch
from torch import Tensor, nn

from sgnas_deploy import files, models, spaces, supernet
from sgnas_deploy.architectures import ArchitectureFile
from sgnas_deploy.data import DataSet
from sgnas_deploy.events import Reporter
from sgnas_deploy.models import ModelFile
from sgnas_deploy.networks.deployed import DeployedNetwork
from sgnas_deploy.supernet.base import Supernet
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
from sgnas_deploy.training.recipes import RetrainRecipe, Settings
from sgnas_deploy.training.requirements import checkpoint_path, kept
from sgnas_deploy.training.retraining import RetrainTask
from sgnas_deploy.training.watching import Evaluation, Watch


@final
@dataclass(frozen=True)
class Job:
    """What is trained on what.

    Attributes:
        architecture: what to train.
        data: the images.
        recipe: the settings.
        seed: decides first weights, order and augmentation.
        supernet: weights of the space's supernet; read only where the recipe inherits or distils.
        compiled: whether passes go through `torch.compile`.
    """

    architecture: ArchitectureFile
    data: DataSet
    recipe: RetrainRecipe
    seed: int
    supernet: Path
    compiled: bool = False


def weights_path(folder: Path, name: str) -> Path:
    """Where a model's weights stand."""
    return folder / f"{name}.safetensors"


def run(
    job: Job, folder: Path, fresh: bool, reporter: Reporter, running: Running = AS_USUAL
) -> tuple[int, ModelFile]:
    """Train to the end, evaluate, and write weights and description.

    Args:
        job: what to train.
        folder: of the models.
        fresh: train anew, whatever there is.
        reporter: listens.
        running: how.

    Returns:
        The epoch it went on at (all epochs where it was finished already), and the description.

    Raises:
        BadInput: a checkpoint of other settings, or parts of a batch that are too small.
        EnvironmentProblem: nothing can be written, the device cannot do the precision, or there is
            no compiler.
    """
    rank = running.group.rank
    weights = weights_path(folder, job.architecture.name)
    teacher, settings = _supernet(job)
    config = _config(job, settings)
    ranks.require_same(running.group, checkpoint.config_hash(config))
    there = ranks.from_first(
        running.group, lambda: _finished(job, weights, config, fresh), ModelFile
    )
    if there is not None:
        return job.recipe.epochs, there
    device = process.prepare()
    precision.require(job.recipe.precision, device)
    process.seed_all("weights", job.seed)
    space = spaces.load(job.architecture.space)
    options = job.architecture.options
    network = DeployedNetwork(space, options, job.recipe.dropout)
    if job.recipe.inherit and teacher is not None:
        inherit(network, teacher, options)
    network.to(device)
    batches = feed.make(
        job.data,
        None,
        job.recipe.batch,
        job.recipe.augmentation,
        job.seed,
        job.recipe.randaugment,
        job.recipe.erasing,
        workers=running.watch.workers,
        part=(rank.number, rank.world),
    )
    task = RetrainTask(
        network,
        job.recipe,
        job.recipe.epochs * batches.steps,
        space.classes,
        _widest(teacher.to(device)) if job.recipe.distill > 0 and teacher is not None else None,
        parts.of_feed(job.recipe.accumulate, batches, running.group),
        "inductor" if job.compiled else None,
    )
    plan = loop.Plan(
        title=f"retraining {job.architecture.name}",
        epochs=job.recipe.epochs,
        seed=job.seed,
        path=checkpoint_path(weights),
        config=config,
        command=f"sgnas retrain {job.architecture.name}",
        running=running,
        evaluation=_watched(job, task, running.watch, device),
    )
    outcome = loop.run(task, batches, plan, reporter, device)
    description = ranks.from_first(
        running.group,
        lambda: _write(job, weights, task.result, settings, running.watch.workers, device),
        ModelFile,
    )
    assert description is not None  # `_write` makes one
    return outcome.resumed_at, description


def inherit(network: nn.Module, source: Supernet, options: tuple[int, ...]) -> None:
    """Give a deployed network the weights of its sub-network in the supernet.

    What the supernet does not have (squeeze-and-excitation) keeps its first weights.
    """
    tensors = source.inherited(options)
    missing, unexpected = network.load_state_dict(tensors, strict=False)
    foreign = [n for n in missing if ".se." not in n and not n.endswith("num_batches_tracked")]
    if unexpected or foreign:
        raise AssertionError(f"supernet and network disagree: {[*unexpected, *foreign]}")


def _supernet(job: Job) -> tuple[Supernet | None, Settings]:
    """The supernet, where the recipe needs it, and the settings with its hash."""
    settings = recipes.settings(job.recipe)
    if not job.recipe.inherit and job.recipe.distill <= 0:
        return None, settings
    network, description = supernet.load(job.supernet, spaces.load(job.architecture.space))
    return network, {**settings, "supernet_sha256": description.weights_sha256}


def _widest(teacher: Supernet) -> Callable[[Tensor], Tensor]:
    choice = teacher.widest()
    return lambda images: teacher(images, choice)


def _watched(job: Job, task: RetrainTask, watch: Watch, device: torch.device) -> Evaluation | None:
    """How it is evaluated while it is trained: the network that would be kept."""
    every = watch.period(job.recipe.epochs)
    if not every:
        return None
    images = evaluation.HeldOut(
        job.data.val, job.data.preprocessing, evaluation.WATCHED, watch.workers
    )
    return Evaluation(every, lambda: evaluation.network_accuracy(task.result, images, device))


def _write(
    job: Job,
    weights: Path,
    network: nn.Module,
    settings: Settings,
    workers: int | None,
    device: torch.device,
) -> ModelFile:
    preprocessing = job.data.preprocessing
    images = evaluation.HeldOut(job.data.val, preprocessing, workers=workers)
    accuracy = evaluation.network_accuracy(network, images, device)
    checkpoint.write_tensors(weights, network.state_dict())
    description = ModelFile(
        name=job.architecture.name,
        architecture=job.architecture,
        weights_sha256=files.sha256_of(weights),
        classes=job.data.classes,
        preprocessing=preprocessing,
        data=job.data.name,
        data_fingerprint=job.data.fingerprint,
        recipe=settings,
        seed=job.seed,
        accuracy=accuracy,
        images=len(images),
    )
    files.write_model(weights.with_suffix(".json"), description)
    checkpoint_path(weights).unlink(missing_ok=True)
    return description


def _finished(job: Job, weights: Path, config: Mapping[str, Any], fresh: bool) -> ModelFile | None:
    """What a finished training with the same settings has left, else None."""
    found = kept(weights, config, fresh, lambda: models.read_model_file(weights), _made_with)
    if found is not None and found.architecture != job.architecture:
        # The same network, generated anew: only what is told about it has changed.
        found = found.model_copy(update={"architecture": job.architecture})
        files.write_model(weights.with_suffix(".json"), found)
    return found


def _made_with(found: ModelFile) -> dict[str, Any]:
    return {
        "space": found.architecture.space,
        "options": list(found.architecture.options),
        "data_fingerprint": found.data_fingerprint,
        "recipe": {**recipes.UNSTATED, **found.recipe},
        "seed": found.seed,
    }


def _config(job: Job, settings: Settings) -> dict[str, Any]:
    return {
        "space": job.architecture.space,
        "options": list(job.architecture.options),
        "data_fingerprint": job.data.fingerprint,
        "recipe": settings,
        "seed": job.seed,
    }
