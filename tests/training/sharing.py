"""Small trainings that one process runs in parts, or two processes share; see `test_parallel.py`.

    python -m tests.training.sharing FOLDER

runs all of them as one of several processes, with what the environment says, and writes weights and
losses to FOLDER. In the end process 1 fails on purpose.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sgnas_deploy import spaces, supernet
from sgnas_deploy.data import ArrayImages, DataSet, Preprocessing
from sgnas_deploy.errors import BadInput
from sgnas_deploy.events import NullReporter, Reporter
from sgnas_deploy.generator import priors
from sgnas_deploy.generator.lessons import OneTable
from sgnas_deploy.generator.mixed import MixedGenerator
from sgnas_deploy.generator.recipe import Recipe
from sgnas_deploy.generator.scale import scale_of
from sgnas_deploy.generator.train import GeneratorTask
from sgnas_deploy.networks.deployed import DeployedNetwork
from sgnas_deploy.supernet.base import Supernet
from sgnas_deploy.training import checkpoint, feed, loop, parts, process, ranks
from sgnas_deploy.training.loop import Running, Task
from sgnas_deploy.training.ranks import Group
from sgnas_deploy.training.recipes import RetrainRecipe, SupernetRecipe
from sgnas_deploy.training.retraining import RetrainTask
from sgnas_deploy.training.supernet import SupernetTask
from tests.generator.models import model

EPOCHS = 2
SEED = 5
COUNT = 2
"""Parts of every batch."""


@dataclass
class Watched:
    """A task whose losses are kept."""

    task: Any
    losses: list[float] = field(default_factory=list)

    def step(self, number: int, images: Tensor, labels: Tensor) -> float:
        images = images.double() if isinstance(self.task, SupernetTask) else images
        self.losses.append(self.task.step(number, images, labels))
        return self.losses[-1]

    def save(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        tensors, state = self.task.save()
        return tensors, {"task": state, "losses": self.losses}

    def restore(self, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
        self.task.restore(tensors, state["task"])
        self.losses = list(state["losses"])


def images() -> DataSet:
    rng = np.random.default_rng(0)
    found = ArrayImages(rng.integers(0, 256, (40, 16, 16, 3), dtype=np.uint8), np.arange(40) % 2)
    made = Preprocessing(resolution=16, crop=1.0, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))
    return DataSet("small", ("a", "b"), found, found, "0", made)


def batches(size: int, group: Group) -> feed.Feed:
    own = (group.rank.number, group.rank.world)
    return feed.make(images(), None, size, "crop", SEED, part=own)


def supernet_task(found: feed.Feed, group: Group, space: str = "tiny+r16+c2") -> Task:
    process.seed_all("weights", SEED)
    recipe = SupernetRecipe(EPOCHS, found.batch, 0.005, "crop", clip_norm=2.0, accumulate=COUNT)
    # In fp64: training magnifies rounding, and sums in another order differ in fp32's last bits.
    network = supernet.build(spaces.load(space)).double()
    network.dropout = 0.2
    cut = parts.of_feed(COUNT, found, group)
    return SupernetTask(network, recipe, EPOCHS * found.steps, SEED, cut)


def cell_task(found: feed.Feed, group: Group) -> Task:
    return supernet_task(found, group, "nasbench201+r16+c2+n1")


def retrain_task(found: feed.Feed, group: Group) -> Task:
    process.seed_all("weights", SEED)
    network = DeployedNetwork(spaces.load("tiny+r16+c2+se"), (5, 40, 80, 5, 22, 60), 0.2)
    recipe = RetrainRecipe(
        EPOCHS, found.batch, "sgd", 0.05, "crop", ema=0.9, mixup=0.3, clip_norm=2.0
    )
    cut = parts.of_feed(COUNT, found, group)
    return RetrainTask(network, recipe, EPOCHS * found.steps, 2, cut=cut)


def frozen() -> Supernet:
    """A supernet with running statistics of its own."""
    process.seed_all("frozen", SEED)
    network = supernet.build(spaces.load("tiny+r16+c2"))
    sampler = network.sampler(0)
    with torch.no_grad():
        for _ in range(4):
            network.train()(torch.randn(12, 3, 16, 16), sampler.draw())
    network.freeze()
    return network


def generator_task(found: feed.Feed, group: Group) -> Task:
    space = spaces.load("tiny+r16+c2")
    latency = model("tiny")
    scale = scale_of(latency, space)
    recipe = Recipe(epochs=EPOCHS, batch=found.batch, budgets=3)
    process.seed_all("generator", SEED)
    network = MixedGenerator(space, recipe)  # type: ignore[arg-type]
    network.set_priors(*priors.draw(space, latency, scale, recipe.priors, SEED))
    lessons = OneTable(network.expected_latency(latency), scale)
    cut = parts.of_feed(COUNT, found, group)
    return GeneratorTask(network, frozen(), lessons, recipe, SEED, found.steps, cut=cut)


TASKS: dict[str, tuple[Callable[[feed.Feed, Group], Task], int]] = {
    # 11 images in two parts are 5 and 6.
    "supernet": (supernet_task, 11),
    "cells": (cell_task, 11),
    "retraining": (retrain_task, 12),
    "generator": (generator_task, 11),
}


def train(
    name: str, folder: Path, group: Group, reporter: Reporter | None = None
) -> tuple[list[float], dict[str, Tensor]]:
    """Losses of all steps, and all that a checkpoint would hold in the end."""
    made, size = TASKS[name]
    found = batches(size, group)
    task = Watched(made(found, group))
    config = {"name": name, "accumulate": COUNT}
    path = folder / f"{name}.checkpoint"
    plan = loop.Plan(name, EPOCHS, SEED, path, config, "sgnas x", Running(group, -1.0))
    loop.run(task, found, plan, reporter or NullReporter(), torch.device("cpu"))
    return task.losses, task.save()[0]


def main(folder: Path) -> None:
    own = folder / f"rank{ranks.here().number}"
    own.mkdir(exist_ok=True)
    torch.set_num_threads(1)
    try:
        with ranks.joined() as group:
            for name in TASKS:
                losses, tensors = train(name, own, group)
                checkpoint.write_tensors(own / f"{name}.safetensors", tensors)
                (own / f"{name}.json").write_text(json.dumps(losses))
            if group.rank.number == 1:
                raise BadInput("the disk of process 1 is broken")
            group.add([torch.zeros(3)])
    except Exception as error:
        (own / "error.json").write_text(json.dumps([type(error).__name__, str(error)]))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
