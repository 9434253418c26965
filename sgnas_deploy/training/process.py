"""What every process that trains does first, and where its random numbers come from."""

from __future__ import annotations

import hashlib
import random

import numpy as np
import torch

from sgnas_deploy.errors import EnvironmentProblem
from sgnas_deploy.training import allocator, ranks


def prepare() -> torch.device:
    """Set the process up for training; call it before anything is computed.

    Denormal floats are flushed to zero. Untrained networks, and above all a frozen supernet under
    soft gates, are full of them, and they slow a CPU's convolutions down many times. The setting
    belongs to the thread, and the thread pool copies it when it starts: hence before. The C library
    keeps the memory that it was given, see `allocator`.

    Returns:
        The device to train on: the first GPU where there is one, else the CPU. Of several processes
        on a machine, each has the GPU of its number.

    Raises:
        BadInput: the environment does not say which of several processes this is.
        EnvironmentProblem: there are more processes here than GPUs.
    """
    torch.set_flush_denormal(True)
    allocator.keep()
    if not torch.cuda.is_available():
        return torch.device("cpu")
    rank = ranks.here()
    if rank.world == 1:
        return torch.device("cuda")
    if rank.local >= torch.cuda.device_count():
        raise EnvironmentProblem(
            f"there are {rank.local_world} processes on this machine, but only "
            f"{torch.cuda.device_count()} GPU(s)",
            "start one process per GPU: torchrun --nproc-per-node gpu ...",
        )
    return torch.device("cuda", rank.local)


def derived_seed(*parts: int | str) -> int:
    """A seed of 63 bits that depends on all parts."""
    digest = hashlib.sha256("/".join(str(part) for part in parts).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def seed_all(*parts: int | str) -> None:
    """Seed every global random state (torch, numpy, python) by all parts.

    The loops call it once a step with seed, epoch and step. What a step draws is then a function
    of its position alone, and a resumed training needs no stored random state to go on alike.
    """
    seed = derived_seed(*parts)
    torch.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed % 2**32)
