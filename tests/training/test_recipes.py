"""Recipes fit the space and the data; the process is prepared as it says."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sgnas_deploy import data, spaces
from sgnas_deploy.training import process, recipes, schedule
from tests.training.sources import source


@pytest.mark.parametrize("name", ["cifar", "imagenet"])
def test_published_settings(name: str) -> None:
    found = recipes.supernet(spaces.load(name), source(32))
    assert (found.optimizer, found.lr, found.momentum) == ("sgd", 0.064, 0.9)
    assert (found.weight_decay, found.label_smoothing, found.passes) == (4e-4, 0.1, 4)


def test_variants_share_the_recipe_of_their_space() -> None:
    images = data.load("digits", 32)
    for recipe in (recipes.supernet, recipes.retraining):
        assert recipe(spaces.load("tiny"), images) == recipe(spaces.load("tiny+hswish"), images)


@pytest.mark.parametrize(
    ("resolution", "flip", "expected"),
    [(32, False, "affine"), (224, False, "affine"), (32, True, "crop"), (224, True, "timm")],
)
def test_augmentation_fits_the_data(resolution: int, flip: bool, expected: str) -> None:
    images = source(resolution, flip)
    assert recipes.augmentation(images) == expected
    found = recipes.retraining(spaces.load("imagenet"), images)
    assert (found.randaugment is not None) == (expected == "timm")


def test_settings_are_plain_values() -> None:
    found = recipes.settings(recipes.retraining(spaces.load("tiny"), source(32)))
    assert found["optimizer"] == "adamw"
    assert all(isinstance(v, str | int | float | bool | None) for v in found.values())


def test_the_rate_rises_then_falls() -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.5)
    made = schedule.cosine(optimizer, 100, 0.1)
    rates = []
    for step in range(100):
        made.step_update(step)
        rates.append(float(optimizer.param_groups[0]["lr"]))
    assert rates[0] == pytest.approx(0.05)
    assert max(rates) == rates[10] == pytest.approx(0.5)
    assert rates[:11] == sorted(rates[:11])
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[-1] < 0.001


def test_denormals_are_flushed() -> None:
    process.prepare()
    small = torch.full((8,), 1e-30)
    assert float((small * torch.full((8,), 1e-15)).sum()) == 0


def test_random_numbers_follow_the_position() -> None:
    drawn = []
    for position in ((0, 1), (0, 1), (1, 0)):
        process.seed_all("step", *position)
        drawn.append((float(torch.rand(1)), float(np.random.rand())))
    assert drawn[0] == drawn[1] != drawn[2]
