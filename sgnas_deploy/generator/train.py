"""Training of a generator against a frozen supernet (SGNAS, CVPR 2021, section 3.3).

Each step draws several budgets. The generator turns each into logits, Gumbel-softmax into gates,
and every image of the batch sees the supernet's mixture under the gates of one budget. The loss is
the cross-entropy, and for each budget the squared distance of the expected latency to its target.

Where this differs from the published training: cost is the exact expected latency of a measured
table instead of operations added up per sub-block, it is taken under the generator's own
distribution instead of the step's noise (`Recipe.expected_under`), and a step has many budgets.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from sgnas_deploy import files, generator, supernet
from sgnas_deploy.data import DataSet, split
from sgnas_deploy.events import Reporter
from sgnas_deploy.generator import GeneratorFile, priors
from sgnas_deploy.generator.base import ExpectedLatency, Generator, gumbel_softmax
from sgnas_deploy.generator.recipe import Recipe
from sgnas_deploy.generator.scale import LatencyModel, Scale, scale_of
from sgnas_deploy.spaces import Space
from sgnas_deploy.supernet.base import Supernet
from sgnas_deploy.training import checkpoint, feed, loop, process, recipes
from sgnas_deploy.training.requirements import checkpoint_path


@final
class GeneratorTask:
    """One step is one batch, several budgets, one update.

    Args:
        network: fresh, its prior pool filled; on its device.
        frozen: the trained supernet, frozen; on the same device.
        expected: expected latency of gates, in seconds.
        scale: the feasible range that shares are of.
        recipe: the settings.
        seed: decides the budgets.
        steps: batches an epoch.
    """

    def __init__(
        self,
        network: Generator,
        frozen: Supernet,
        expected: ExpectedLatency,
        scale: Scale,
        recipe: Recipe,
        seed: int,
        steps: int,
    ) -> None:
        self._network = network
        self._frozen = frozen
        self._expected = expected
        self._scale = scale
        self._recipe = recipe
        self._seed = seed
        self._steps = steps
        self._optimizer = torch.optim.Adam(
            network.parameters(), lr=recipe.learning_rate, betas=recipe.betas
        )
        self._errors: list[float] = []
        self._readings: dict[str, float] = {}

    @property
    def budget_error(self) -> float:
        """Mean relative distance of expected latency to its target in the epoch so far."""
        return float(np.mean(self._errors)) if self._errors else 0.0

    def step(self, number: int, images: Tensor, labels: Tensor) -> float:
        """Train on one batch; returns the cross-entropy."""
        epoch, step = divmod(number, self._steps)
        if step == 0:
            self._errors = []
        recipe = self._recipe
        shares = torch.from_numpy(budget_shares(recipe, self._seed, epoch, self._steps)[step]).to(
            images.device
        )
        self._network.train()
        self._optimizer.zero_grad()
        logits = self._network(shares)
        # Zero is excluded: its logarithm is taken.
        uniform = torch.rand(logits.shape).clamp_min(1e-20).to(images.device)
        temperature = recipe.temperature * recipe.temperature_decay**epoch
        gates = gumbel_softmax(logits, uniform, temperature)
        entropy, of_gates = self._entropy(images, labels, gates.detach())
        own = logits.softmax(dim=-1) if recipe.expected_under == "probabilities" else gates
        width_s = self._scale.slowest_s - self._scale.fastest_s
        target_s = self._scale.fastest_s + shares * width_s
        distance_s = self._expected(own) - target_s
        penalty = budget_penalty(distance_s / width_s, recipe)
        torch.autograd.backward((gates, penalty), (of_gates, torch.ones_like(penalty)))
        self._optimizer.step()
        self._errors.append(float((distance_s / target_s).detach().abs().mean()))
        self._readings = {
            "temperature": float(temperature),
            "budget_error": self._errors[-1],
            "target_s": float(target_s.mean()),
            "expected_s": float((target_s + distance_s).detach().mean()),
        }
        return entropy

    def _entropy(self, images: Tensor, labels: Tensor, gates: Tensor) -> tuple[float, Tensor]:
        """Cross-entropy of the mixtures, and its gradient with respect to the gates.

        Images side by side see the same budget. Where the supernet allows it, few of them are
        computed at a time, which is the same but for rounding, and takes less time and memory.
        """
        recipe, kind = self._recipe, images.device.type
        leaf = gates.requires_grad_()
        of_image = torch.arange(len(images), device=images.device) * len(gates) // len(images)
        together = (self._frozen.soft_together if kind == "cpu" else None) or len(images)
        total = 0.0
        for start in range(0, len(images), together):
            own = slice(start, start + together)
            with torch.autocast(kind, torch.bfloat16, enabled=recipe.precision == "bf16"):
                output = self._frozen.soft_forward(images[own], leaf[of_image[own]])
            entropy = functional.cross_entropy(
                output.float(),
                labels[own],
                reduction="sum",
                label_smoothing=recipe.label_smoothing,
            ) / len(images)
            torch.autograd.backward(entropy)
            total += float(entropy.detach())
        return total, leaf.grad if leaf.grad is not None else torch.zeros_like(leaf)

    def readings(self) -> dict[str, float]:
        """Temperature, and expected against target latency, of the last step."""
        return self._readings

    def save(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Weights, moments, and the epoch's budget errors."""
        moments, optimizer = checkpoint.pack_optimizer(self._optimizer)
        tensors = checkpoint.prefixed("weights", self._network.state_dict())
        tensors |= checkpoint.prefixed("optimizer", moments)
        return tensors, {"optimizer": optimizer, "errors": self._errors}

    def restore(self, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
        """Go on from what `save` returned."""
        self._network.load_state_dict(checkpoint.without_prefix("weights", tensors))
        moments = checkpoint.without_prefix("optimizer", tensors)
        checkpoint.unpack_optimizer(self._optimizer, moments, state["optimizer"])
        self._errors = list(state["errors"])


def budget_penalty(distance: Tensor, recipe: Recipe) -> Tensor:
    """The loss's part of the budgets, a mean over them.

    Args:
        distance: expected latency minus target, as shares of the feasible range, shape (n,).
        recipe: weight, band, and the factor where the target is exceeded.
    """
    weight = torch.where(distance > 0, recipe.over, 1.0)
    counted = torch.where(distance.abs() > recipe.band, distance, 0.0)
    return recipe.alpha * (weight * counted.square()).mean()


def budget_shares(recipe: Recipe, seed: int, epoch: int, steps: int) -> npt.NDArray[np.float64]:
    """The budgets of an epoch, as shares of the feasible range.

    A grid over the range is shuffled and gone through again and again, each point jittered by up
    to half a step, so that all parts of the range are trained on equally often.

    Returns:
        float64, shape (steps, recipe.budgets).
    """
    rng = np.random.default_rng([seed, epoch])
    needed = steps * recipe.budgets
    rounds = -(-needed // recipe.grid)
    cells = np.concatenate([rng.permutation(recipe.grid) for _ in range(rounds)])[:needed]
    return ((cells + rng.uniform(0, 1, needed)) / recipe.grid).reshape(steps, recipe.budgets)


@final
@dataclass(frozen=True)
class Job:
    """What is trained on what.

    Attributes:
        space: of the table.
        model: the table's predictor.
        table: name of the table.
        table_sha256: of its file.
        percentile: what `model` predicts.
        supernet: weights of the trained supernet.
        data: the images; the part that the supernet has not seen is used.
        spec: what the user called them.
        recipe: the settings.
        seed: decides first weights, priors, order, budgets and noise.
        supernet_space: space of the supernet, where it is a smaller variant of `space` with the
            same decisions; None where it is the supernet of `space` itself.
    """

    space: Space
    model: LatencyModel
    table: str
    table_sha256: str
    percentile: float
    supernet: Path
    data: DataSet
    spec: str
    recipe: Recipe
    seed: int
    supernet_space: Space | None = None


def run(
    job: Job, weights: Path, config: Mapping[str, Any], command: str, reporter: Reporter
) -> tuple[loop.Outcome, GeneratorFile]:
    """Train to the end, and write weights and description.

    Args:
        job: what to train.
        weights: where the weights go; description and checkpoint stand beside them.
        config: all that decides the trajectory.
        command: for the cure, where a checkpoint is refused.
        reporter: listens.
    """
    device = process.prepare()
    frozen, described = supernet.load(job.supernet, job.supernet_space or job.space)
    scale = scale_of(job.model, job.space)
    process.seed_all("generator", job.seed)
    network = generator.build(job.space, job.recipe)
    network.set_priors(*priors.draw(job.space, job.model, scale, job.recipe.priors, job.seed))
    network.to(device)
    expected = network.expected_latency(job.model)
    _, apart = split(job.data.train.labels, described.held_apart, described.split_seed)
    batches = feed.make(job.data, apart, job.recipe.batch, recipes.augmentation(job.data), job.seed)
    task = GeneratorTask(
        network,
        frozen.to(device),
        expected.to(device),
        scale,
        job.recipe,
        job.seed,
        batches.steps,
    )
    plan = loop.Plan(
        title=f"training the generator of {job.table}",
        epochs=job.recipe.epochs,
        seed=job.seed,
        path=checkpoint_path(weights),
        config=config,
        command=command,
    )
    outcome = loop.run(task, batches, plan, reporter, device)
    checkpoint.write_tensors(weights, network.state_dict())
    description = GeneratorFile(
        space=job.space.id,
        weights_sha256=files.sha256_of(weights),
        table=job.table,
        table_sha256=job.table_sha256,
        supernet_sha256=described.weights_sha256,
        percentile=job.percentile,
        fastest_s=scale.fastest_s,
        slowest_s=scale.slowest_s,
        data=job.spec,
        data_fingerprint=job.data.fingerprint,
        recipe=job.recipe,
        seed=job.seed,
        epochs=job.recipe.epochs,
        loss=outcome.loss,
        budget_error=task.budget_error,
    )
    files.write_model(weights.with_suffix(".json"), description)
    checkpoint_path(weights).unlink(missing_ok=True)
    return outcome, description
