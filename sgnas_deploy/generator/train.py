"""Training of a generator against a frozen supernet (SGNAS, CVPR 2021, section 3.3).

Each step draws several budgets. The generator turns each into logits, Gumbel-softmax into gates,
and every image of the batch sees the supernet's mixture under the gates of one budget. The loss is
the cross-entropy, and for each budget the squared distance of the expected latency to its target.

Where this differs from the published training: cost is the exact expected latency of a measured
table instead of operations added up per sub-block, it is taken under the generator's own
distribution instead of the step's noise (`Recipe.expected_under`), and a step has many budgets.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from sgnas_deploy.generator import probing
from sgnas_deploy.generator.base import (
    Generator,
    gumbel_softmax,
)
from sgnas_deploy.generator.lessons import Lessons
from sgnas_deploy.generator.recipe import Recipe
from sgnas_deploy.supernet.base import Supernet
from sgnas_deploy.training import (
    checkpoint,
    parts,
)
from sgnas_deploy.training.parts import Parts
from sgnas_deploy.training.precision import Arithmetic


@final
class GeneratorTask:
    """One step is one batch, several budgets, one update.

    Args:
        network: fresh, its prior pool filled; on its device.
        frozen: the trained supernet, frozen; on the same device.
        lessons: the tables of each step's budgets.
        recipe: the settings.
        seed: decides the budgets.
        steps: batches an epoch.
        teacher: what probes have told, where that teaches instead of the supernet's mixtures.
        cut: how batches are cut; None for whole batches in this process alone.
    """

    def __init__(
        self,
        network: Generator,
        frozen: Supernet,
        lessons: Lessons,
        recipe: Recipe,
        seed: int,
        steps: int,
        teacher: probing.Teacher | None = None,
        cut: Parts | None = None,
    ) -> None:
        self._network = network
        self._teacher = teacher
        self._frozen = frozen
        self._lessons = lessons
        self._recipe = recipe
        self._seed = seed
        self._steps = steps
        self._parameters = list(network.parameters())
        self._parts = cut or parts.whole()
        self._arithmetic = Arithmetic(recipe.precision, self._parameters[0].device.type)
        self._optimizer = torch.optim.Adam(
            self._parameters, lr=recipe.learning_rate, betas=recipe.betas
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
        lesson = self._lessons.of_step(epoch, step, len(shares))
        self._network.train()
        self._optimizer.zero_grad()
        logits = self._network(shares)
        # Zero is excluded: its logarithm is taken.
        uniform = torch.rand(logits.shape).clamp_min(1e-20).to(images.device)
        temperature = recipe.temperature * recipe.temperature_decay**epoch
        gates = gumbel_softmax(logits, uniform, temperature)
        own = logits.softmax(dim=-1) if recipe.expected_under == "probabilities" else gates
        if self._teacher is None:
            taught = gates
            entropy, gradient = self._entropy(images, labels, gates.detach())
        else:
            scores = self._network.scores(own)
            taught = self._teacher.loss(scores).mean()
            gradient = torch.full_like(taught, self._arithmetic.scale)
            entropy = float(self._teacher.expected(scores).mean())
        width_s = lesson.slowest_s - lesson.fastest_s
        target_s = lesson.fastest_s + shares * width_s
        distance_s = lesson.mean_s(own) - target_s
        penalty = budget_penalty(distance_s / width_s, recipe)
        of_penalty = torch.full_like(penalty, self._arithmetic.scale)
        torch.autograd.backward((taught, penalty), (gradient, of_penalty))
        self._arithmetic.update(self._optimizer, self._parameters)
        self._errors.append(float((distance_s / target_s).detach().abs().mean()))
        self._readings = {
            "temperature": float(temperature),
            "budget_error": self._errors[-1],
            "target_s": float(target_s.mean()),
            "expected_s": float((target_s + distance_s).detach().mean()),
        }
        return entropy

    def _entropy(self, images: Tensor, labels: Tensor, gates: Tensor) -> tuple[float, Tensor]:
        """Cross-entropy of the mixtures, and its gradient (scaled) with respect to the gates.

        Images side by side see the same budget, whichever process has them. Where the supernet
        allows it, few of them, of one budget, are computed at a time, which is the same but for
        rounding, and takes less time and memory. Every process has the gates of all budgets, and
        goes back from them to the generator alike: only their gradient is summed.
        """
        leaf = gates.requires_grad_()
        together = self._frozen.soft_together if images.device.type == "cpu" else None
        total = 0.0
        for part in self._parts.of(images, labels):
            place = torch.arange(part.first, part.first + len(part.images), device=images.device)
            of_image = place * len(gates) // part.whole
            for own in portions(of_image.tolist(), together):
                few = leaf[of_image[own] if together is None else of_image[own][:1]]
                with self._arithmetic.passes():
                    output = self._frozen.soft_forward(part.images[own], few)
                entropy = functional.cross_entropy(
                    output.float(),
                    part.labels[own],
                    reduction="sum",
                    label_smoothing=self._recipe.label_smoothing,
                )
                entropy = entropy / part.whole
                self._arithmetic.backward(entropy)
                total += float(entropy.detach())
        gradient = leaf.grad if leaf.grad is not None else torch.zeros_like(leaf)
        losses = gradient.new_tensor([total], dtype=torch.float64)
        self._parts.gather([gradient, losses], leaf.detach().flatten()[:16].tolist())
        return float(losses), gradient

    def readings(self) -> dict[str, float]:
        """Temperature, and expected against target latency, of the last step."""
        return self._readings

    def save(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Weights, moments, and the epoch's budget errors."""
        moments, optimizer = checkpoint.pack_optimizer(self._optimizer)
        tensors = checkpoint.prefixed("weights", self._network.state_dict())
        tensors |= checkpoint.prefixed("optimizer", moments)
        state = {"optimizer": optimizer, "errors": self._errors}
        return tensors, {**state, "arithmetic": self._arithmetic.state()}

    def restore(self, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
        """Go on from what `save` returned."""
        self._network.load_state_dict(checkpoint.without_prefix("weights", tensors))
        moments = checkpoint.without_prefix("optimizer", tensors)
        checkpoint.unpack_optimizer(self._optimizer, moments, state["optimizer"])
        self._errors = list(state["errors"])
        self._arithmetic.restore(state.get("arithmetic", {}))


def portions(budgets: Sequence[int], together: int | None) -> Iterator[slice]:
    """Parts of a batch that are computed one after the other.

    Args:
        budgets: which budget each image sees; equal ones side by side.
        together: images in a part at most, all of one budget; None for the whole batch at once.
    """
    if together is None:
        yield slice(0, len(budgets))
        return
    start = 0
    for stop in range(1, len(budgets) + 1):
        last = stop == len(budgets) or stop - start == together
        if last or budgets[stop] != budgets[start]:
            yield slice(start, stop)
            start = stop


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
