"""How much launches repeat each other: what slow drift, heat and neighbours do to them.

A test that takes launches for independent is wrong when they are not. The remedy of time series is
used here: count every launch as `1 / autocorrelation_time` of one. This makes a verdict only ever
harder to reach, so it takes nothing away from the guarantee of `betting`; how far it helps where
the guarantee ends (slow changes that one has seen only part of) is shown by
`benchmarks/verdict_honesty.py`.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from sgnas_deploy.verdict.betting import Floats

MAX_CORRELATION: Final = 0.97


def autocorrelation_time(series: Floats) -> float:
    """How many values of a series say as much as one independent value, 1 or more.

    `(1 + r) / (1 - r)` of a first-order autoregression with lag-one correlation `r`. Short series
    look less correlated than they are; `(1 + 4 r) / n` is added for that (Kendall, 1954).
    Negative correlation is not believed. 1 for a constant series, of which nothing is known.
    """
    n = len(series)
    centred = series - series.mean() if n else series
    power = float(centred @ centred)
    # A constant series has rounding for deviations: compare with what rounding can make.
    if n < 4 or power <= n * (1e-12 * float(np.abs(series).max())) ** 2:
        return 1.0
    r = float(centred[1:] @ centred[:-1]) / power
    r = min(max(r + (1 + 4 * r) / n, 0.0), MAX_CORRELATION)
    return (1 + r) / (1 - r)
