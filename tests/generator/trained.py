"""A workspace with a table, small data and an untrained supernet that says it was trained."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import torch

from sgnas_deploy import files, spaces, supernet
from sgnas_deploy.data import ArrayImages, DataSet, Preprocessing
from sgnas_deploy.pipeline.train_generator import TrainGeneratorRequest
from sgnas_deploy.supernet import SupernetFile
from sgnas_deploy.training import checkpoint
from sgnas_deploy.workspace import Workspace
from tests.generator.models import workspace

FEW_PROBES = str(Path(__file__).with_name("few_probes.toml"))
"""A recipe for trainings that say nothing of quality."""


def small_data(fingerprint: str = "f") -> DataSet:
    rng = np.random.default_rng(0)

    def images(n: int) -> ArrayImages:
        labels = np.arange(n) % 10
        pixels = rng.integers(0, 256, (n, 32, 32, 3), dtype=np.uint8)
        return ArrayImages(pixels, labels)

    return DataSet(
        name="small",
        classes=tuple("0123456789"),
        train=images(100),
        val=images(20),
        fingerprint=fingerprint,
        preprocessing=Preprocessing(
            resolution=32, crop=1.0, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)
        ),
        flip=False,
    )


def write_supernet(made: Workspace, seed: int = 0) -> None:
    torch.manual_seed(seed)
    space = spaces.load("tiny")
    weights = supernet.weights_path(made.supernet, space)
    checkpoint.write_tensors(weights, supernet.build(space).state_dict())
    described = SupernetFile(
        space="tiny",
        weights_sha256=files.sha256_of(weights),
        data="small",
        data_fingerprint="f",
        classes=tuple("0123456789"),
        held_apart=0.2,
        split_seed=0,
        recipe={},
        seed=seed,
        epochs=1,
        accuracy=0.1,
        accuracies=(0.1,),
        images=20,
    )
    files.write_model(weights.with_suffix(".json"), described)


def ready(root: Path) -> Workspace:
    made = workspace(root)
    write_supernet(made)
    return made


def request(made: Workspace, **flags: object) -> TrainGeneratorRequest:
    """A short training of a generator, the flags in addition."""
    base = TrainGeneratorRequest(workdir=made.root, batch=8, recipe=FEW_PROBES)
    return dataclasses.replace(base, **flags)  # type: ignore[arg-type]
