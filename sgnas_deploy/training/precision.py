"""Number formats of a training's passes. Weights, moments, statistics and losses stay in fp32.

`bf16` has the range of fp32. `fp16` has not: its gradients are scaled up, by as much as they bear
(Micikevicius et al., ICLR 2018), and a step whose gradients overflow is left out. It is for NVIDIA
GPUs only, and has not yet been run on one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Final, final

import torch
from torch import Tensor, nn

from sgnas_deploy.errors import EnvironmentProblem
from sgnas_deploy.training.recipes import Precision

_LOW: Final = {"bf16": torch.bfloat16, "fp16": torch.float16}


def require(precision: Precision, device: torch.device) -> None:
    """Raise unless a device can train in a precision.

    Raises:
        EnvironmentProblem: fp16 without an NVIDIA GPU.
    """
    if precision == "fp16" and device.type != "cuda":
        raise EnvironmentProblem(
            "training in fp16 needs an NVIDIA GPU, and there is none here",
            "use --precision bf16, or leave --precision out",
        )


@final
class Arithmetic:
    """The passes of a training in one precision, and the update that follows.

    Args:
        precision: of the passes.
        kind: type of the device, such as `cpu`.
    """

    def __init__(self, precision: Precision, kind: str) -> None:
        self._kind = kind
        self._low = _LOW.get(precision)
        self._scaler = torch.amp.GradScaler(kind) if precision == "fp16" else None

    @property
    def scale(self) -> float:
        """What gradients are multiplied with until the update."""
        return 1.0 if self._scaler is None else self._scaler.get_scale()

    def passes(self) -> AbstractContextManager[Any]:
        """A context for forward passes."""
        return torch.autocast(self._kind, self._low, enabled=self._low is not None)

    def backward(self, loss: Tensor) -> None:
        """Gradients of a loss, times `scale`."""
        torch.autograd.backward(loss if self._scaler is None else self._scaler.scale(loss))

    def update(
        self,
        optimizer: torch.optim.Optimizer,
        parameters: Sequence[nn.Parameter],
        clip_norm: float | None = None,
    ) -> None:
        """One step of the optimiser; gradients that overflowed leave the weights as they are.

        Args:
            optimizer: of the parameters.
            parameters: whose gradients are there, times `scale`.
            clip_norm: largest norm of the gradient, None for no limit.
        """
        if self._scaler is not None:
            self._scaler.unscale_(optimizer)
        if clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(parameters, clip_norm)
        if self._scaler is None:
            optimizer.step()
        else:
            self._scaler.step(optimizer)
            self._scaler.update()

    def state(self) -> dict[str, Any]:
        """What decides the next scales, as JSON values; empty where nothing is scaled."""
        return {} if self._scaler is None else dict(self._scaler.state_dict())

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` returned."""
        if self._scaler is not None and state:
            self._scaler.load_state_dict(dict(state))
