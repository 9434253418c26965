"""Which networks calibrate a table, try the graph forms, or test a prediction."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, TypeAlias

import numpy as np

from sgnas_deploy.errors import EnvironmentProblem
from sgnas_deploy.spaces import Space
from sgnas_deploy.tables.predictor import Costs
from sgnas_deploy.tables.statistics import Floats

Options: TypeAlias = tuple[int, ...]

WIDE: Final = 8.0
"""From this ratio of the dearest to the cheapest network on, places are spaced by ratio."""


def calibration_networks(space: Space, costs: Costs, count: int, seed: int) -> tuple[Options, ...]:
    """Networks that bracket everything a table will be asked about.

    The cheapest and the dearest network, one close to each of them (so that leaving an end out is
    no far extrapolation), the rest evenly between; in the logarithm where the dearest costs many
    times the cheapest, because errors are relative.

    Args:
        space: the search space.
        costs: what is known of its choices so far.
        count: how many, 4 or more.
        seed: of the random networks that are chosen from.

    Raises:
        EnvironmentProblem: all networks cost the same, so that nothing can be told apart.
    """
    cheapest, dearest = costs.extremes
    if cheapest == dearest:
        raise EnvironmentProblem(
            "every block took the same time, so this backend's clock cannot tell networks apart",
            "look at the device with: sgnas devices test NAME",
        )
    inner = np.linspace(0.06, 0.94, count - 2)
    low, high = costs.range
    if low > 0 and high > WIDE * low:
        inner = ((high / low) ** inner - 1) / (high / low - 1)
    chosen = stratified(space, costs, inner, seed, exclude={cheapest, dearest})
    return (cheapest, *chosen, dearest)


def form_networks(space: Space, costs: Costs, seed: int) -> tuple[Options, ...]:
    """A smaller and a larger network, to compare graph forms on."""
    return stratified(space, costs, np.array([0.3, 0.7]), seed)


def stratified(
    space: Space,
    costs: Costs,
    places: Floats,
    seed: int,
    exclude: Collection[Options] = (),
) -> tuple[Options, ...]:
    """One random network for each place in the range of costs (0 cheapest, 1 dearest).

    All are different from each other and from `exclude`; the nearest of a random pool is taken.
    """
    rng = np.random.default_rng(seed)
    low, high = costs.range
    pool = [
        options
        for options in dict.fromkeys(_pool(space, costs, rng, 64 + 24 * len(places)))
        if options not in exclude
    ]
    totals = np.array([costs.total(options) for options in pool])
    chosen: list[Options] = []
    for place in places:
        nearest = int(np.abs(totals - (low + place * (high - low))).argmin())
        chosen.append(pool[nearest])
        totals[nearest] = np.inf
    return tuple(chosen)


def _pool(space: Space, costs: Costs, rng: np.random.Generator, size: int) -> list[Options]:
    """Random networks, half of them mixed with an extreme one, which samples alone rarely reach.

    All networks, where a space lists them: mixtures might be none.
    """
    networks = space.networks()
    if networks is not None:
        return [tuple(options) for options in rng.permutation(networks).tolist()]
    found: list[Options] = []
    for i in range(size):
        sample = space.sample(rng)
        if i % 2:
            extreme = [c.argmax() if i % 4 == 1 else c.argmin() for c in costs.options]
            take = rng.random(len(sample)) < rng.random()
            sample = tuple(
                int(e) if t else s for e, t, s in zip(extreme, take, sample, strict=True)
            )
        found.append(sample)
    return found
