"""What a supernet thinks of every network of a small space, and the file that keeps it.

The rivals of the generator (random search, evolution) are scored by these numbers, and so is the
choice among what was generated; with the file at hand neither needs images. No torch here.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from sgnas_deploy import files, spaces
from sgnas_deploy.errors import BadInput

SCHEMA_VERSION: Final = 1

PENALTIES: Final = (0.1, 1.0, 10.0, 100.0, 1000.0)

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class SupernetScores(files.FrozenModel):
    """Accuracy of networks in a supernet, on images that it was not trained on.

    Attributes:
        space: identifier of the supernet's space.
        supernet_sha256: its weights.
        data: what the images are.
        images: how many.
        right: of each network of `Space.networks()`, in its order: correct answers.
    """

    kind: Literal["sgnas-supernet-scores"] = "sgnas-supernet-scores"
    schema_version: Literal[1] = SCHEMA_VERSION
    space: str
    supernet_sha256: str
    data: str
    images: int = Field(ge=1)
    right: tuple[int, ...]

    @property
    def accuracy(self) -> Floats:
        """Top-1 of each network, shape (networks,)."""
        return np.array(self.right, np.float64) / self.images


def smoothed(accuracy: Floats, networks: Ints) -> Floats:
    """Accuracies with the noise of few images taken out, shape (networks,).

    Every network is looked at with few images, but there are thousands of networks. What the
    options, and pairs of options, are worth on average (a ridge regression) is known far better
    than any single network's accuracy. The penalty is that of the least leave-one-out error.

    Args:
        accuracy: of each network, shape (networks,).
        networks: options of each, shape (networks, decisions).
    """
    x, y = _pairs(networks), accuracy - accuracy.mean()
    values, vectors = np.linalg.eigh(x.T @ x)
    values = np.maximum(values, 0.0)
    rotated = x @ vectors
    along = rotated.T @ y
    best, least = accuracy, np.inf
    for penalty in PENALTIES:
        shrunk = 1 / (values + penalty)
        fitted = rotated @ (shrunk * along)
        leverage = (rotated**2 * shrunk).sum(axis=1)
        error = float(np.mean(((y - fitted) / np.maximum(1 - leverage, 1e-6)) ** 2))
        if error < least:
            best, least = fitted + accuracy.mean(), error
    return best


def _pairs(networks: Ints) -> Floats:
    """Which option each decision has, and which pair of options each two decisions have."""
    count = int(networks.max()) + 1
    single = np.eye(count)[networks]
    columns = [single.reshape(len(networks), -1)]
    for first, second in itertools.combinations(range(networks.shape[1]), 2):
        both = single[:, first, :, None] * single[:, second, None, :]
        columns.append(both.reshape(len(networks), -1))
    return np.hstack(columns)


def read(path: Path) -> SupernetScores:
    """Read scores.

    Raises:
        BadInput: missing, malformed, or not one number for each network.
    """
    found = files.read_model(path, SupernetScores, "file of supernet scores")
    networks = spaces.load(found.space).networks()
    if networks is None or len(networks) != len(found.right):
        raise BadInput(f"{path} has {len(found.right)} scores, not one for each network")
    return found
