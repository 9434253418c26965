"""Training of a deployed network to the end, with timm's optimisers, average and mixup."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.nn import functional

from sgnas_deploy.training import checkpoint, compiling, parts, schedule
from sgnas_deploy.training.parts import Parts
from sgnas_deploy.training.precision import Arithmetic
from sgnas_deploy.training.recipes import RetrainRecipe
from sgnas_deploy.training.timm_parts import part


@final
class RetrainTask:
    """One step is one batch and one update.

    Args:
        network: fresh, or with inherited weights; on its device.
        recipe: the settings.
        steps: of the whole training, for the schedule.
        classes: number of logits.
        teacher: images to logits, frozen; needed where the recipe distils.
        cut: how batches are cut; None for whole batches in this process alone.
        compiler: backend of `torch.compile`; None computes without it.
    """

    def __init__(
        self,
        network: nn.Module,
        recipe: RetrainRecipe,
        steps: int,
        classes: int,
        teacher: Callable[[Tensor], Tensor] | None = None,
        cut: Parts | None = None,
        compiler: str | Callable[..., Any] | None = None,
    ) -> None:
        self._network = network
        self._parameters = list(network.parameters())
        self._parts = cut or parts.whole()
        self._arithmetic = Arithmetic(recipe.precision, self._parameters[0].device.type)
        self._compiles = compiler is not None
        self._forward: Callable[[Tensor], Tensor] = (
            network if compiler is None else compiling.compiled(network, compiler)
        )
        self._recipe = recipe
        self._teacher = teacher
        self._optimizer: torch.optim.Optimizer = part("optim", "create_optimizer_v2")(
            network, opt=recipe.optimizer, lr=recipe.lr, weight_decay=recipe.weight_decay
        )
        self._schedule = schedule.cosine(self._optimizer, steps, recipe.warmup)
        self._ema: Any = None
        if recipe.ema is not None:
            # The average follows fast at first: few steps are no reason to keep the first weights.
            self._ema = part("utils", "ModelEmaV3")(network, decay=recipe.ema, use_warmup=True)
        self._mixup: Any = None
        if recipe.mixup > 0:
            self._mixup = part("data", "Mixup")(
                mixup_alpha=recipe.mixup,
                label_smoothing=recipe.label_smoothing,
                num_classes=classes,
            )

    @property
    def result(self) -> nn.Module:
        """The network to keep: the average where there is one."""
        return self._network if self._ema is None else self._ema.module

    def step(self, number: int, images: Tensor, labels: Tensor) -> float:
        """Train on one batch."""
        self._network.train()
        self._schedule.step_update(number)
        self._optimizer.zero_grad()
        total = torch.zeros((), device=images.device)
        for own in self._parts.of(images, labels, self._network):
            with compiling.compiling() if self._compiles else nullcontext():
                loss = self._loss(own.images, own.labels) * own.weight
                self._arithmetic.backward(loss)
            total += loss.detach()
        gradients = [p.grad for p in self._parameters if p.grad is not None]
        self._parts.gather([*gradients, total])
        self._arithmetic.update(self._optimizer, self._parameters, self._recipe.clip_norm)
        if self._ema is not None:
            self._ema.update(self._network, step=number)
        return float(total)

    def _loss(self, images: Tensor, labels: Tensor) -> Tensor:
        """Mean over some images; mixed with one another where the recipe says so."""
        smoothing = self._recipe.label_smoothing
        # timm's mixup pairs images and needs an even number.
        if self._mixup is not None and len(images) % 2 == 0:
            images, labels = self._mixup(images, labels)
            smoothing = 0.0
        with self._arithmetic.passes():
            logits = self._forward(images).float()
        loss = functional.cross_entropy(logits, labels, label_smoothing=smoothing)
        if self._teacher is not None and self._recipe.distill > 0:
            with torch.no_grad(), self._arithmetic.passes():
                soft = self._teacher(images).float().softmax(1)
            share = self._recipe.distill
            loss = (1 - share) * loss + share * functional.cross_entropy(logits, soft)
        return loss

    def readings(self) -> dict[str, float]:
        """The learning rate of the last step."""
        return {"learning_rate": float(self._optimizer.param_groups[0]["lr"])}

    def save(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Weights, their average, and the optimiser's moments."""
        moments, optimizer = checkpoint.pack_optimizer(self._optimizer)
        tensors = checkpoint.prefixed("weights", self._network.state_dict())
        tensors |= checkpoint.prefixed("optimizer", moments)
        if self._ema is not None:
            tensors |= checkpoint.prefixed("average", self._ema.module.state_dict())
        return tensors, {"optimizer": optimizer, "arithmetic": self._arithmetic.state()}

    def restore(self, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
        """Go on from what `save` returned."""
        self._network.load_state_dict(checkpoint.without_prefix("weights", tensors))
        moments = checkpoint.without_prefix("optimizer", tensors)
        checkpoint.unpack_optimizer(self._optimizer, moments, state["optimizer"])
        self._arithmetic.restore(state.get("arithmetic", {}))
        if self._ema is not None:
            average = checkpoint.without_prefix("average", tensors)
            self._ema.module.load_state_dict(average)
