"""Which of how many processes this one is, and what it needs of the others. No torch here.

A launcher such as torchrun starts the same command several times and says in the environment who
is who: RANK, WORLD_SIZE, LOCAL_RANK, LOCAL_WORLD_SIZE, and where to meet: MASTER_ADDR and
MASTER_PORT. Without WORLD_SIZE a process is alone, and nothing of this costs anything.

Process 0 alone writes files, evaluates and speaks. What it finds, the others are told.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, TypeVar, final

from sgnas_deploy import events
from sgnas_deploy.errors import BadInput, EnvironmentProblem
from sgnas_deploy.events import Reporter
from sgnas_deploy.training.requirements import require_training

if TYPE_CHECKING:
    from pydantic import BaseModel
    from torch import Tensor

    M = TypeVar("M", bound=BaseModel)

MEETING: Final = "SGNAS_RENDEZVOUS"
"""Names another place to meet than MASTER_ADDR and MASTER_PORT, such as `file:///shared/file`."""


class Followed(EnvironmentProblem):
    """Another process of the training has failed, and says why: this one ends in silence."""


@final
@dataclass(frozen=True)
class Rank:
    """One process among those of a training.

    Attributes:
        number: from 0 to `world` - 1.
        world: how many there are, on all machines.
        local: number among those of this machine, and the number of its GPU.
        local_world: how many there are on this machine.
    """

    number: int = 0
    world: int = 1
    local: int = 0
    local_world: int = 1


class Group(Protocol):
    """All processes of a training. Every method is called by all of them, in the same order."""

    @property
    def rank(self) -> Rank:
        """This process."""

    def add(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor by its sum over all processes."""

    def copy(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor by that of process 0."""

    def told(self, make: Callable[[], str]) -> str:
        """What `make` returns in process 0; the others wait and do not call it."""


@final
class Alone:
    """A group of one."""

    @property
    def rank(self) -> Rank:
        """The only process."""
        return Rank()

    def add(self, tensors: Sequence[Tensor]) -> None:
        """Nothing to do."""

    def copy(self, tensors: Sequence[Tensor]) -> None:
        """Nothing to do."""

    def told(self, make: Callable[[], str]) -> str:
        """What `make` returns."""
        return make()


ALONE: Final = Alone()


def here(environment: Mapping[str, str] = os.environ) -> Rank:
    """Which process this is, by its environment.

    Raises:
        BadInput: WORLD_SIZE without RANK, or numbers that make no sense.
    """
    if "WORLD_SIZE" not in environment:
        return Rank()
    try:
        world, number = int(environment["WORLD_SIZE"]), int(environment["RANK"])
        local = int(environment.get("LOCAL_RANK", number))
        local_world = int(environment.get("LOCAL_WORLD_SIZE", world))
    except (KeyError, ValueError):
        world, number, local, local_world = 0, 0, 0, 0
    if not (0 <= number < world and 0 <= local < local_world <= world):
        raise BadInput(
            "WORLD_SIZE is set in the environment, but RANK, LOCAL_RANK and LOCAL_WORLD_SIZE do "
            "not say which process this is",
            "start several processes with torchrun, or unset WORLD_SIZE",
        )
    return Rank(number, world, local, local_world)


@contextmanager
def joined() -> Iterator[Group]:
    """The processes that were started together with this one, for the length of a `with` block.

    Where one of them fails, all end, and the first to fail is the only one whose error stays what
    it was: the others raise `Followed`.

    Raises:
        BadInput: the environment does not say which process this is.
        EnvironmentProblem: the others cannot be reached, or the training extra is missing.
    """
    rank = here()
    if rank.world == 1:
        yield ALONE
        return
    require_training()
    from sgnas_deploy.training import parallel

    with parallel.joined(rank, os.environ.get(MEETING, "env://")) as group:
        yield group


def heard(group: Group, reporter: Reporter) -> Reporter:
    """The reporter in process 0, one that says nothing in the others."""
    return events.NullReporter() if group.rank.number else reporter


def from_first(group: Group, make: Callable[[], M | None], kind: type[M]) -> M | None:
    """What `make` returns in process 0, told to all."""
    if group.rank.world == 1:
        return make()

    def text() -> str:
        found = make()
        return "" if found is None else found.model_dump_json()

    told = group.told(text)
    return kind.model_validate_json(told) if told else None


def require_same(group: Group, fingerprint: str) -> None:
    """Raise unless this process has the settings and files that process 0 has.

    Args:
        group: the processes.
        fingerprint: of everything that decides the trajectory.

    Raises:
        BadInput: it has others.
    """
    if group.told(lambda: fingerprint) != fingerprint:
        raise BadInput(
            f"process {group.rank.number} of {group.rank.world} has other data, files or settings "
            "than process 0",
            "give every machine the same data folder and the same workspace",
        )


def micro_batches(asked: int | None, usual: int, world: int) -> int:
    """In how many parts each batch is computed, all processes together.

    Args:
        asked: with `--accumulate`; None for the recipe's.
        usual: the recipe's; rounded up, so that every process has the same number of parts.
        world: processes.

    Raises:
        BadInput: the processes cannot share so many parts.
    """
    wanted = usual if asked is None else asked
    if wanted % world == 0:
        return wanted
    if asked is not None:
        raise BadInput(
            f"--accumulate {asked} does not fit {world} processes: each computes the same number "
            "of parts of a batch",
            f"use a multiple of {world}",
        )
    return -(-wanted // world) * world
