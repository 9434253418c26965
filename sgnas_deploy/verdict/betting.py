"""Evidence about a mean of values in [0, 1], by betting against it.

After Waudby-Smith and Ramdas, "Estimating means of bounded random variables by betting" (Journal of
the Royal Statistical Society B, 2024): a gambler who bets that the mean lies below `m` holds the
wealth `prod(1 + bet * (m - x))`. While the mean is `m` or more the wealth is expected not to grow,
so by Ville's inequality it ever reaches `1 / alpha` with probability `alpha` at most, however often
one looks and whenever one stops.

We differ in the bets: the paper adapts them to what was seen, we split the first coin over bets
that never change. It costs a little power and buys a statement that survives drift. With a
constant bet, `prod(1 + bet * (m - mean_i)) <= exp(bet * sum(m - mean_i)) <= 1` whenever the
*average* of the (conditional) means is `m` or more. Dividing the wealth by the first product gives
a martingale, so with probability `1 - alpha` at no time is the wealth `1 / alpha` or more while the
average mean so far is `m` or more. With adaptive bets this holds only if *every* mean is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias, final

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float64]

BETS: Final[Floats] = np.arange(1, 11) / 10
"""The constant bets, as shares of the largest that cannot lose more than is there. Finer grids
changed nothing in simulations."""


@final
@dataclass(frozen=True)
class Evidence:
    """Logarithms of the wealth of two gamblers, after each value.

    Attributes:
        below: of the one who bets that the mean lies below the limit, shape (n,).
        above: of the one who bets that it lies above, shape (n,).
    """

    below: Floats
    above: Floats


def evidence(values: Floats, limit: float) -> Evidence:
    """What values in [0, 1] say about their mean, after each of them.

    Args:
        values: in the order in which they were observed, shape (n,).
        limit: the mean in question, in (0, 1).
    """
    return Evidence(_log_wealth(values, limit), _log_wealth(1 - values, 1 - limit))


def _log_wealth(values: Floats, limit: float) -> Floats:
    """Log wealth of one coin, split evenly over `BETS`, on "the mean is below the limit"."""
    bets = BETS / (1 - limit)
    growth = 1 + bets * (limit - values[:, None])
    with np.errstate(divide="ignore"):
        # The largest bet loses everything on a value of 1; rounding must not make it less.
        wealth = np.cumsum(np.log(np.maximum(growth, 0)), axis=0)
    # The smaller bets always keep something, so the maximum is finite.
    best = wealth.max(axis=1)
    return np.asarray(best + np.log(np.exp(wealth - best[:, None]).mean(axis=1)))
