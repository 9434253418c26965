"""`torch.compile`, where it fits: networks that are the same in every step.

Retrained networks are. A supernet is another network in every pass (its compiled form would be
given up after a few of them), and a generator's training spends its time in a frozen supernet whose
mixture is a gradient rule of its own; neither is compiled.

Compiled passes round differently, as another processor or another version of PyTorch does, so this
is no part of what a checkpoint must agree with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from sgnas_deploy.errors import EnvironmentProblem


def compiled(network: nn.Module, backend: str | Callable[..., Any]) -> Callable[[Tensor], Tensor]:
    """The network's forward pass, compiled when it is first called.

    Args:
        network: keeps its parameters; training goes on through it.
        backend: as in `torch.compile`.
    """
    made: Callable[[Tensor], Tensor] = torch.compile(network, backend=backend)
    return made


@contextmanager
def compiling() -> Iterator[None]:
    """Turn what the compiler cannot do into one error with a cure.

    Raises:
        EnvironmentProblem: there is no compiler, or it does not manage this network.
    """
    from torch._dynamo.exc import TorchDynamoException

    try:
        yield
    except TorchDynamoException as error:
        lines = [line.strip() for line in str(error).splitlines()]
        told = [line for line in lines if line and not line.startswith("backend=")]
        reason = told[0] if told else "no reason given"
        raise EnvironmentProblem(
            f"torch.compile does not work here: {reason.rstrip('.')}",
            "leave --compile out, or install a C++ compiler (on a GPU also triton); if one was "
            "killed before, remove its damaged cache, torchinductor_* in the temporary folder",
        ) from error
