"""The loop: epochs of steps, checkpoints by time and at the ends of epochs, progress as events.

A training that is stopped in any way (Ctrl-C, a kill, a power cut) goes on from its last
checkpoint and ends, on one machine, with the weights that an undisturbed one ends with.

Several processes run the same loop on their parts of the same batches. Process 0 alone keeps the
checkpoint, the history and a reporter; the others are told what the checkpoint holds.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol, final

import torch
from torch import Tensor

from sgnas_deploy import events
from sgnas_deploy.errors import BadInput
from sgnas_deploy.events import Reporter
from sgnas_deploy.training import checkpoint, watching
from sgnas_deploy.training.feed import Feed
from sgnas_deploy.training.process import seed_all
from sgnas_deploy.training.ranks import ALONE, Group
from sgnas_deploy.training.requirements import CHECKPOINT_S


@final
@dataclass(frozen=True)
class Running:
    """How a training is run. Nothing here changes what comes out, but for rounding.

    Attributes:
        group: the processes that train together.
        interval_s: seconds between checkpoints; one is also kept at the end of every epoch.
        watch: what is told of it meanwhile, and who decodes its images.
    """

    group: Group = ALONE
    interval_s: float = CHECKPOINT_S
    watch: watching.Watch = watching.SILENT


AS_USUAL: Final = Running()


class Task(Protocol):
    """What is trained."""

    def step(self, number: int, images: Tensor, labels: Tensor) -> float:
        """One optimiser step, the `number`-th of the training; returns the loss.

        Images and labels are this process's; the loss is that of the whole batch, in every process.
        """

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
        running: how it is run.
        evaluation: accuracy while it runs; None for none.
    """

    title: str
    epochs: int
    seed: int
    path: Path
    config: Mapping[str, Any]
    command: str
    running: Running = AS_USUAL
    evaluation: watching.Evaluation | None = None


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
        EnvironmentProblem: a checkpoint cannot be written, or another process has ended.
    """
    group = plan.running.group
    writes = group.rank.number == 0
    saved = checkpoint.load_in_all(group, plan.path, plan.config, plan.command)
    epoch, start, total = 0, 0, 0.0
    loss = 0.0
    if saved is not None:
        own = saved.state["loop"]
        epoch, start, total, loss = own["epoch"], own["step"], own["total"], own["loss"]
        task.restore(saved.tensors, saved.state["task"])
    resumed_at = epoch
    told = watching.Watcher(
        plan.path,
        feed.steps,
        feed.batch,
        epoch * feed.steps + start,
        saved.state.get("history") if saved is not None else None,
        plan.running.watch.logs if writes else (),
        plan.evaluation if writes else None,
    )

    if saved is not None and writes:
        # It may have been stopped after the checkpoint was written, and before this was.
        told.write()

    def keep(step: int) -> float:
        if not writes:
            return time.monotonic()
        tensors, state = task.save()
        own = {"epoch": epoch, "step": step, "total": total, "loss": loss}
        kept = {"loop": own, "task": state, "history": told.state()}
        checkpoint.save(plan.path, plan.config, tensors, kept)
        told.write()
        return time.monotonic()

    with closing(told), events.stage(reporter, plan.title, plan.epochs, "epochs") as stage:
        stage.advance(epoch + start / feed.steps, "resumed" if saved else "")
        kept = time.monotonic()
        while epoch < plan.epochs:
            for step, (images, labels) in enumerate(feed.batches(epoch, start), start):
                seed_all("step", plan.seed, epoch, step)
                number = epoch * feed.steps + step
                # Channels last: PyTorch's depthwise convolutions, above all their weight gradients,
                # are much faster in it on a CPU.
                images = images.to(device, memory_format=torch.channels_last, non_blocking=True)
                value = task.step(number, images, labels.to(device, non_blocking=True))
                if value != value:
                    raise BadInput(
                        f"{plan.title}: the loss is no number any more, epoch {epoch}, step {step}",
                        "use a larger batch (--batch), or report it with the command you ran",
                    )
                total += value
                readings = told.step(epoch, step, value, task)
                last = step + 1 == feed.steps
                if not last and time.monotonic() - kept > plan.running.interval_s:
                    kept = keep(step + 1)
                mean = total / (step + 1)
                stage.advance(1 / feed.steps, f"loss {mean:.3f}", {"loss": mean, **readings})
            told.end_of_epoch(epoch)
            loss = total / feed.steps
            epoch, start, total = epoch + 1, 0, 0.0
            kept = keep(0)
    return Outcome(resumed_at, loss)
