"""Texts of the command line to SI units. The only place where milliseconds become seconds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from sgnas_deploy.errors import BadInput

_EXAMPLE = "write it as in: --latency-ms 10"


@dataclass(frozen=True)
class Budgets:
    """What `--latency-ms` and `--count` ask for; exactly one of the three is set.

    Attributes:
        budgets_s: the latency budgets, in seconds.
        count: so many budgets over the feasible range.
        maximum: the best network, without a budget.
    """

    budgets_s: tuple[float, ...] = ()
    count: int | None = None
    maximum: bool = False


def seconds(milliseconds: str) -> float:
    """A budget in seconds.

    Raises:
        BadInput: not a positive finite number.
    """
    try:
        value = float(milliseconds)
    except ValueError:
        raise BadInput(
            f"--latency-ms {milliseconds!r} is not a number of milliseconds", _EXAMPLE
        ) from None
    # The second condition: a denormal that is above 0 as milliseconds and is 0 as seconds.
    if not math.isfinite(value) or value / 1000 <= 0:
        raise BadInput(f"--latency-ms {milliseconds} is not a latency above 0", _EXAMPLE)
    return value / 1000


def budgets(latencies: Sequence[str] | None, count: int | None, measured: bool = False) -> Budgets:
    """What to generate for.

    Args:
        latencies: of `--latency-ms`.
        count: of `--count`.
        measured: whether networks are measured against their budgets: `max` is none.

    Raises:
        BadInput: none or both of the two flags, `max` beside a number or where it cannot be, or no
            valid latency.
    """
    if latencies and count is not None:
        raise BadInput("--latency-ms and --count exclude each other", "give one of them")
    if count is not None:
        return Budgets(count=count)
    if not latencies:
        maximum = "" if measured else ", --latency-ms max"
        raise BadInput(
            "no budget was given", f"say --latency-ms MS (repeatable){maximum}, or --count N"
        )
    if "max" in latencies and measured:
        raise BadInput(
            "--latency-ms max is no budget to fit", "run: sgnas generate --latency-ms max"
        )
    if "max" in latencies:
        if len(latencies) > 1:
            raise BadInput(
                "--latency-ms max stands for one network without a budget", "give it alone"
            )
        return Budgets(maximum=True)
    return Budgets(budgets_s=tuple(seconds(text) for text in latencies))
