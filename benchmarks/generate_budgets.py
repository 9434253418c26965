"""How long many budgets take, how much of them is left, and how far from the optimum they are.

python -m benchmarks.generate_budgets [--lut TABLE.json] [--workdir DIR] [--space imagenet]

With --lut, the table's predictor; else a synthetic table of --space whose costs follow operations
and weights with noise. With --workdir, the generator trained there on that table; else an untrained
one, which says something of time and nothing of quality. `start_up_seconds` is a fresh process from
its start to the first architecture. Prints JSON last.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sgnas_deploy import generator, solver, spaces, tables
from sgnas_deploy.blocks import params
from sgnas_deploy.generator import priors
from sgnas_deploy.generator.recipe import Recipe
from sgnas_deploy.generator.scale import LatencyModel, Scale, option_macs, scale_of
from sgnas_deploy.generator.within import Kept, best_within
from sgnas_deploy.spaces import Space

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class SyntheticModel:
    """Costs of no device: operations, weights, a constant, and 3 % noise."""

    option_costs: tuple[Floats, ...]
    fixed_cost: float = 5e-4
    coefficients: tuple[float, float, float] = (0.0, 1.0, 0.0)

    def total_cost(self, latency_s: Floats) -> Floats:
        """The identity: g is."""
        return latency_s

    def predict_s(self, options: Sequence[int]) -> float:
        """The sum of costs."""
        chosen = zip(self.option_costs, options, strict=True)
        return self.fixed_cost + sum(float(costs[o]) for costs, o in chosen)


def synthetic(space: Space, seed: int) -> SyntheticModel:
    """A synthetic table."""
    rng = np.random.default_rng(seed)
    costs = []
    for d, operations in enumerate(option_macs(space)):
        weights = np.array(
            [sum(params(b) for b in space.option_blocks(d, o)) for o in range(len(operations))]
        )
        clean = 15e-6 + operations * 1e6 / 20e9 + weights * 4 / 20e9
        costs.append(clean * (1 + 0.03 * rng.standard_normal(len(clean))))
    return SyntheticModel(tuple(costs))


def gap_to_highs(
    model: LatencyModel,
    scores: Sequence[Floats],
    rooms: Floats,
    ours: Sequence[solver.Solution | None],
) -> dict[str, Any]:
    """Score of HiGHS (scipy.optimize.milp) minus ours, budget by budget, under equal scores."""
    from scipy.optimize import Bounds, LinearConstraint, milp

    cost = np.concatenate(model.option_costs)
    rows = np.zeros((len(model.option_costs) + 1, cost.size))
    start = 0
    for d, costs in enumerate(model.option_costs):
        rows[d, start : start + costs.size] = 1
        start += costs.size
    gaps, ranges = [], []
    started = time.perf_counter()
    for i, (room, found) in enumerate(zip(rooms, ours, strict=True)):
        score = np.concatenate([s[i] for s in scores])
        # Costs in budgets: HiGHS' tolerances are absolute.
        rows[-1] = cost / room
        one = np.ones(len(model.option_costs))
        answer = milp(
            -score,
            integrality=np.ones(cost.size),
            bounds=Bounds(0, 1),
            constraints=LinearConstraint(rows, np.append(one, -np.inf), np.append(one, 1.0)),
            options={"mip_rel_gap": 0},
        )
        if found is None or answer.x is None:
            raise AssertionError(f"budget {i} has no solution")
        own = sum(float(s[i, o]) for s, o in zip(scores, found.options, strict=True))
        gaps.append(-answer.fun - own)
        ranges.append(sum(float(s[i].max() - s[i].min()) for s in scores))
    return {
        "budgets": len(rooms),
        "largest_gap": max(gaps),
        "smallest_gap": min(gaps),
        "largest_gap_share_of_score_range": max(g / r for g, r in zip(gaps, ranges, strict=True)),
        "proved_by_the_solver": max(s.gap for s in ours if s is not None),
        "highs_seconds": time.perf_counter() - started,
    }


def figures(kept: Sequence[Kept], targets_s: Floats, seconds: float) -> dict[str, Any]:
    """Time, budgets exceeded, share of them unused."""
    predicted = np.array([one.predicted_s for one in kept])
    unused = 1 - predicted / targets_s
    return {
        "budgets": len(kept),
        "seconds": seconds,
        "over": int((predicted > targets_s).sum()),
        "unused_mean": float(unused.mean()),
        "unused_max": float(unused.max()),
        "different": len({one.options for one in kept}),
    }


def load_generator(
    space: Space, model: LatencyModel, scale: Scale, workdir: Path | None, table: str
) -> tuple[Any, str]:
    """The trained generator of a workspace, else an untrained one."""
    if workdir is not None:
        weights = generator.weights_path(workdir / "generator", table)
        return generator.load(weights, space, generator.read_file(weights)), "trained"
    import torch

    torch.manual_seed(0)
    network = generator.build(space, Recipe())
    network.set_priors(*priors.draw(space, model, scale, Recipe().priors, 0))
    return network, "untrained"


def start_up(flags: argparse.Namespace) -> float:
    """Seconds of a fresh process that loads everything and answers one budget."""
    command = [sys.executable, "-m", "benchmarks.generate_budgets", "--first"]
    for name in ("lut", "workdir", "space"):
        if getattr(flags, name) is not None:
            command += [f"--{name}", str(getattr(flags, name))]
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lut", type=Path)
    parser.add_argument("--workdir", type=Path)
    parser.add_argument("--space", default="imagenet")
    parser.add_argument("--budgets", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--first", action="store_true", help="answer one budget, and end")
    flags = parser.parse_args()
    model: LatencyModel
    if flags.lut is not None:
        model = tables.predictor(tables.read(flags.lut))
        space = spaces.load(tables.read(flags.lut).space)
        source = flags.lut.name
    else:
        space = spaces.load(flags.space)
        model = synthetic(space, 0)
        source = "synthetic"
    scale = scale_of(model, space)
    operations = option_macs(space)
    started = time.perf_counter()
    network, state = load_generator(
        space, model, scale, flags.workdir, flags.lut.stem if flags.lut else ""
    )
    network.eval()
    loading_s = time.perf_counter() - started

    def ask(count: int, how: str) -> tuple[tuple[Kept, ...], Floats, float, float]:
        targets = np.linspace(scale.fastest_s, scale.slowest_s, count)
        began = time.perf_counter()
        if how == "generator":
            scores = network.option_scores(scale.share(targets))
        else:
            scores = [np.broadcast_to(m, (count, len(m))) for m in operations]
        passed = time.perf_counter()
        bonus = operations if how == "generator" else None
        kept = best_within(model, scale, scores, targets, bonus)
        return kept, targets, time.perf_counter() - began, passed - began

    if flags.first:
        ask(1, "generator")
        return
    found: dict[str, Any] = {
        "benchmark": "generate_budgets",
        "table": source,
        "space": space.id,
        "generator": state,
        "machine": {"processor": platform.machine(), "python": platform.python_version()},
        "load_seconds": loading_s,
        # The first of them reads the files from disk.
        "start_up_seconds": [start_up(flags) for _ in range(3)],
    }
    for how in ("generator", "macs"):
        _, _, cold_s, _ = ask(flags.budgets, how)
        runs = [ask(flags.budgets, how) for _ in range(flags.repeats)]
        middle = sorted(runs, key=lambda run: run[2])[len(runs) // 2]
        kept, targets, seconds, pass_s = middle
        row = figures(kept, targets, seconds)
        row |= {"cold_seconds": cold_s, "of_which_pass_seconds": pass_s}
        few, few_targets, few_s, _ = ask(361, how)
        row["range_361"] = figures(few, few_targets, few_s)
        fifty = np.linspace(0.02, 0.98, 50)
        places = scale.fastest_s + fifty * (scale.slowest_s - scale.fastest_s)
        rooms = model.total_cost(places) - model.fixed_cost
        if how == "generator":
            own = list(network.option_scores(fifty))
            ours = solver.solve_each(model.option_costs, own, rooms)
        else:
            own = [np.broadcast_to(m, (50, len(m))) for m in operations]
            # As the shipped way does: whole numbers.
            ours = solver.solve(model.option_costs, [np.rint(m * 1e6) for m in operations], rooms)
        row["highs"] = gap_to_highs(model, own, rooms, ours)
        found[how] = row
    print(json.dumps(found))


if __name__ == "__main__":
    main()
