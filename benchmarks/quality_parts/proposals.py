"""The methods that propose without looking: generators, free logits, probes alone, operations."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final, TypeAlias, final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from benchmarks.quality_parts.judge import Options
from benchmarks.quality_parts.setting import Setting
from sgnas_deploy import generator, supernet, tables
from sgnas_deploy.blocks.mb import KERNELS
from sgnas_deploy.generator import probing, train
from sgnas_deploy.generator.base import Generator
from sgnas_deploy.generator.expected import CHOICES, ExpectedMixedLatency, Multisets
from sgnas_deploy.generator.lessons import OneTable
from sgnas_deploy.generator.mixed import MixedGenerator, multiset_features
from sgnas_deploy.generator.recipe import Recipe
from sgnas_deploy.generator.scale import LatencyModel
from sgnas_deploy.generator.within import best_within
from sgnas_deploy.spaces.mixed import SUB_BLOCKS, MixedSpace
from sgnas_deploy.training import checkpoint, feed, loop, process, recipes
from sgnas_deploy.training.jobs import generator_job

Floats: TypeAlias = npt.NDArray[np.float64]

BACKWARD: Final = 3
"""Passes that a forward and a backward pass count as."""

PUBLISHED_EPOCHS: Final = 50
FREE_LEARNING_RATE: Final = 0.02
"""Of the free logits: Adam moves a number by about that much a step."""


def recipes_of(epochs: int) -> dict[str, Recipe]:
    """The ways to train a generator that are compared.

    Where there are fewer epochs than the published 50, the temperature falls faster, and ends where
    it ends there; `published` has 50 whatever they cost.
    """
    cooling = 0.95 ** (PUBLISHED_EPOCHS / epochs)
    paper = Recipe(budgets=1, priors=1, expected_under="gates")
    sharp = (0.1 / 3.0) ** (1 / max(epochs - 1, 1))
    return {
        "probes": Recipe(taught_by="probes"),
        "mixture": Recipe(epochs=epochs, temperature_decay=cooling),
        "sharp": Recipe(epochs=epochs, temperature=3.0, temperature_decay=sharp),
        "random probes": Recipe(taught_by="probes", probe_rounds=1),
        "no entropy": Recipe(taught_by="probes", entropy=0.0),
        "paper": paper.model_copy(update={"epochs": epochs, "temperature_decay": cooling}),
        "published": paper,
    }


def affordable_epochs(images: int, batch: int, looks: int) -> int:
    """Epochs that cost at most a quarter of so many looked-at images, 50 at most.

    Args:
        images: kept apart.
        batch: of a step.
        looks: images that one evolution run sends forward.
    """
    own = min(batch, images)
    return int(np.clip(looks // 4 // (BACKWARD * (images // own) * own), 1, PUBLISHED_EPOCHS))


def images_of(recipe: Recipe, apart: int) -> int:
    """Images that a generator's training sends forward, a backward pass counted as two."""
    if recipe.taught_by == "probes":
        return recipe.probes * min(recipe.probe_images, apart)
    batch = min(recipe.batch, apart)
    return BACKWARD * recipe.epochs * (apart // batch) * batch


def trained(setting: Setting, name: str, recipe: Recipe) -> MixedGenerator:
    """A generator of a recipe; trained now where there is none."""
    weights = setting.workdir / f"generator-{name}" / f"{setting.table.stem}.safetensors"
    if not _is_there(weights, setting, name, recipe):
        job = _job(setting, recipe)
        config = {
            "table_sha256": job.table_sha256,
            "supernet_sha256": setting.supernet.weights_sha256,
            "data_fingerprint": setting.data.fingerprint,
            "recipe": recipe.model_dump(mode="json"),
            "seed": setting.seed,
        }
        with setting.timed(name) as cost:
            generator_job.run(
                job, weights, config, "python -m benchmarks.quality", setting.reporter
            )
            cost["images"] = images_of(recipe, len(setting.apart[1]))
    found = generator.load(weights, setting.space, generator.read_file(weights))
    assert isinstance(found, MixedGenerator)  # the space is mixed, and no recipe reads tables
    return found


def _job(setting: Setting, recipe: Recipe) -> generator_job.Job:
    return generator_job.Job(
        space=setting.space,
        model=setting.model,
        table=setting.table.stem,
        table_sha256=tables.sha256(setting.table),
        percentile=setting.model.percentile,
        supernet=setting.weights,
        data=setting.data,
        spec=setting.spec,
        recipe=recipe,
        seed=setting.seed,
    )


def _is_there(weights: Path, setting: Setting, name: str, recipe: Recipe) -> bool:
    if not weights.with_suffix(".json").is_file() or not setting.has_cost(name):
        return False
    found = generator.read_file(weights)
    return (found.recipe, found.supernet_sha256, found.seed) == (
        recipe,
        setting.supernet.weights_sha256,
        setting.seed,
    )


@final
class FreeLogits(Generator):
    """One logit per layer, sub-block and choice, the same for every budget: no generator at all."""

    def __init__(self, space: MixedSpace) -> None:
        super().__init__()
        self.space = space
        self.logits = nn.Parameter(torch.zeros(len(space.layers), SUB_BLOCKS, CHOICES))
        self.multisets = Multisets(space.multisets)

    def set_priors(self, networks: Sequence[Options], shares: Sequence[float]) -> None:
        """There are none."""

    def forward(self, shares: Tensor) -> Tensor:
        """The logits (B, L, 6, 4), once for each budget."""
        skip = torch.zeros(SUB_BLOCKS, CHOICES, dtype=torch.bool)
        skip[0, len(KERNELS)] = True
        return self.logits.masked_fill(skip, -torch.inf).expand(len(shares), -1, -1, -1)

    def expected_latency(self, model: LatencyModel) -> ExpectedMixedLatency:
        """As for a generator."""
        return ExpectedMixedLatency(self.space.multisets, model)

    def scores(self, gates: Tensor) -> tuple[Tensor, ...]:
        """As for a generator."""
        return self.multisets.log_probabilities(gates).unbind(dim=1)

    def option_features(self) -> tuple[Floats, ...]:
        """As for a generator."""
        return (multiset_features(self.space),) * len(self.space.layers)


def trained_free(setting: Setting, recipe: Recipe) -> FreeLogits:
    """Free logits, trained as a generator is, but for the budget: there is none in their loss."""
    recipe = recipe.model_copy(update={"alpha": 0.0, "learning_rate": FREE_LEARNING_RATE})
    weights = setting.workdir / "free" / "logits.safetensors"
    network = FreeLogits(setting.space)
    command = "python -m benchmarks.quality"
    if not weights.is_file() or not setting.has_cost("free"):
        device = process.prepare()
        frozen, _ = supernet.load(setting.weights, setting.space)
        process.seed_all("free", setting.seed)
        apart, augment = setting.apart[1], recipes.augmentation(setting.data)
        batches = feed.make(setting.data, apart, recipe.batch, augment, setting.seed)
        task = train.GeneratorTask(
            network.to(device),
            frozen.to(device),
            OneTable(network.expected_latency(setting.model).to(device), setting.scale),
            recipe,
            setting.seed,
            batches.steps,
        )
        plan = loop.Plan(
            title="training free logits",
            epochs=recipe.epochs,
            seed=setting.seed,
            path=weights.with_suffix(".checkpoint"),
            config={
                "supernet_sha256": setting.supernet.weights_sha256,
                "recipe": recipe.model_dump(mode="json"),
                "seed": setting.seed,
            },
            command=command,
        )
        with setting.timed("free") as cost:
            loop.run(task, batches, plan, setting.reporter, device)
            cost["images"] = images_of(recipe, len(apart))
        checkpoint.write_tensors(weights, network.state_dict())
    tensors = checkpoint.read_tensors(weights, "free logits")
    checkpoint.load_into(network, tensors, weights, command)
    return network.eval()


def probed(setting: Setting, recipe: Recipe) -> tuple[probing.Worth, int]:
    """What probes say without a generator, and the images that they took."""
    process.prepare()
    frozen, _ = supernet.load(setting.weights, setting.space)
    apart = setting.apart[1]
    features = (multiset_features(setting.space),) * len(setting.space.layers)
    job = _job(setting, recipe)
    worth = generator_job.learned(job, features, frozen, apart, setting.scale, setting.reporter)
    return worth, images_of(recipe, len(apart))


def solved(
    setting: Setting, scores: Sequence[Floats], spend_on: Sequence[Floats] | None
) -> list[Options]:
    """The solver's networks for all budgets, as `sgnas generate` gets them.

    Args:
        setting: budgets and table.
        scores: one array per decision, shape (budgets, options).
        spend_on: what the rest of a budget is spent on, one array per decision (`sgnas generate`:
            operations); None to leave it.
    """
    kept = best_within(setting.model, setting.scale, scores, setting.budgets_s, spend_on)
    return [one.options for one in kept]


def alike(setting: Setting, scores: Sequence[Floats]) -> list[Floats]:
    """Scores that are the same for every budget."""
    return [np.broadcast_to(own, (len(setting.budgets_s), len(own))) for own in scores]


def shares_of(setting: Setting) -> Floats:
    """The budgets, as a generator reads them."""
    return setting.scale.share(setting.budgets_s)


def most_probable(network: Generator, setting: Setting) -> list[Options]:
    """The most probable choice of each sub-block, without a solver: the published inference."""
    index = {counts: option for option, counts in enumerate(setting.space.multisets)}
    with torch.inference_mode():
        choices = network(torch.from_numpy(shares_of(setting))).argmax(-1)
    counts = nn.functional.one_hot(choices, CHOICES)[..., : len(KERNELS)].sum(2)
    return [tuple(index[n3, n5, n7] for n3, n5, n7 in layers) for layers in counts.tolist()]


def best_options(scores: Sequence[Floats]) -> list[Options]:
    """The most probable option of each layer, for each budget."""
    chosen = np.stack([own.argmax(1) for own in scores], axis=1)
    return [tuple(row) for row in chosen.tolist()]
