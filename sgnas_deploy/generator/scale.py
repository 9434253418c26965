"""Budgets as shares of a table's feasible range. No torch here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol, final

import numpy as np
import numpy.typing as npt

from sgnas_deploy.blocks import macs
from sgnas_deploy.errors import BadInput
from sgnas_deploy.solver import enumeration
from sgnas_deploy.spaces import Space


class LatencyModel(Protocol):
    """What is needed of `tables.Predictor`; sums and latencies are in seconds."""

    @property
    def option_costs(self) -> tuple[npt.NDArray[np.float64], ...]:
        """One array a decision, the cost of each of its options."""

    @property
    def fixed_cost(self) -> float:
        """Cost of what every network has."""

    @property
    def coefficients(self) -> tuple[float, float, float]:
        """(a0, a1, a2): latency = a0 + a1 S + a2 S^2 of the sum S of costs."""

    def total_cost(self, latency_s: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """The largest sum whose predicted latency does not exceed `latency_s`."""

    def predict_s(self, options: Sequence[int]) -> float:
        """Predicted latency of a network."""


@final
@dataclass(frozen=True)
class Scale:
    """The range of latencies that budgets are worth stating in.

    Attributes:
        fastest: options of the fastest network.
        largest: options of the network with the most operations, the faster option where equal:
            from its latency on, more budget has nothing to buy.
        fastest_s: predicted latency of `fastest`.
        slowest_s: predicted latency of `largest`.
        networks: the space's networks where not every combination of options is one.
    """

    fastest: tuple[int, ...]
    largest: tuple[int, ...]
    fastest_s: float
    slowest_s: float
    networks: npt.NDArray[np.int64] | None = field(default=None, compare=False, repr=False)

    def share(self, latency_s: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Min-max normalised latencies, clipped to 0..1."""
        found: npt.NDArray[np.float64] = np.clip(
            (latency_s - self.fastest_s) / (self.slowest_s - self.fastest_s), 0.0, 1.0
        )
        return found


def scale_of(
    model: LatencyModel, space: Space, operations: Sequence[npt.NDArray[np.float64]] | None = None
) -> Scale:
    """The feasible range of a table.

    Args:
        model: its predictor.
        space: its space.
        operations: what `option_macs` says of the space, where many tables are asked for.

    Raises:
        BadInput: the largest network is not slower than the fastest one.
    """
    operations = option_macs(space) if operations is None else operations
    networks = space.networks()
    if networks is None:
        fastest = tuple(
            int(np.lexsort((-m, c))[0]) for c, m in zip(model.option_costs, operations, strict=True)
        )
        largest = tuple(
            int(np.lexsort((c, -m))[0]) for c, m in zip(model.option_costs, operations, strict=True)
        )
    else:
        cost = enumeration.totals(model.option_costs, networks)
        most = enumeration.totals(operations, networks)
        fastest = tuple(networks[np.lexsort((-most, cost))[0]].tolist())
        largest = tuple(networks[np.lexsort((cost, -most))[0]].tolist())
    found = Scale(fastest, largest, model.predict_s(fastest), model.predict_s(largest), networks)
    if found.slowest_s <= found.fastest_s:
        raise BadInput(
            "in this table the largest network is not slower than the fastest one",
            "measure it anew on a quiet machine with: sgnas profile --fresh",
        )
    return found


def option_macs(space: Space) -> tuple[npt.NDArray[np.float64], ...]:
    """Multiply-accumulates of every option for one image, in millions: one array a decision."""
    return tuple(
        np.array(
            [sum(macs(b) for b in space.option_blocks(d, o)) / 1e6 for o in range(count)],
            dtype=np.float64,
        )
        for d, count in enumerate(space.option_counts)
    )
