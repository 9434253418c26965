"""Recipes: the settings of a training, one frozen value per space.

The values stand in `sgnas_deploy/recipes/SPACE.toml`, beside where they come from; what they mean
stands here. A user's own file may change them (`recipe_files`).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Annotated, Final, Literal, TypeAlias, final

from pydantic import Field

from sgnas_deploy.data import DataSet
from sgnas_deploy.generator.recipe import Recipe
from sgnas_deploy.spaces import Space
from sgnas_deploy.training import recipe_files

Augmentation: TypeAlias = Literal["affine", "crop", "timm"]
"""`affine`: small shifts, scalings and rotations, for drawings that have an up and a left.
`crop`: padded random crop, for small photographs. `timm`: random resized crop and RandAugment.
The last two also flip, where the data allows it."""

Precision: TypeAlias = Literal["fp32", "bf16", "fp16"]

Settings: TypeAlias = "dict[str, str | int | float | bool | None]"

UNSTATED: Final[Settings] = {"precision": "fp32", "accumulate": 1}
"""What files were made with that are older than these settings and do not state them."""

Count: TypeAlias = Annotated[int, Field(ge=1)]
Positive: TypeAlias = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative: TypeAlias = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Share: TypeAlias = Annotated[float, Field(ge=0, lt=1)]

_TIMM_FROM = 96
"""Resolution from which on photographs get the augmentation of ImageNet."""


@final
@dataclass(frozen=True)
class SupernetRecipe:
    """How a supernet is trained.

    Attributes:
        epochs: passes over the training images that are not kept for the generator.
        batch: images a step.
        optimizer: `sgd` as published, or `adamw`.
        passes: sub-networks a step; their gradients are summed.
        lr: the highest learning rate.
        warmup: share of all steps that the learning rate rises in.
        momentum: of SGD.
        weight_decay: on all parameters, as published.
        label_smoothing: of the cross-entropy.
        clip_norm: largest norm of the gradient; None for no limit (as published).
        dropout: before the classifier.
        augmentation: of the images.
        precision: `fp32`, or `bf16` or `fp16` for forward and backward passes; weights,
            statistics and losses stay in fp32.
        accumulate: parts that each batch is computed in, over all processes; gradients are
            summed, batch normalisation is over a part.
    """

    epochs: Count
    batch: Count
    lr: Positive
    augmentation: Augmentation
    optimizer: Literal["sgd", "adamw"] = "sgd"
    passes: Count = 4
    warmup: Share = 0.0
    momentum: Share = 0.9
    weight_decay: NotNegative = 4e-4
    label_smoothing: Share = 0.1
    clip_norm: Positive | None = None
    dropout: Share = 0.0
    precision: Precision = "fp32"
    accumulate: Count = 1


@final
@dataclass(frozen=True)
class RetrainRecipe:
    """How a network is trained to the end.

    Attributes:
        epochs: passes over all training images.
        batch: images a step.
        optimizer: name in timm.
        lr: the highest learning rate.
        warmup: share of all steps that the learning rate rises in.
        weight_decay: on weights, not on biases and normalisations.
        label_smoothing: of the cross-entropy.
        dropout: before the classifier.
        ema: decay of the averaged weights that are kept in the end; None for no average.
        augmentation: of the images.
        randaugment: timm's word for it, such as `rand-m9-mstd0.5`; only with `timm`.
        mixup: timm's mixup strength; 0 for none.
        erasing: probability of erasing a rectangle; only with `timm`.
        clip_norm: largest norm of the gradient; None for no limit.
        distill: weight of the supernet's predictions in the loss, 0 for none.
        inherit: start from the supernet's weights.
        precision: `fp32`, or `bf16` or `fp16` for forward and backward passes.
        accumulate: parts that each batch is computed in, over all processes.
    """

    epochs: Count
    batch: Count
    optimizer: str
    lr: Positive
    augmentation: Augmentation
    warmup: Share = 0.05
    weight_decay: NotNegative = 1e-4
    label_smoothing: Share = 0.1
    dropout: Share = 0.0
    ema: Share | None = None
    randaugment: str | None = None
    mixup: NotNegative = 0.0
    erasing: Share = 0.0
    clip_norm: Positive | None = None
    distill: Annotated[float, Field(ge=0, le=1)] = 0.0
    inherit: bool = False
    precision: Precision = "fp32"
    accumulate: Count = 1


def augmentation(data: DataSet) -> Augmentation:
    """What fits the data: `affine` where nothing may be flipped, else by the resolution."""
    if not data.flip:
        return "affine"
    return "timm" if data.preprocessing.resolution >= _TIMM_FROM else "crop"


def supernet(space: Space, data: DataSet, own: str | None = None) -> SupernetRecipe:
    """The recipe of a space's supernet.

    Args:
        space: whose.
        data: decides the augmentation, where no file does.
        own: a user's recipe file, or the name of another space.

    Raises:
        BadInput: the user's file cannot be used.
    """
    usual = augmentation(data)
    return recipe_files.section("supernet", space.id, own, SupernetRecipe, augmentation=usual)


def retraining(space: Space, data: DataSet, own: str | None = None) -> RetrainRecipe:
    """The recipe of a space's networks, from scratch; arguments and errors as of `supernet`."""
    usual = augmentation(data)
    found = recipe_files.section("retrain", space.id, own, RetrainRecipe, augmentation=usual)
    if found.augmentation == "timm":
        return found
    return dataclasses.replace(found, randaugment=None, erasing=0.0)


def generator(space: Space, own: str | None = None) -> Recipe:
    """The recipe of a table's generator; arguments and errors as of `supernet`."""
    return recipe_files.section("generator", space.id, own, Recipe)


def settings(recipe: SupernetRecipe | RetrainRecipe) -> Settings:
    """A recipe as it stands in the files of what it made."""
    return dataclasses.asdict(recipe)
