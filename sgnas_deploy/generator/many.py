"""Latency models of one space side by side, as tensors: what a table-reading generator reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch
from torch import Tensor

from sgnas_deploy.generator.scale import LatencyModel, Scale


@final
@dataclass(frozen=True)
class Tables:
    """n tables of one space.

    Attributes:
        costs: of each option, in seconds, shape (n, decisions, options), float64.
        fixed: of what every network has, in seconds, shape (n,).
        coefficients: (a0, a1, a2) of latency = a0 + a1 S + a2 S^2, shape (3, n).
        fastest: costs of the fastest network's options, in seconds, shape (n, decisions).
        span: sum of the largest network's costs minus that of the fastest one's, shape (n,).
        fastest_s: latency of the fastest network, shape (n,).
        slowest_s: latency of the largest network, shape (n,).
    """

    costs: Tensor
    fixed: Tensor
    coefficients: Tensor
    fastest: Tensor
    span: Tensor
    fastest_s: Tensor
    slowest_s: Tensor

    @staticmethod
    def of(models: Sequence[LatencyModel], scales: Sequence[Scale]) -> Tables:
        """The tables of predictors, each with its feasible range."""
        costs = np.stack([np.stack(model.option_costs) for model in models])
        fastest = np.array([scale.fastest for scale in scales])
        largest = np.array([scale.largest for scale in scales])
        of_fastest = np.take_along_axis(costs, fastest[..., None], axis=2)[..., 0]
        of_largest = np.take_along_axis(costs, largest[..., None], axis=2)[..., 0]
        return Tables(
            costs=_tensor(costs),
            fixed=_tensor([model.fixed_cost for model in models]),
            coefficients=_tensor([model.coefficients for model in models]).T.contiguous(),
            fastest=_tensor(of_fastest),
            span=_tensor((of_largest - of_fastest).sum(axis=1)),
            fastest_s=_tensor([scale.fastest_s for scale in scales]),
            slowest_s=_tensor([scale.slowest_s for scale in scales]),
        )

    def __len__(self) -> int:
        return len(self.costs)

    def pick(self, index: Tensor) -> Tables:
        """Some of the tables, or some more than once: shape (m,) of positions."""
        index = index.to(self.costs.device)
        return Tables(
            costs=self.costs[index],
            fixed=self.fixed[index],
            coefficients=self.coefficients[:, index],
            fastest=self.fastest[index],
            span=self.span[index],
            fastest_s=self.fastest_s[index],
            slowest_s=self.slowest_s[index],
        )

    def to(self, device: torch.device) -> Tables:
        """The same on a device."""
        return Tables(**{name: tensor.to(device) for name, tensor in vars(self).items()})

    def readings(self) -> Tensor:
        """What is read: costs without a unit, shape (n, decisions, options), float32.

        A reading is how much more an option costs than the fastest network's option, in units in
        which the largest network's options cost 1 more on average. So readings speak the language
        of budgets: along a network they add up to its share of the feasible range times the number
        of decisions, and a device that is twice as slow everywhere has the same readings.
        """
        above = self.costs - self.fastest[..., None]
        return (above * (self.costs.shape[1] / self.span)[:, None, None]).float()

    def mean_s(self, probability: Tensor) -> Tensor:
        """Exact mean latency of networks whose decisions are independent, in seconds, shape (n,).

        Args:
            probability: of each option, (n, decisions, options); mixture i is timed by table i.
        """
        return mean_latency_s(probability, self.costs, self.fixed, self.coefficients.unbind())

    def shares(self, networks: Tensor) -> Tensor:
        """Where networks lie in the feasible range of every table, shape (n, k), within 0..1.

        Args:
            networks: probability of each option, all but one zero, (k, decisions, options).
        """
        total = self.fixed[:, None] + torch.einsum("kdo,ndo->nk", networks.double(), self.costs)
        a0, a1, a2 = self.coefficients[..., None]
        latency_s = a0 + total * (a1 + a2 * total)
        low, high = self.fastest_s[:, None], self.slowest_s[:, None]
        shares: Tensor = ((latency_s - low) / (high - low)).clamp(0.0, 1.0)
        return shares


def mean_latency_s(
    probability: Tensor,
    costs: Tensor,
    fixed: Tensor | float,
    coefficients: Sequence[Tensor | float],
) -> Tensor:
    """Exact mean latency of networks whose decisions are independent.

    The sum S of costs has the mean and the variance of its decisions' sums, and with
    g(S) = a0 + a1 S + a2 S^2 the expectation E[g(S)] = g(E[S]) + a2 Var[S] is exact too.

    Args:
        probability: of each option, float64, shape (n, decisions, options).
        costs: of each option, in seconds, shape (decisions, options) or as `probability`.
        fixed: of what every network has, in seconds, one or shape (n,).
        coefficients: a0, a1, a2, each one or shape (n,).

    Returns:
        Seconds, shape (n,).
    """
    mean = (probability * costs).sum(dim=-1)
    spread = costs - mean.unsqueeze(-1)
    variance = (probability * spread * spread).sum(dim=(-2, -1))
    total = fixed + mean.sum(dim=-1)
    a0, a1, a2 = coefficients
    seconds: Tensor = a0 + a1 * total + a2 * (total * total + variance)
    return seconds


def _tensor(values: Any) -> Tensor:
    return torch.from_numpy(np.array(values, dtype=np.float64))
