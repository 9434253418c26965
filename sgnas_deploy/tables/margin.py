"""The safety margin: how much of a budget is kept back because a prediction errs.

`margin = 1 - 1 / (1 + u)`, at least 2 %, at most 25 % (with a warning). A network whose predicted
latency is `budget * (1 - margin)` may come out slower by `u` and still keep the budget. `u` is the
sum of

* the one-sided 95 % prediction bound of a further network's residual: mean + t * sd *
  sqrt(1 + 1/n) over the n leave-one-out residuals (measured / predicted - 1);
* the selection bias. A solver picks blocks that look cheap, and some of those only looked cheap.
  The table measures it on itself: networks are optimised against one half of the passes and
  priced by the other half; the mean excess is the bias. Half the passes are noisier than all of
  them, so it is an over-estimate. Blocks that were not measured but estimated add the one-sided
  95 % bound that follows for an optimised network from their stated errors.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, final

import numpy as np
import numpy.typing as npt

from sgnas_deploy.tables.optimising import best_network
from sgnas_deploy.tables.statistics import Floats

LEAST: Final = 0.02
MOST: Final = 0.25
UNKNOWN_SELECTION: Final = 0.02
"""Selection bias of a table with a single pass, which cannot be halved: about what was seen."""

# One-sided 95 % quantiles of Student's t for 1, 2, ... degrees of freedom.
_T95: Final = (
    *(6.314, 2.920, 2.353, 2.132, 2.015, 1.943, 1.895, 1.860, 1.833, 1.812),
    *(1.796, 1.782, 1.771, 1.761, 1.753, 1.746, 1.740, 1.734, 1.729, 1.725),
    *(1.721, 1.717, 1.714, 1.711, 1.708, 1.706, 1.703, 1.701, 1.699, 1.697),
)
_T95_BEYOND: Final = 1.697


@final
@dataclass(frozen=True)
class Margin:
    """A margin and where it comes from; all are shares.

    Attributes:
        share: of the budget.
        bound: how much slower than predicted a further network is with 95 % confidence.
        selection: how much slower than others an optimised network comes out.
        warning: why it should not be trusted, empty when it may.
    """

    share: float
    bound: float
    selection: float
    warning: str = ""


def margin(residuals: Sequence[float], selection: float) -> Margin:
    """The margin that follows from leave-one-out residuals and the selection bias."""
    r = np.asarray(residuals, dtype=np.float64)
    n = len(r)
    if n < 2:
        raise ValueError("a margin needs the residuals of two networks or more")
    t = _T95[n - 2] if n - 2 < len(_T95) else _T95_BEYOND
    bound = float(r.mean() + t * r.std(ddof=1) * math.sqrt(1 + 1 / n))
    slower = max(bound + selection, 0.0)
    share = 1 - 1 / (1 + slower)
    warning = ""
    if share > MOST:
        warning = (
            f"the calibration networks ask for a safety margin of {share:.0%}, which is cut to "
            f"{MOST:.0%}: predictions of this table may be exceeded"
        )
    return Margin(min(max(share, LEAST), MOST), bound, selection, warning)


def selection_bias(
    first: Sequence[Floats],
    second: Sequence[Floats],
    scores: Sequence[Floats],
    networks: npt.NDArray[np.int64] | None = None,
) -> float:
    """Mean relative excess of networks optimised on one half of the passes and priced by the other.

    Args:
        first: costs of each decision's options by one half of the passes.
        second: the same by the other half.
        scores: what a solver would maximise, such as multiply-accumulates.
        networks: all networks of a space that lists them, (n, decisions); else None.

    Returns:
        The excess beyond the ratio that the halves have on average over all options; not below 0.
    """
    excess: list[float] = []
    for seen, true in ((first, second), (second, first)):
        usual = sum(float(c.sum()) for c in true) / sum(float(c.sum()) for c in seen)
        for chosen in optimised(seen, scores, networks):
            cost_seen = sum(float(c[i]) for c, i in zip(seen, chosen, strict=True))
            cost_true = sum(float(c[i]) for c, i in zip(true, chosen, strict=True))
            # Nothing at all can be the best choice, where a space has options without blocks.
            if cost_seen > 0:
                excess.append(cost_true / cost_seen / usual - 1)
    return max(0.0, float(np.mean(excess))) if excess else 0.0


def optimised(
    costs: Sequence[Floats],
    scores: Sequence[Floats],
    networks: npt.NDArray[np.int64] | None = None,
) -> list[tuple[int, ...]]:
    """Networks with the highest score less cost, at five prices; none where all cost the same.

    Args:
        costs: of each decision's options.
        scores: what a solver would maximise, of each of them.
        networks: all networks of a space that lists them, (n, decisions); else None.
    """
    cost_range = sum(float(np.ptp(c)) for c in costs)
    score_range = sum(float(np.ptp(s)) for s in scores)
    if cost_range <= 0:
        return []
    return [
        best_network(scores, costs, weight * score_range / cost_range, networks)
        for weight in (0.25, 0.5, 1.0, 2.0, 4.0)
    ]
