"""Batches from image files, decoded by worker processes.

torch's loader does the work; three things about it are mended here. What goes wrong in a worker
arrives as the `SgnasError` that it was, with the file's name and the cure, not as a text with a
traceback in it. The workers live from one pass to the next, and end when nobody holds the reader
any more, or at the latest with this process. And the list of what to read is made batch by batch:
an epoch of a million images needs no million tuples.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeAlias, final

import torch
from torch import Tensor

from sgnas_deploy.errors import EnvironmentProblem, SgnasError
from sgnas_deploy.training import ranks

MOST_WORKERS: Final = 8
"""Worker processes where nobody says how many; each may hold two batches in shared memory."""

Key: TypeAlias = Any
"""What names one image: an index, or an epoch and an index."""


class Samples(Protocol):
    """Makes one sample; called in a worker process, so it must not depend on what went before."""

    def __getitem__(self, key: Key) -> tuple[Tensor, int]:
        """Image and label.

        Raises:
            SgnasError: the image cannot be read.
        """


def usual_workers() -> int:
    """One worker per core that this process may use, at most `MOST_WORKERS`.

    Processes that `torchrun` has started on one machine share its cores.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, min((cores or 1) // ranks.here().local_world, MOST_WORKERS))


@final
class Reader:
    """Reads batches of samples, in the order that they are asked for.

    Args:
        samples: makes one of them.
        workers: processes; 0 reads in this one.
    """

    def __init__(self, samples: Samples, workers: int) -> None:
        self._samples = samples
        self._workers = workers
        self._spare: Any = None

    def batches(self, keys: Iterable[Sequence[Key]]) -> Iterator[tuple[Tensor, Tensor]]:
        """One batch for each group of keys: samples (B, ...), stacked, and labels (B,).

        Raises:
            SgnasError: a sample cannot be made.
            EnvironmentProblem: a worker was killed.
        """
        # A loader whose last pass was broken off is not used again: it may still be reading.
        loader, self._spare = self._spare, None
        if loader is None:
            loader = self._loader()
        loader.batch_sampler.groups = keys
        try:
            for batch in loader:
                if isinstance(batch, _Problem):
                    raise batch.kind(batch.message, batch.cure)
                yield batch
        except RuntimeError as error:
            if "DataLoader worker" not in str(error):
                raise
            raise EnvironmentProblem(
                f"a process that decodes images has ended: {str(error).splitlines()[0]}",
                "give it more memory (in a container: shared memory), or take fewer: --workers N",
            ) from error
        self._spare = loader

    def _loader(self) -> Any:
        with warnings.catch_warnings():
            # How many processes to take is the user's business.
            warnings.filterwarnings("ignore", message="This DataLoader will create")
            return torch.utils.data.DataLoader(
                _Guarded(self._samples),
                batch_sampler=_Groups(),
                num_workers=self._workers,
                collate_fn=_collated,
                persistent_workers=self._workers > 0,
                pin_memory=torch.cuda.is_available(),
                # A stream of its own: reading images draws nothing from the global one.
                generator=torch.Generator(),
            )


@final
class _Groups:
    """The keys of the pass that is about to begin."""

    def __init__(self) -> None:
        self.groups: Iterable[Sequence[Key]] = ()

    def __iter__(self) -> Iterator[list[Key]]:
        return (list(group) for group in self.groups)


@final
@dataclass(frozen=True)
class _Problem:
    """An error on its way out of a worker."""

    kind: type[SgnasError]
    message: str
    cure: str | None


@final
class _Guarded(torch.utils.data.Dataset[tuple[Tensor, int]]):
    """Samples whose errors are values."""

    def __init__(self, samples: Samples) -> None:
        self._samples = samples

    def __getitem__(self, key: Key) -> tuple[Tensor, int]:
        return self._samples[key]

    def __getitems__(self, keys: Sequence[Key]) -> list[tuple[Tensor, int]] | _Problem:
        try:
            return [self._samples[key] for key in keys]
        except SgnasError as error:
            return _Problem(type(error), error.message, error.cure)


def _collated(samples: list[tuple[Tensor, int]] | _Problem) -> Any:
    if isinstance(samples, _Problem):
        return samples
    images, labels = torch.utils.data.default_collate(samples)
    return images, labels
