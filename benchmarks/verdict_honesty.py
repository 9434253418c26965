"""How often is a verdict wrong? Simulated devices with a known percentile, judged by the real test.

    python benchmarks/verdict_honesty.py --devices 1000 --percentile 50

prints JSON: false PASS where the true percentile is 0-3 % over the budget (and, hardest, exactly at
it), false FAIL and UNDECIDED where it is 3 % under, for every kind of device and for all together,
each with a 99 % Clopper-Pearson lower bound. The same for the alternative that was tried and not
taken: a sign test on the launches' own percentiles with alpha spending.

A device that drifts has no percentile but that of a period. Its true one is taken over all the time
that the campaign may last, which a verdict after a third of it cannot know. What the guarantee
speaks of is the period that was measured; `wrong_of_period` counts verdicts that are wrong of that.

Devices are simulated launch by launch: what a launch measures is drawn from the device's law at
that time. Nothing of the test is simulated; it sees shares and levels as from a real device.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import signal, stats

from sgnas_deploy.verdict import PercentileTest, Verdict
from sgnas_deploy.verdict.betting import evidence
from sgnas_deploy.verdict.campaign import MIN_PERIOD_S

Floats: TypeAlias = npt.NDArray[np.float64]
Judge: TypeAlias = Callable[[PercentileTest, Floats, Floats, int], tuple[Verdict, int]]
Trial: TypeAlias = tuple[Verdict, int, bool]
"""The verdict, after how many launches, and whether it is wrong of the period measured."""

LAUNCH_S: Final = 0.4
MAX_SECONDS: Final = 60.0
LAUNCHES: Final = round(MAX_SECONDS / LAUNCH_S)
RUNS: Final = 60
OVER: Final = 0.03


@dataclass(frozen=True)
class Device:
    """The law of one device: logarithms of latencies, relative to its base.

    Attributes:
        kind: what disturbs it.
        turn_s: time from the start of a launch to the start of the network's next one.
        runs: standard deviation of runs within a launch.
        correlation: of neighbouring runs (AR(1)).
        launch: standard deviation between processes.
        slow: of a slow AR(1) wander in time,
        slow_s: and its time constant.
        step: slow-down while throttled,
        cool_s: mean time until it throttles,
        hot_s: and until it stops.
        trend: relative change over the 60 s of a whole campaign.
        spikes: share of runs with an exponential delay of 30 % on average.
    """

    kind: str
    turn_s: float = LAUNCH_S
    runs: float = 0.02
    correlation: float = 0.0
    launch: float = 0.0
    slow: float = 0.0
    slow_s: float = 1.0
    step: float = 0.0
    cool_s: float = 1.0
    hot_s: float = 1.0
    trend: float = 0.0
    spikes: float = 0.0


def draw(kind: str, rng: np.random.Generator) -> Device:
    """A random device of a kind; sizes and time constants range widely."""

    def between(low: float, high: float) -> float:
        return float(rng.uniform(low, high))

    def time(low: float, high: float) -> float:
        return float(np.exp(rng.uniform(np.log(low), np.log(high))))

    base = Device(kind, turn_s=LAUNCH_S * int(rng.choice([1, 3])), launch=between(0, 0.01))
    if kind == "quiet":
        return replace(base, runs=between(0.005, 0.03))
    if kind == "processes differ":
        return replace(base, launch=between(0.01, 0.06))
    if kind == "correlated runs":
        return replace(base, runs=between(0.01, 0.06), correlation=between(0.8, 0.99))
    if kind == "slow wander":
        return replace(base, slow=between(0.01, 0.06), slow_s=time(0.3, 20))
    if kind == "throttling":
        return replace(base, step=between(0.03, 0.3), cool_s=time(0.5, 20), hot_s=time(0.5, 20))
    if kind == "drift up":
        return replace(base, trend=between(0.02, 0.1))
    if kind == "drift down":
        return replace(base, trend=-between(0.02, 0.1))
    if kind == "spikes":
        return replace(base, spikes=between(0.01, 0.1))
    assert kind == "everything"
    return replace(
        base,
        runs=between(0.01, 0.04),
        correlation=0.9,
        launch=between(0.005, 0.03),
        slow=between(0.005, 0.03),
        slow_s=time(0.3, 5),
        step=between(0.0, 0.1),
        cool_s=time(0.5, 5),
        hot_s=time(0.5, 5),
        trend=0.0,
        spikes=between(0.0, 0.05),
    )


KINDS: Final = (
    "quiet",
    "processes differ",
    "correlated runs",
    "slow wander",
    "throttling",
    "drift up",
    "drift down",
    "spikes",
    "everything",
)


def campaign(device: Device, rng: np.random.Generator) -> Floats:
    """Latencies of a whole campaign, shape (LAUNCHES, RUNS)."""
    times_s = np.asarray(np.arange(LAUNCHES) * device.turn_s, dtype=np.float64)
    logs = np.zeros(LAUNCHES)
    if device.slow:
        keep = np.exp(-device.turn_s / device.slow_s)
        logs += device.slow * _autoregression(rng.standard_normal((1, LAUNCHES)), keep)[0]
    if device.step:
        logs += device.step * _throttled(device, times_s, rng)
    logs += device.trend * np.arange(LAUNCHES) / LAUNCHES
    return _runs(device, logs, rng)


def stationary(device: Device, launches: int, rng: np.random.Generator) -> Floats:
    """Latencies of launches that are far apart in time, shape (launches, RUNS)."""
    logs = device.slow * rng.standard_normal(launches)
    hot = rng.random(launches) < device.hot_s / (device.hot_s + device.cool_s)
    logs += device.step * hot
    logs += device.trend * rng.random(launches)
    return _runs(device, logs, rng)


def _runs(device: Device, logs: Floats, rng: np.random.Generator) -> Floats:
    shape = (len(logs), RUNS)
    logs = logs + device.launch * rng.standard_normal(len(logs))
    noise = _autoregression(rng.standard_normal(shape), device.correlation)
    delays = (rng.random(shape) < device.spikes) * rng.exponential(0.3, shape)
    return np.asarray(np.exp(logs[:, None] + device.runs * noise + delays))


def _autoregression(noise: Floats, keep: float) -> Floats:
    """A stationary AR(1) of variance 1 along the last axis."""
    driven = noise.copy()
    driven[:, 1:] *= np.sqrt(1 - keep**2)
    return np.asarray(signal.lfilter([1], [1, -keep], driven, axis=1))


def _throttled(device: Device, times_s: Floats, rng: np.random.Generator) -> Floats:
    """1 where the device is hot: two states with exponential stays, from their equilibrium."""
    hot = bool(rng.random() < device.hot_s / (device.hot_s + device.cool_s))
    found = np.zeros(len(times_s))
    begin_s = 0.0
    while begin_s <= times_s[-1]:
        end_s = begin_s + rng.exponential(device.hot_s if hot else device.cool_s)
        if hot:
            found[(times_s >= begin_s) & (times_s < end_s)] = 1
        begin_s, hot = end_s, not hot
    return found


def betting(
    test: PercentileTest, shares: Floats, levels: Floats, first: int
) -> tuple[Verdict, int]:
    """The test as `sgnas validate` uses it: look after every launch from `first` on."""
    found = evidence(shares, test.tolerated)
    promising = np.maximum(found.below, found.above) >= test.log_needed
    for n in range(first, len(shares) + 1):
        # The discount only takes away, so nothing is missed by not asking.
        if promising[n - 1]:
            judgement = test.judge(shares[:n], levels[:n])
            if judgement.verdict != "UNDECIDED":
                return judgement.verdict, n
    return "UNDECIDED", len(shares)


def sign_test(
    test: PercentileTest, shares: Floats, levels: Floats, first: int
) -> tuple[Verdict, int]:
    """The alternative: are more than half of the launches' own percentiles within the budget?

    A binomial test at five looks, alpha spent as the square of the time (O'Brien-Fleming-like).
    """
    del shares
    slower = levels > np.log(test.budget_s)
    looks = np.linspace(first, len(levels), 5).astype(int)
    alpha, spent = 1 - test.confidence, 0.0
    for n in looks:
        level = alpha * (n / len(levels)) ** 2 - spent
        spent += level
        count = int(slower[:n].sum())
        if stats.binom.cdf(count, n, 0.5) <= level:
            return "PASS", int(n)
        if stats.binom.sf(count - 1, n, 0.5) <= level:
            return "FAIL", int(n)
    return "UNDECIDED", len(levels)


JUDGES: Final[dict[str, Judge]] = {"betting": betting, "sign test": sign_test}


def try_device(
    device: Device,
    over: float,
    percentile: float,
    confidence: float,
    rng: np.random.Generator,
) -> dict[str, Trial]:
    """Judge one device whose true percentile is `over` (a share) over the budget."""
    true_s = float(np.percentile(stationary(device, 4000, rng), percentile))
    test = PercentileTest(true_s / (1 + over), percentile, confidence)
    runs_s = campaign(device, rng)
    shares = (runs_s > test.budget_s).mean(axis=1)
    levels = np.log(np.percentile(runs_s, percentile, axis=1))
    first = int(np.ceil(MIN_PERIOD_S / device.turn_s))
    truths = _true_shares(device, test, over, rng)
    trials: dict[str, Trial] = {}
    for name, judge in JUDGES.items():
        verdict, n = judge(test, shares, levels, first)
        slower = float(truths[:n].mean())
        wrong = {
            "PASS": slower > test.tolerated,
            "FAIL": slower < test.tolerated,
            "UNDECIDED": False,
        }[verdict]
        trials[name] = (verdict, n, wrong)
    return trials


def _true_shares(
    device: Device, test: PercentileTest, over: float, rng: np.random.Generator
) -> Floats:
    """Expected share of runs slower than the budget, at each launch, shape (LAUNCHES,)."""
    if not device.trend:
        # Known on which side it is; a simulated value would err at the budget itself.
        return np.full(LAUNCHES, test.tolerated + (1e-9 if over >= 0 else -1e-9))
    level = np.sort(stationary(replace(device, trend=0.0), 1000, rng), axis=None)
    limits = test.budget_s / np.exp(device.trend * np.arange(LAUNCHES) / LAUNCHES)
    return np.asarray(1 - np.searchsorted(level, limits, side="right") / len(level))


def rates(found: Sequence[Trial]) -> dict[str, Any]:
    """Rates of the verdicts, with 99 % lower bounds, and the typical number of launches."""
    n = len(found)
    counts: dict[str, int] = {
        name: sum(one == name for one, _, _ in found) for name in ("PASS", "FAIL", "UNDECIDED")
    }
    counts["wrong_of_period"] = sum(wrong for _, _, wrong in found)
    return {
        "devices": n,
        "launches_median": float(np.median([launches for _, launches, _ in found])),
        **{
            name: {"rate": count / n, "lower_99": lower_bound(count, n)}
            for name, count in counts.items()
        },
    }


def lower_bound(count: int, n: int, confidence: float = 0.99) -> float:
    """Clopper-Pearson's one-sided lower bound of a rate."""
    return float(stats.beta.ppf(1 - confidence, count, n - count + 1)) if count else 0.0


def honesty(devices: int, percentile: float, confidence: float, seed: int) -> dict[str, Any]:
    """All rates over that many devices, spread evenly over the kinds."""
    conditions: dict[str, Callable[[np.random.Generator], float]] = {
        "0-3 % over the budget": lambda rng: float(rng.uniform(0, OVER)),
        "exactly at the budget": lambda rng: 0.0,
        "3 % under the budget": lambda rng: -OVER,
    }
    result: dict[str, Any] = {
        "devices": devices,
        "percentile": percentile,
        "confidence": confidence,
        "seed": seed,
        "launches_max": LAUNCHES,
        "runs_per_launch": RUNS,
        "min_period_s": MIN_PERIOD_S,
    }
    for number, (condition, over) in enumerate(conditions.items()):
        tried: dict[str, dict[str, list[Trial]]] = {
            name: {kind: [] for kind in KINDS} for name in JUDGES
        }
        for i in range(devices):
            rng = np.random.default_rng([seed, number, i])
            kind = KINDS[i % len(KINDS)]
            device = draw(kind, rng)
            for name, found in try_device(device, over(rng), percentile, confidence, rng).items():
                tried[name][kind].append(found)
        result[condition] = {
            name: {
                "all": rates([one for part in kinds.values() for one in part]),
                **{kind: rates(part) for kind, part in kinds.items() if part},
            }
            for name, kinds in tried.items()
        }
    return result


def main() -> None:
    """Print the rates as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0] if __doc__ else None)
    parser.add_argument("--devices", type=int, default=1000)
    parser.add_argument("--percentile", type=float, default=50.0)
    parser.add_argument("--confidence", type=float, default=0.95)
    parser.add_argument("--seed", type=int, default=1)
    print(json.dumps(honesty(**vars(parser.parse_args())), indent=1))


if __name__ == "__main__":
    main()
