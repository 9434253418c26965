"""Batches in parts: gradients of micro-batches summed, over time and over processes.

A batch of B images is cut into `count` parts of equal size (or one image less). Each of the
processes computes as many of them, one after another, and then all gradients are summed. So one
training is the same, but for rounding, on any number of processes: what decides is `count`.

Every part is a forward pass of its own. Batch normalisation is over the part, and what is drawn
(dropout, mixup) depends on the step and the number of the part.

The rule for running statistics: every part starts from those of the step's beginning, and those of
the step's end are the mean of what the parts have made of them, each weighed by its images. With a
single part that is the usual rule.

Gradients are summed by one all-reduce of everything, after all passes. PyTorch's
DistributedDataParallel is not used: it expects one backward pass a step and every parameter in it,
while a step here sums several sub-networks that leave most parameters of a supernet unused; and it
would not sum losses and running statistics on the way.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, final

import torch
from torch import Tensor, nn

from sgnas_deploy.errors import BadInput, EnvironmentProblem
from sgnas_deploy.training import process
from sgnas_deploy.training.feed import Feed, share
from sgnas_deploy.training.ranks import ALONE, Group

LEAST: Final = 2
"""Images of the smallest part: batch normalisation needs more than one value."""

_STAMPS: Final = 1 << 15


@final
@dataclass(frozen=True)
class Part:
    """Some images of a batch, in one forward pass.

    Attributes:
        images: (n, 3, R, R).
        labels: (n,).
        first: number of the first of them in the whole batch.
        whole: images in the whole batch.
    """

    images: Tensor
    labels: Tensor
    first: int
    whole: int

    @property
    def weight(self) -> float:
        """Share of the batch, which a mean over these images counts with."""
        return len(self.images) / self.whole


@final
class Parts:
    """How batches are cut.

    Args:
        count: parts of a batch, those of all processes together.
        batch: images of a batch, those of all processes together; may be left out where there is
            one process.
        group: the processes.

    Raises:
        BadInput: the parts would be too small.
        ValueError: the processes cannot share so many parts.
    """

    def __init__(self, count: int = 1, batch: int | None = None, group: Group = ALONE) -> None:
        world = group.rank.world
        if count % world or (batch is None and world > 1):
            raise ValueError(f"{count} parts of {batch} images for {world} processes")
        if batch is not None and count > 1 and batch // count < LEAST:
            raise BadInput(
                f"a batch of {batch} images cannot be computed in {count} parts of at least "
                f"{LEAST} images each",
                "use a larger batch (--batch), a smaller --accumulate, or fewer processes",
            )
        self._count = count
        self._batch = batch
        self._group = group
        # Set while a step is under way, and only where there are several parts.
        self._module: nn.Module | None = None
        self._start: list[Tensor] = []
        self._moved: Tensor | None = None

    def of(self, images: Tensor, labels: Tensor, module: nn.Module | None = None) -> Iterator[Part]:
        """This process's parts, one after another; call `gather` when all have been computed.

        Args:
            images: this process's images of the batch, (n, 3, R, R).
            labels: (n,).
            module: whose running statistics move in training; None where none do.
        """
        rank = self._group.rank
        whole = len(images) if rank.world == 1 else (self._batch or 0)
        if self._count == 1:
            yield Part(images, labels, 0, whole)
            return
        # Drawn by all alike: the step has seeded all alike.
        drawn = int(torch.randint(1 << 62, ()))
        self._module, self._moved = module, None
        self._start = [b.clone() for b in module.buffers()] if module is not None else []
        each = self._count // rank.world
        before = share(whole, (rank.number, rank.world)).start
        for part in range(rank.number * each, (rank.number + 1) * each):
            if self._moved is not None and module is not None:
                torch._foreach_copy_(list(module.buffers()), self._start)
            process.seed_all("part", drawn, part)
            place = share(whole, (part, self._count))
            own = slice(place.start - before, place.stop - before)
            found = Part(images[own], labels[own], place.start, whole)
            yield found
            self._follow(found.weight)

    def gather(self, sums: Sequence[Tensor], drawn: object = None) -> None:
        """Sum over all processes, and settle the running statistics; nothing for a single part.

        Args:
            sums: gradients, losses; replaced by their sums over the processes.
            drawn: what every process should have drawn alike in this step.

        Raises:
            EnvironmentProblem: the processes have drawn different things.
        """
        if self._count == 1:
            return
        moved = [] if self._moved is None else [self._moved]
        stamp = zlib.crc32(repr(drawn).encode()) % _STAMPS
        stamps = torch.full((1,), float(stamp), device=sums[0].device)
        self._group.add([*sums, *moved, stamps])
        if float(stamps) != stamp * self._group.rank.world:
            raise EnvironmentProblem(
                "the processes of this training have drawn different sub-networks or budgets",
                "install the same versions of numpy and torch on all machines",
            )
        if self._moved is not None and self._module is not None:
            floating = [b for b in self._module.buffers() if b.is_floating_point()]
            start = [b for b in self._start if b.is_floating_point()]
            torch._foreach_copy_(floating, _unflattened(_flattened(start) + self._moved, floating))
        self._module, self._start, self._moved = None, [], None

    def _follow(self, weight: float) -> None:
        """Add what the last part has changed in the running statistics, a share of it."""
        if self._module is None:
            return
        floating = [b for b in self._module.buffers() if b.is_floating_point()]
        start = [b for b in self._start if b.is_floating_point()]
        if not floating:
            return
        # Differences, not values: what no part has touched stays exactly what it was.
        moved = (_flattened(floating) - _flattened(start)) * weight
        self._moved = moved if self._moved is None else self._moved + moved


def whole() -> Parts:
    """Every batch in one part, in this process alone."""
    return Parts()


def of_feed(count: int, feed: Feed, group: Group) -> Parts:
    """The parts of a feed's batches.

    Raises:
        BadInput: the parts would be too small.
    """
    return Parts(count, feed.batch, group)


def _flattened(tensors: Sequence[Tensor]) -> Tensor:
    return torch.cat([t.detach().reshape(-1).float() for t in tensors])


def _unflattened(flat: Tensor, like: Sequence[Tensor]) -> list[Tensor]:
    pieces = torch.split(flat, [t.numel() for t in like])
    return [piece.view(t.shape) for piece, t in zip(pieces, like, strict=True)]
