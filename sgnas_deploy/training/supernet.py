"""Training of a supernet: strictly fair sub-networks, gradients of several passes summed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.nn import functional

from sgnas_deploy.supernet.base import Supernet
from sgnas_deploy.training import checkpoint, parts, schedule
from sgnas_deploy.training.parts import Parts
from sgnas_deploy.training.precision import Arithmetic
from sgnas_deploy.training.process import derived_seed
from sgnas_deploy.training.recipes import SupernetRecipe


@final
class SupernetTask:
    """One step is `passes` sub-networks on one batch, then one update (SGNAS, section 3.3).

    Args:
        supernet: fresh, on its device.
        recipe: the settings.
        steps: of the whole training, for the schedule.
        seed: decides which sub-networks are drawn: the same in every process.
        cut: how batches are cut; None for whole batches in this process alone.
    """

    def __init__(
        self,
        supernet: Supernet,
        recipe: SupernetRecipe,
        steps: int,
        seed: int,
        cut: Parts | None = None,
    ) -> None:
        self._supernet = supernet
        self._recipe = recipe
        self._parts = cut or parts.whole()
        self._sampler = supernet.sampler(derived_seed("choices", seed))
        self._parameters = list(supernet.parameters())
        self._optimizer = _optimizer(self._parameters, recipe)
        self._schedule = schedule.cosine(self._optimizer, steps, recipe.warmup)
        self._arithmetic = Arithmetic(recipe.precision, self._parameters[0].device.type)
        # Zero, not missing: a parameter that no pass of a step uses still decays and coasts, as
        # do the unused sub-blocks of a tensor that is used in part.
        for parameter in self._parameters:
            parameter.grad = torch.zeros_like(parameter)

    def step(self, number: int, images: Tensor, labels: Tensor) -> float:
        """Train on one batch; the loss is the mean over the passes.

        Every part of the batch sees the same sub-networks.
        """
        self._supernet.train()
        self._schedule.step_update(number)
        self._optimizer.zero_grad(set_to_none=False)
        choices = [self._sampler.draw() for _ in range(self._recipe.passes)]
        total = torch.zeros((), device=images.device)
        for part in self._parts.of(images, labels, self._supernet):
            for choice in choices:
                with self._arithmetic.passes():
                    logits = self._supernet(part.images, choice)
                mean = functional.cross_entropy(
                    logits.float(), part.labels, label_smoothing=self._recipe.label_smoothing
                )
                loss = mean * part.weight
                self._arithmetic.backward(loss)
                total += loss.detach()
        gradients = [p.grad for p in self._parameters if p.grad is not None]
        self._parts.gather([*gradients, total], choices)
        self._arithmetic.update(self._optimizer, self._parameters, self._recipe.clip_norm)
        return float(total) / self._recipe.passes

    def readings(self) -> dict[str, float]:
        """The learning rate of the last step."""
        return {"learning_rate": float(self._optimizer.param_groups[0]["lr"])}

    def save(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Weights, momentum, and what the sampler draws next."""
        moments, optimizer = checkpoint.pack_optimizer(self._optimizer)
        tensors = checkpoint.prefixed("weights", self._supernet.state_dict())
        tensors |= checkpoint.prefixed("optimizer", moments)
        state = {"optimizer": optimizer, "sampler": self._sampler.state()}
        return tensors, {**state, "arithmetic": self._arithmetic.state()}

    def restore(self, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
        """Go on from what `save` returned."""
        self._supernet.load_state_dict(checkpoint.without_prefix("weights", tensors))
        moments = checkpoint.without_prefix("optimizer", tensors)
        checkpoint.unpack_optimizer(self._optimizer, moments, state["optimizer"])
        self._sampler.restore(state["sampler"])
        self._arithmetic.restore(state.get("arithmetic", {}))


def _optimizer(parameters: list[nn.Parameter], recipe: SupernetRecipe) -> torch.optim.Optimizer:
    if recipe.optimizer == "adamw":
        return torch.optim.AdamW(parameters, lr=recipe.lr, weight_decay=recipe.weight_decay)
    return torch.optim.SGD(
        parameters, lr=recipe.lr, momentum=recipe.momentum, weight_decay=recipe.weight_decay
    )
