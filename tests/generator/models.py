"""A latency model without a table, and a table with a workspace around it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sgnas_deploy import spaces, tables
from sgnas_deploy.generator.scale import option_macs
from sgnas_deploy.workspace import Workspace
from tests.tables import synthetic

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Model:
    """Costs grow with operations, with noise; latency is quadratic in their sum."""

    option_costs: tuple[Floats, ...]
    fixed_cost: float = 1e-4
    coefficients: tuple[float, float, float] = (2e-5, 0.9, 40.0)

    def latency_s(self, total: float) -> float:
        a0, a1, a2 = self.coefficients
        return a0 + a1 * total + a2 * total * total

    def total_cost(self, latency_s: Floats) -> Floats:
        a0, a1, a2 = self.coefficients
        found: Floats = (np.sqrt(a1 * a1 + 4 * a2 * (latency_s - a0)) - a1) / (2 * a2)
        return found

    def predict_s(self, options: Sequence[int]) -> float:
        chosen = zip(self.option_costs, options, strict=True)
        return self.latency_s(self.fixed_cost + sum(float(costs[o]) for costs, o in chosen))


def model(space: str = "tiny", seed: int = 0) -> Model:
    rng = np.random.default_rng(seed)
    return Model(
        tuple(
            (2e-5 + m * 5e-5) * np.exp(0.1 * rng.standard_normal(len(m)))
            for m in option_macs(spaces.load(space))
        )
    )


def workspace(root: Path, space: str = "tiny") -> Workspace:
    """A workspace with a synthetic table of the space."""
    made = Workspace(root)
    table = synthetic.table(space)
    tables.write(made.luts / f"{table.name}.json", table)
    return made
