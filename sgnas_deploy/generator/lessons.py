"""What the budgets of a training step refer to: one table, or a table drawn for each of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol, final

import numpy as np
import torch
from torch import Tensor

from sgnas_deploy.generator.base import ExpectedLatency, TableReader
from sgnas_deploy.generator.many import Tables
from sgnas_deploy.generator.scale import Scale

REAL: Final = 0.25
"""Share of the budgets that refer to a measured table, where there are random devices too."""


@final
@dataclass(frozen=True)
class Lesson:
    """The tables of a step's budgets.

    Attributes:
        fastest_s: latency that the budget share 0 stands for, one or shape (budgets,).
        slowest_s: latency that the budget share 1 stands for, one or shape (budgets,).
        mean_s: expected latency in seconds, shape (budgets,), of gates, one mixture a budget.
    """

    fastest_s: Tensor | float
    slowest_s: Tensor | float
    mean_s: Callable[[Tensor], Tensor]


class Lessons(Protocol):
    """Where the tables of budgets come from."""

    def of_step(self, epoch: int, step: int, budgets: int) -> Lesson:
        """The tables of a step: a function of its position, so that a resumed training is alike.

        Generators that read tables are shown them.
        """


@final
class OneTable:
    """The only table there is.

    Args:
        expected: expected latency of gates, in seconds.
        scale: the feasible range that shares are of.
    """

    def __init__(self, expected: ExpectedLatency, scale: Scale) -> None:
        self._lesson = Lesson(scale.fastest_s, scale.slowest_s, expected)

    def of_step(self, epoch: int, step: int, budgets: int) -> Lesson:
        """Always the same."""
        del epoch, step, budgets
        return self._lesson


@final
class ManyTables:
    """A table for each budget, drawn from measured ones and from random devices.

    Args:
        network: is shown them.
        tables: the measured ones first; on the network's device.
        measured: how many are measured, at least one.
        seed: decides which are drawn.
    """

    def __init__(self, network: TableReader, tables: Tables, measured: int, seed: int) -> None:
        self._network = network
        self._tables = tables
        self._measured = measured
        self._seed = seed

    def of_step(self, epoch: int, step: int, budgets: int) -> Lesson:
        """Tables for a step's budgets."""
        rng = np.random.default_rng([self._seed, epoch, step, 0x7AB1E])
        index = rng.integers(self._measured, size=budgets)
        if len(self._tables) > self._measured:
            random = rng.integers(self._measured, len(self._tables), size=budgets)
            index = np.where(rng.random(budgets) < REAL, index, random)
        drawn = self._tables.pick(torch.from_numpy(index))
        self._network.show(drawn)
        return Lesson(drawn.fastest_s, drawn.slowest_s, partial(self._network.mean_s, tables=drawn))
