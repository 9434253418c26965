"""The generator of the cell spaces: budgets to one logit per edge and operation.

The same idea as for the mixed-kernel spaces (SGNAS, CVPR 2021, section 3.3) on a much smaller map,
6 edges x 5 operations. A convolution over that map would call neighbouring operations alike, which
they are not, so the layers are fully connected.

The cost of a network is not a sum over edges here: edges that lie on no path are removed. But there
are few networks, so the expectation is simply taken over all of them, whatever a table says.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import cast, final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from sgnas_deploy.blocks.cell import EDGES, OPERATIONS
from sgnas_deploy.errors import BadInput
from sgnas_deploy.generator.base import ExpectedLatency, Generator
from sgnas_deploy.generator.recipe import Recipe
from sgnas_deploy.generator.scale import LatencyModel
from sgnas_deploy.spaces import Space
from sgnas_deploy.spaces.cell import CellSpace, canonical


@final
class CellGenerator(Generator):
    """Budgets to logits (B, 6, 5).

    Args:
        space: the search space.
        recipe: width, numbers that describe the budget, size of the prior pool.
    """

    def __init__(self, space: CellSpace, recipe: Recipe) -> None:
        super().__init__()
        self.space = space
        choices, hidden = len(EDGES) * len(OPERATIONS), 2 * recipe.hidden
        self.of_budget = nn.Sequential(
            nn.Linear(recipe.budget_channels, hidden), nn.ReLU(), nn.Linear(hidden, hidden)
        )
        self.of_prior = nn.Linear(choices, hidden)
        self.body = nn.Sequential(nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU())
        self.last = nn.Linear(hidden, choices)
        # Near zero: the training begins with all operations alike.
        nn.init.normal_(self.last.weight, std=0.01)
        nn.init.zeros_(self.last.bias)
        self.priors: Tensor
        self.prior_shares: Tensor
        self.places: Tensor
        self.register_buffer("priors", torch.zeros(recipe.priors, choices))
        self.register_buffer("prior_shares", torch.zeros(recipe.priors, dtype=torch.float64))
        self.register_buffer(
            "places", torch.linspace(0, 1, recipe.budget_channels), persistent=False
        )

    def set_priors(self, networks: Sequence[tuple[int, ...]], shares: Sequence[float]) -> None:
        """Fill the prior pool."""
        chosen = nn.functional.one_hot(torch.tensor(networks), len(OPERATIONS))
        self.priors.copy_(chosen.flatten(1))
        self.prior_shares.copy_(torch.tensor(shares, dtype=torch.float64))

    def forward(self, shares: Tensor) -> Tensor:
        """Logits (B, 6, 5) for budgets (B,) as shares of the feasible range."""
        nearest = (shares.double()[:, None] - self.prior_shares).abs().argmin(dim=1)
        # Bumps along the range: what is said for one budget is not said for all.
        apart = (shares.to(self.places.dtype)[:, None] - self.places) * len(self.places)
        x = self.of_budget(torch.exp(-0.5 * apart.square())) + self.of_prior(self.priors[nearest])
        logits = self.last(self.body(x))
        return cast(Tensor, logits.view(-1, len(EDGES), len(OPERATIONS)))

    def scores(self, gates: Tensor) -> tuple[Tensor, ...]:
        """Log-probability of every operation: 6 tensors (B, 5)."""
        return gates.clamp_min(torch.finfo(gates.dtype).tiny).log().unbind(dim=1)

    def option_features(self) -> tuple[npt.NDArray[np.float64], ...]:
        """No two operations are alike: one identity matrix (5, 5) for every edge."""
        return tuple(np.eye(count) for count in self.space.option_counts)

    def expected_latency(self, model: LatencyModel) -> ExpectedCellLatency:
        """The exact expectation under a table's predictor."""
        return ExpectedCellLatency(model)


@final
class ExpectedCellLatency(ExpectedLatency):
    """Expectation over all 15,625 spellings, each with the latency of its canonical network.

    Given that there is a path: spellings without one are no networks, and do not count.

    Args:
        model: predicts a canonical network.
    """

    def __init__(self, model: LatencyModel) -> None:
        super().__init__()
        known: dict[tuple[int, ...], float] = {}
        latencies, connected = [], []
        for options in itertools.product(range(len(OPERATIONS)), repeat=len(EDGES)):
            found = canonical(options)
            connected.append(found is not None)
            if found is not None and found not in known:
                known[found] = model.predict_s(found)
            latencies.append(0.0 if found is None else known[found])
        self.latencies: Tensor
        self.connected: Tensor
        self.register_buffer("latencies", torch.from_numpy(np.array(latencies, np.float64)))
        self.register_buffer("connected", torch.from_numpy(np.array(connected, np.float64)))

    def forward(self, gates: Tensor) -> Tensor:
        """Seconds (B,) for gates (B, 6, 5)."""
        product = gates[:, 0].double()
        for edge in range(1, len(EDGES)):
            product = (product[:, :, None] * gates[:, edge, None].double()).flatten(1)
        return (product @ self.latencies) / (product @ self.connected)


def build(space: Space, recipe: Recipe) -> CellGenerator:
    """A fresh generator.

    Raises:
        BadInput: it should read tables.
    """
    if recipe.reads_tables:
        raise BadInput(
            f"a generator of {space.id} cannot read tables: edges of a cell share their cost",
            "train one for each table: sgnas train generator --lut TABLE",
        )
    return CellGenerator(cast(CellSpace, space), recipe)
