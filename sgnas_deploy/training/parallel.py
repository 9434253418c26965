"""Several processes that train together, by `torch.distributed`: nccl on GPUs, gloo on CPUs.

Tensors are summed and copied by collectives. Words (what process 0 has found or decided, that a
process has failed) go through the key-value store that the processes have met at, where waiting can
be interrupted, and where the failed say so before they leave. Never a pickle.

Run with two gloo processes on one CPU in the tests; not yet run on GPUs, nor on several machines.
"""

from __future__ import annotations

import contextlib
import datetime
import gc
import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, final

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous

from sgnas_deploy.errors import EnvironmentProblem
from sgnas_deploy.training import process
from sgnas_deploy.training.ranks import Followed, Rank

TIMEOUT: Final = datetime.timedelta(hours=2)
"""How long a collective waits for the slowest process: it may be writing or decoding. A process
that has ended is noticed at once by gloo, and by the launcher in any case."""

_POLL_S: Final = 0.02
_FAREWELL_S: Final = 60.0
_FAILED: Final = "failed"
_LEFT: Final = "left"

_meetings = itertools.count()


@final
class Processes:
    """A group of several processes.

    Args:
        rank: this one.
        store: where they have met.
        device: where collectives work.
    """

    def __init__(self, rank: Rank, store: Any, device: torch.device) -> None:
        self._rank = rank
        self._store = store
        self._device = device
        self._turns = itertools.count()

    @property
    def rank(self) -> Rank:
        """This process."""
        return self._rank

    def add(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor by its sum over all processes, all of a precision at once.

        Raises:
            EnvironmentProblem: another process has ended.
        """
        with torch.no_grad():
            for precision in {tensor.dtype: None for tensor in tensors}:
                own = [tensor for tensor in tensors if tensor.dtype == precision]
                flat = torch.cat([tensor.reshape(-1) for tensor in own])
                with _reaching():
                    dist.all_reduce(flat)
                pieces = torch.split(flat, [tensor.numel() for tensor in own])
                shaped = [piece.view(t.shape) for piece, t in zip(pieces, own, strict=True)]
                torch._foreach_copy_(own, shaped)

    def copy(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor by that of process 0, one by one.

        Raises:
            EnvironmentProblem: another process has ended.
        """
        for tensor in tensors:
            # Bytes: any precision, on any backend.
            flat = tensor.reshape(-1).view(torch.uint8).to(self._device).contiguous()
            with _reaching():
                dist.broadcast(flat, src=0)
            tensor.copy_(flat.to(tensor.device).view(tensor.dtype).view(tensor.shape))

    def told(self, make: Callable[[], str]) -> str:
        """What `make` returns in process 0; the others wait for it.

        Raises:
            Followed: process 0 has failed.
            EnvironmentProblem: process 0 cannot be reached.
        """
        key = f"told/{next(self._turns)}"
        if self._rank.number == 0:
            text = make()
            with _reaching():
                self._store.set(key, text)
            return text
        with _reaching():
            while not self._store.check([key]):
                self._follow()
                time.sleep(_POLL_S)
            found: bytes = self._store.get(key)
        return found.decode()

    def _follow(self) -> None:
        if self._store.check([_FAILED]):
            raise Followed("another process of this training has failed")

    def first_to_fail(self) -> bool:
        """Note that this process has failed; whether none has before."""
        try:
            return int(self._store.add(_FAILED, 1)) == 1
        except RuntimeError:
            # Whoever held the store has gone without a word: somebody has to speak.
            return True

    def leave(self) -> None:
        """Wait, in the process that may hold the store, until the others need it no more."""
        # A late failure here loses nothing: all has been told and written.
        with contextlib.suppress(RuntimeError):
            self._store.add(_LEFT, 1)
            until = time.monotonic() + _FAREWELL_S
            while self._rank.number == 0 and time.monotonic() < until:
                if int(self._store.add(_LEFT, 0)) >= self._rank.world:
                    break
                time.sleep(_POLL_S)


@contextmanager
def joined(rank: Rank, place: str) -> Iterator[Processes]:
    """The group, for the length of a `with` block.

    Args:
        rank: this process.
        place: where to meet: `env://` (MASTER_ADDR and MASTER_PORT), `tcp://...`, `file://...`.

    Raises:
        EnvironmentProblem: they cannot meet.
        Followed: another process has failed.
    """
    device = process.prepare()
    if device.type == "cuda":
        torch.cuda.set_device(device)
    try:
        meeting, _, _ = next(iter(rendezvous(place, rank.number, rank.world)))
        store = PrefixStore(f"sgnas/{next(_meetings)}", meeting)
        dist.init_process_group(
            "nccl" if device.type == "cuda" else "gloo",
            store=PrefixStore("collectives", store),
            rank=rank.number,
            world_size=rank.world,
            timeout=TIMEOUT,
        )
    except (RuntimeError, ValueError) as error:
        raise EnvironmentProblem(
            f"process {rank.number} of {rank.world} cannot meet the others at {place}: "
            f"{str(error).splitlines()[0]}",
            "see to MASTER_ADDR and MASTER_PORT, or start all with torchrun",
        ) from error
    group = Processes(rank, store, device)
    # NCCL would wait for processes that have failed. Gloo's threads end with the group, also where
    # this process leaves because of an error.
    ends = device.type != "cuda"
    try:
        yield group
        group.leave()
        ends = True
    except Followed:
        raise
    except KeyboardInterrupt:
        # Ctrl-C reaches every process: one says so.
        group.first_to_fail()
        if rank.number == 0:
            raise
        raise Followed("stopped") from None
    except Exception as error:
        if group.first_to_fail():
            raise
        raise Followed("another process of this training has failed") from error
    finally:
        if ends:
            dist.destroy_process_group()
            # Gloo's threads end with the last reference, and must end while Python still runs.
            gc.collect()


@contextmanager
def _reaching() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        raise EnvironmentProblem(
            "another process of this training has ended, or cannot be reached",
            "see what it said, then run the same command again: it goes on from the checkpoint",
        ) from error.with_traceback(None)  # whose frames hold the group
