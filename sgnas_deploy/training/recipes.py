"""Recipes: the settings of a training, one frozen value per space.

The published settings (SGNAS, CVPR 2021, and its reference implementation) are those of `imagenet`
and `cifar`: SGD with momentum 0.9, learning rate 0.064, weight decay 4e-4, cosine schedule, label
smoothing 0.1, four passes a step. `tiny` is ours, made to be done in a minute or two on a laptop:
AdamW, and fewer passes a step for more steps. It was chosen by single short runs, not by a study.
So was that of the supernet of `nasbench201`, meant for a small variant on a 2-core CPU.
The recipes of `cifar` and `imagenet` have not been run to the end here.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Literal, TypeAlias, final

from sgnas_deploy.data import DataSet
from sgnas_deploy.spaces import Space

Augmentation: TypeAlias = Literal["affine", "crop", "timm"]
"""`affine`: small shifts, scalings and rotations, for drawings that have an up and a left.
`crop`: padded random crop, for small photographs. `timm`: random resized crop and RandAugment.
The last two also flip, where the data allows it."""

Settings: TypeAlias = "dict[str, str | int | float | bool | None]"

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
        precision: `fp32`, or `bf16` for forward and backward passes; weights, statistics and
            losses stay in fp32.
    """

    epochs: int
    batch: int
    lr: float
    augmentation: Augmentation
    optimizer: Literal["sgd", "adamw"] = "sgd"
    passes: int = 4
    warmup: float = 0.0
    momentum: float = 0.9
    weight_decay: float = 4e-4
    label_smoothing: float = 0.1
    clip_norm: float | None = None
    dropout: float = 0.0
    precision: Literal["fp32", "bf16"] = "fp32"


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
    """

    epochs: int
    batch: int
    optimizer: str
    lr: float
    augmentation: Augmentation
    warmup: float = 0.05
    weight_decay: float = 1e-4
    label_smoothing: float = 0.1
    dropout: float = 0.0
    ema: float | None = None
    randaugment: str | None = None
    mixup: float = 0.0
    erasing: float = 0.0
    clip_norm: float | None = None
    distill: float = 0.0
    inherit: bool = False


def augmentation(data: DataSet) -> Augmentation:
    """What fits the data: `affine` where nothing may be flipped, else by the resolution."""
    if not data.flip:
        return "affine"
    return "timm" if data.preprocessing.resolution >= _TIMM_FROM else "crop"


def supernet(space: Space, data: DataSet) -> SupernetRecipe:
    """The recipe of a space's supernet."""
    augment = augmentation(data)
    if _name(space) == "tiny":
        return SupernetRecipe(
            epochs=24,
            batch=32,
            optimizer="adamw",
            passes=2,
            lr=4e-3,
            weight_decay=0.01,
            warmup=0.15,
            augmentation=augment,
        )
    if _name(space) == "nasbench201":
        return SupernetRecipe(
            epochs=30,
            batch=128,
            optimizer="adamw",
            passes=1,
            lr=3e-3,
            weight_decay=0.02,
            warmup=0.1,
            label_smoothing=0.0,
            augmentation=augment,
        )
    if _name(space) == "cifar":
        return SupernetRecipe(epochs=50, batch=64, lr=0.064, augmentation=augment)
    return SupernetRecipe(epochs=50, batch=64, lr=0.064, dropout=0.2, augmentation=augment)


def retraining(space: Space, data: DataSet) -> RetrainRecipe:
    """The recipe of a space's networks, from scratch."""
    augment = augmentation(data)
    if _name(space) == "tiny":
        return RetrainRecipe(
            epochs=12,
            batch=32,
            optimizer="adamw",
            lr=4e-3,
            weight_decay=0.02,
            warmup=0.15,
            ema=0.99,
            augmentation=augment,
        )
    if _name(space) == "nasbench201":
        # The benchmark's own: 200 epochs of SGD at 0.1 with Nesterov momentum, batches of 256.
        return RetrainRecipe(
            epochs=200,
            batch=256,
            optimizer="nesterov",
            lr=0.1,
            weight_decay=5e-4,
            warmup=0.0,
            label_smoothing=0.0,
            augmentation=augment,
        )
    if _name(space) == "cifar":
        return RetrainRecipe(
            epochs=200,
            batch=96,
            optimizer="sgd",
            lr=0.05,
            weight_decay=3e-4,
            dropout=0.2,
            ema=0.999,
            clip_norm=5.0,
            augmentation=augment,
        )
    return RetrainRecipe(
        epochs=350,
        batch=128,
        optimizer="rmsproptf",
        lr=0.008,
        weight_decay=1e-5,
        dropout=0.2,
        ema=0.9999,
        randaugment="rand-m9-mstd0.5" if augment == "timm" else None,
        mixup=0.1,
        erasing=0.2 if augment == "timm" else 0.0,
        augmentation=augment,
    )


def settings(recipe: SupernetRecipe | RetrainRecipe) -> Settings:
    """A recipe as it stands in the files of what it made."""
    return dataclasses.asdict(recipe)


def _name(space: Space) -> str:
    return space.id.split("+", maxsplit=1)[0]
