"""The cosine schedule with warm-up, a function of the step alone (timm's)."""

from __future__ import annotations

from typing import Any, cast

import torch

from sgnas_deploy.training.timm_parts import part


def cosine(optimizer: torch.optim.Optimizer, steps: int, warmup: float) -> Any:
    """The schedule, timm's; set the rate of step i with `.step_update(i)` before the step.

    Args:
        optimizer: its learning rate is the highest one.
        steps: of the whole training.
        warmup: share of them that the rate rises in.
    """
    rising = int(steps * warmup)
    return part("scheduler", "CosineLRScheduler")(
        optimizer,
        t_initial=max(steps - rising, 1),
        warmup_t=rising,
        warmup_lr_init=cast(float, optimizer.param_groups[0]["lr"]) / max(rising, 1),
        warmup_prefix=True,
        t_in_epochs=False,
    )
