"""The settings of a generator's training, with the published values where they carry over."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import Field

from sgnas_deploy import files

PUBLISHED_RANGE_MMACS: Final = 446.88
"""From the smallest to the largest network of `imagenet`, in millions of multiply-accumulates."""

PUBLISHED_ALPHA: Final = 3e-4
"""Weight of the squared distance to the target in (millions of multiply-accumulates)^2."""

PUBLISHED_BAND_MMACS: Final = 0.1
"""Distance to the target that costs nothing, in millions of multiply-accumulates."""


class Recipe(files.FrozenModel):
    """How a generator is built and trained.

    The published loss measures distance in millions of operations. Here distance is a share of the
    range between the fastest and the slowest network, so that one value fits every table: the
    published constants are converted with the range of the published ImageNet space,
    alpha = 3e-4 * 446.88^2 = 59.9, band = 0.1 / 446.88 = 0.00022.

    Attributes:
        epochs: passes over the images kept apart.
        batch: images a step.
        budgets: budgets a step; each image sees the mixture of one of them. The published
            training has 1.
        learning_rate: Adam's.
        betas: Adam's.
        label_smoothing: of the cross-entropy.
        temperature: of the Gumbel-softmax in the first epoch.
        temperature_decay: its factor from epoch to epoch.
        alpha: weight of the squared distance of expected latency to its target.
        over: factor on that where the target is exceeded.
        band: distance that costs nothing.
        grid: budgets over the range that are shuffled and, jittered by up to half a step, trained
            on one after another.
        expected_under: which distribution the expected latency is of: the generator's own
            (`probabilities`), or the noisy gates of the step (`gates`, as published).
        hidden: channels of the convolutions.
        budget_channels: channels that the budget is spread over.
        priors: size of the prior pool. The published training uses 1.
        taught_by: what the cross-entropy is of: mixtures of sub-networks, as published, or what
            `probing` learned from networks that were looked at once (`probes`).
        probes: networks that are looked at; only with `probes`.
        probe_images: images that each of them sees.
        probe_rounds: parts that they come in; those of the first are random, each later one asks
            where the ones before have left a doubt.
        entropy: reward of the entropy of the options' probabilities, see `probing.Teacher`; only
            with `probes`.
        reads_tables: whether the generator reads the table that a budget is of, so that it serves
            tables that it was not trained on. The published one knows one cost model by heart.
        perturbed: random devices that such a generator is trained on too.
        precision: `fp32`, or `bf16` or `fp16` for the frozen supernet's pass; the generator, the
            expectation and the losses stay in fp32 or better.
        accumulate: parts that each batch is computed in, over all processes.
    """

    epochs: int = Field(default=50, ge=1)
    batch: int = Field(default=64, ge=1)
    budgets: int = Field(default=8, ge=1)
    learning_rate: float = Field(default=1e-3, gt=0)
    betas: tuple[float, float] = (0.5, 0.999)
    label_smoothing: float = Field(default=0.1, ge=0, lt=1)
    temperature: float = Field(default=5.0, gt=0)
    temperature_decay: float = Field(default=0.95, gt=0, le=1)
    alpha: float = Field(default=PUBLISHED_ALPHA * PUBLISHED_RANGE_MMACS**2, ge=0)
    over: float = Field(default=1.2, ge=1)
    band: float = Field(default=PUBLISHED_BAND_MMACS / PUBLISHED_RANGE_MMACS, ge=0)
    grid: int = Field(default=64, ge=1)
    expected_under: Literal["probabilities", "gates"] = "probabilities"
    hidden: int = Field(default=32, ge=1)
    budget_channels: int = Field(default=10, ge=1)
    priors: int = Field(default=5, ge=1)
    taught_by: Literal["mixture", "probes"] = "mixture"
    probes: int = Field(default=1024, ge=2)
    probe_images: int = Field(default=64, ge=1)
    probe_rounds: int = Field(default=16, ge=1)
    entropy: float = Field(default=0.3, ge=0)
    reads_tables: bool = False
    perturbed: int = Field(default=0, ge=0)
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    accumulate: int = Field(default=1, ge=1)
