"""The network that a solver would choose at a price of latency: what selection bias is about."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from sgnas_deploy.tables.statistics import Floats


def best_network(
    scores: Sequence[Floats],
    costs: Sequence[Floats],
    price: float,
    networks: npt.NDArray[np.int64] | None = None,
) -> tuple[int, ...]:
    """Options with the highest score less price times cost.

    Args:
        scores: of each decision's options.
        costs: of each of them.
        price: of one unit of cost, in units of the score.
        networks: all networks of a space that lists them, (n, decisions); else None.
    """
    values = [s - price * c for s, c in zip(scores, costs, strict=True)]
    if networks is None:
        return tuple(int(np.argmax(value)) for value in values)
    totals = sum(value[own] for value, own in zip(values, networks.T, strict=True))
    return tuple(int(option) for option in networks[int(np.argmax(totals))])
