"""A few networks trained from scratch, alike: does the supernet rank them as training does?"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import json
import multiprocessing
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final

import numpy as np
import torch

from benchmarks.quality_parts.judge import Options
from benchmarks.quality_parts.setting import Setting
from sgnas_deploy import architectures, data, files, models, spaces
from sgnas_deploy.architectures import Architecture
from sgnas_deploy.events import NullReporter
from sgnas_deploy.training import recipes

BANDS: Final = 3
"""Budgets, from the tight to the generous, at which networks are taken."""

BY_METHOD: Final = ("generator", "evolution", "macs")
"""One network of each is taken in every band, and random ones of that latency."""

NEAR: Final = 0.03
"""A random network of a band is within so much of its budget."""


@final
@dataclass(frozen=True)
class Picked:
    """A network to train.

    Attributes:
        options: of the network.
        band: which.
        by: the method that proposed it.
    """

    options: Options
    band: int
    by: str


def pick(setting: Setting, proposals: Mapping[str, Sequence[Options]], count: int) -> list[Picked]:
    """Different networks: of the methods in every band, and random ones that are as fast."""
    rng = np.random.default_rng([setting.seed, 0x9E1E])
    places = np.linspace(0, len(setting.budgets_s) - 1, BANDS + 2).round().astype(int)[1:-1]
    found: list[Picked] = []
    seen: set[Options] = set()

    def take(options: Options, band: int, by: str) -> None:
        if options not in seen and len(found) < count:
            seen.add(options)
            found.append(Picked(options, band, by))

    for by in BY_METHOD:
        for band, place in enumerate(places.tolist()):
            take(proposals[by][place], band, by)
    while len(found) < count:
        band = min(range(BANDS), key=lambda b: sum(one.band == b for one in found))
        budget_s = float(setting.budgets_s[places[band]])
        options = setting.space.sample(rng)
        if (1 - NEAR) * budget_s <= setting.model.predict_s(options) <= budget_s:
            take(options, band, "at random")
    return sorted(found, key=lambda one: one.band)


@final
@dataclass(frozen=True)
class Work:
    """What one worker trains."""

    options: Options
    space: str
    spec: str
    folder: Path
    epochs: int
    batch: int
    seed: int


def train(setting: Setting, picked: Sequence[Picked], epochs: int, batch: int) -> list[float]:
    """Accuracy of each on all held-out images, trained from scratch with one recipe and seed."""
    folder = setting.workdir / "retrained"
    work = [
        Work(one.options, setting.space.id, setting.spec, folder, epochs, batch, setting.seed)
        for one in picked
    ]
    if setting.workers == 1:
        return [_trained(one) for one in work]
    with concurrent.futures.ProcessPoolExecutor(
        setting.workers, mp_context=multiprocessing.get_context("spawn"), initializer=_one_thread
    ) as pool:
        found = []
        for one, accuracy in zip(picked, pool.map(_trained, work), strict=True):
            found.append(accuracy)
            print(f"retrained {one.by}, band {one.band}: {accuracy:.2%}", flush=True)
        return found


def cost(setting: Setting, picked: Sequence[Picked]) -> dict[str, float]:
    """Seconds of the trainings, added up."""
    spent = []
    for one in picked:
        path = setting.workdir / "retrained" / f"{_name(setting.space.id, one.options)}.cost.json"
        spent.append(json.loads(path.read_text()))
    return {key: sum(own[key] for own in spent) for key in ("cpu_s", "wall_s")}


def _name(space: str, options: Options) -> str:
    return Architecture(space, options).id


def _one_thread() -> None:
    torch.set_num_threads(1)


def _trained(work: Work) -> float:
    from sgnas_deploy.training.jobs import retrain_job

    name = _name(work.space, work.options)
    recipe_path = work.folder / f"{name}.cost.json"
    space = spaces.load(work.space)
    images = data.load(work.spec, space.resolution)
    usual = recipes.retraining(space, images)
    recipe = dataclasses.replace(usual, epochs=work.epochs, batch=work.batch)
    described = architectures.describe(name, Architecture(work.space, work.options))
    job = retrain_job.Job(
        architecture=described, data=images, recipe=recipe, seed=work.seed, supernet=Path()
    )
    weights = retrain_job.weights_path(work.folder, name)
    if weights.is_file() and recipe_path.is_file():
        kept = models.read_model_file(weights)
        if kept.seed == work.seed and kept.recipe == recipes.settings(recipe):
            return kept.accuracy
    wall, cpu = time.monotonic(), time.process_time()
    _, made = retrain_job.run(job, work.folder, False, NullReporter())
    spent: dict[str, Any] = {
        "cpu_s": time.process_time() - cpu,
        "wall_s": time.monotonic() - wall,
    }
    files.write_text(recipe_path, json.dumps(spent) + "\n")
    return made.accuracy
