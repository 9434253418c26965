"""The loop: epochs of steps, checkpoints by time and at the ends of epochs, progress as events.

A training that is stopped in any way (Ctrl-C, a kill, a power cut) goes on from its last
checkpoint and ends, on one machine, with the weights that an undisturbed one ends with.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol, final

import torch
from torch import Tensor

from sgnas_deploy import events
from sgnas_deploy.errors import BadInput
from sgnas_deploy.events import Reporter
from sgnas_deploy.training import checkpoint, history
from sgnas_deploy.training.feed import Feed
from sgnas_deploy.training.process import seed_all

INTERVAL_S: Final = 20.0
"""At most this long a training is lost when it is stopped (and a step more)."""


class Task(Protocol):
    """What is trained."""

    def step(self, number: int, images: Tensor, labels: Tensor) -> float:
        """One optimiser step, the `number`-th of the training; returns the loss."""

    def save(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """All state, as tensors and JSON values."""

    def restore(self, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
        """Go on from what `save` returned."""


@final
@dataclass(frozen=True)
class Plan:
    """How long, and where the state is kept.

    Attributes:
        title: what a person reads while it runs.
        epochs: in all.
        seed: decides everything that is drawn.
        path: the checkpoint.
        config: all that decides the trajectory; a checkpoint of another one is refused.
        command: for the cure of a refusal.
        interval_s: seconds between checkpoints.
    """

    title: str
    epochs: int
    seed: int
    path: Path
    config: Mapping[str, Any]
    command: str
    interval_s: float = INTERVAL_S


@final
@dataclass(frozen=True)
class Outcome:
    """What the loop did.

    Attributes:
        resumed_at: the epoch it went on at, 0 for a fresh training.
        loss: mean of the last epoch.
    """

    resumed_at: int
    loss: float


def run(task: Task, feed: Feed, plan: Plan, reporter: Reporter, device: torch.device) -> Outcome:
    """Train to the end, from the last checkpoint if there is one.

    The checkpoint stays: whoever called writes the result first and removes it then.

    Raises:
        BadInput: the checkpoint is damaged or of another configuration, or the loss is no number.
        EnvironmentProblem: a checkpoint cannot be written.
    """
    saved = checkpoint.load(plan.path, plan.config, plan.command)
    epoch, start, total = 0, 0, 0.0
    loss = 0.0
    if saved is not None:
        own = saved.state["loop"]
        epoch, start, total, loss = own["epoch"], own["step"], own["total"], own["loss"]
        task.restore(saved.tensors, saved.state["task"])
    resumed_at = epoch
    told = history.History(
        history.path_of(plan.path),
        feed.steps,
        saved.state.get("history") if saved is not None else None,
    )

    def keep(step: int) -> float:
        tensors, state = task.save()
        own = {"epoch": epoch, "step": step, "total": total, "loss": loss}
        kept = {"loop": own, "task": state, "history": told.state()}
        checkpoint.save(plan.path, plan.config, tensors, kept)
        told.write()
        return time.monotonic()

    with events.stage(reporter, plan.title, plan.epochs, "epochs") as stage:
        stage.advance(epoch + start / feed.steps, "resumed" if saved else "")
        kept = time.monotonic()
        while epoch < plan.epochs:
            for step, (images, labels) in enumerate(feed.batches(epoch, start), start):
                seed_all("step", plan.seed, epoch, step)
                number = epoch * feed.steps + step
                # Channels last: PyTorch's depthwise convolutions, above all their weight gradients,
                # are much faster in it on a CPU.
                images = images.to(device, memory_format=torch.channels_last)
                value = task.step(number, images, labels.to(device))
                if value != value:
                    raise BadInput(
                        f"{plan.title}: the loss is no number any more, epoch {epoch}, step {step}",
                        "use a larger batch (--batch), or report it with the command you ran",
                    )
                total += value
                told.step(epoch, step, value, task)
                last = step + 1 == feed.steps
                if not last and time.monotonic() - kept > plan.interval_s:
                    kept = keep(step + 1)
                stage.advance(1 / feed.steps, f"loss {total / (step + 1):.3f}")
            loss = total / feed.steps
            epoch, start, total = epoch + 1, 0, 0.0
            kept = keep(0)
    return Outcome(resumed_at, loss)
