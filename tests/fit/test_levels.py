"""Levels, the correction and the head-room, on data with a known truth."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgnas_deploy import spaces
from sgnas_deploy.fitting.correction import corrected
from sgnas_deploy.fitting.headroom import LEAST, MOST, Headroom, headroom
from sgnas_deploy.fitting.levels import Launch, Levels, Options, levels, weighted_median
from sgnas_deploy.tables import LatencyTable, predictor
from sgnas_deploy.verdict import sittings
from sgnas_deploy.verdict.sittings import Sitting
from tests.tables import synthetic

RUNS = 30
SPACE = spaces.load("tiny")


def network(number: int) -> Options:
    rng = np.random.default_rng(number)
    return tuple(int(o) for o in SPACE.sample(rng))


def sitting(
    truth_s: dict[Options, float],
    sweeps: int,
    *,
    noise: float = 0.01,
    runs: float = 0.02,
    speed: tuple[float, ...] = (),
    seed: int = 0,
) -> list[Launch]:
    rng = np.random.default_rng(seed)
    found = []
    for sweep in range(sweeps):
        slower = speed[sweep] if speed else 0.0
        for options, level_s in truth_s.items():
            own = slower + noise * rng.standard_normal()
            samples = level_s * np.exp(own + runs * rng.standard_normal(RUNS))
            found.append(Launch(options, sweep, tuple(float(s) for s in samples)))
    return found


TRUTH = {network(i): 1e-3 * (1 + i / 10) for i in range(12)}


def test_levels_are_found_although_the_speed_wanders() -> None:
    launches = sitting(TRUTH, 6, speed=(0.0, 0.05, -0.03, 0.02, -0.05, 0.01), noise=0.005)
    found = levels(launches, 50)
    for options, level_s in TRUTH.items():
        assert np.exp(found.of[options]) == pytest.approx(level_s, rel=0.01)
    assert found.speeds[1] == pytest.approx(0.05, abs=0.01)
    assert 0.003 < found.spread < 0.012
    assert found.error(network(0)) == pytest.approx(found.spreads[network(0)] / np.sqrt(6))
    assert found.spreads[network(0)] == pytest.approx(found.spread, rel=0.5)


def test_networks_of_a_slow_sweep_are_not_taken_for_slow() -> None:
    """Half the networks were measured only while the machine was 10 % slower."""
    early = dict(list(TRUTH.items())[:8])
    late = dict(list(TRUTH.items())[4:])
    launches = sitting(early, 4, noise=0.003)
    launches += [
        Launch(one.options, one.sweep + 4, one.samples_s)
        for one in sitting(late, 4, noise=0.003, speed=(0.1,) * 4, seed=1)
    ]
    found = levels(launches, 50)
    ratios = [found.of[o] - np.log(s) for o, s in TRUTH.items()]
    assert np.ptp(ratios) < 0.015
    assert found.moved == pytest.approx(0.1, abs=0.01)


def test_a_few_slow_minutes_do_not_lift_the_levels() -> None:
    """A later verdict's percentile will most likely not see them; the mean would lie 3 % higher."""
    slow = (0.0, 0.0, 0.0, 0.1, 0.12, 0.1, 0.0, 0.0, 0.0, 0.0)
    found = levels(sitting(TRUTH, 10, noise=0.003, speed=slow), 50)
    for options, level_s in TRUTH.items():
        assert np.exp(found.of[options]) == pytest.approx(level_s, rel=0.006)
    assert np.median(list(found.speeds.values())) == pytest.approx(0.0, abs=0.003)


def test_a_sweep_of_networks_that_feel_nothing_says_nothing() -> None:
    """The small network became faster whenever the others became slower, then was alone."""
    small = network(99)
    slower = (0.05, -0.05, 0.04, -0.06, 0.05, -0.03)
    launches = sitting(TRUTH, 6, noise=0.003, speed=slower)
    against = sitting({small: 1e-4}, 6, noise=0.003, speed=tuple(-s for s in slower), seed=1)
    alone = [Launch(small, 6 + i, one.samples_s) for i, one in enumerate(against)]
    found = levels([*launches, *against, *alone], 50)
    assert found.feels[small] == 0.0
    assert [found.speeds[6 + i] for i in range(6)] == pytest.approx(6 * [found.speeds[6]])
    assert np.exp(found.of[small]) == pytest.approx(1e-4, rel=0.03)


def test_a_freak_launch_counts_little() -> None:
    launches = sitting(TRUTH, 6, noise=0.003)
    odd = launches[0]
    launches[0] = Launch(odd.options, odd.sweep, tuple(2 * s for s in odd.samples_s))
    found = levels(launches, 50)
    assert np.exp(found.of[odd.options]) == pytest.approx(TRUTH[odd.options], rel=0.02)


def test_speeds_are_not_believed_where_launches_do_not_agree() -> None:
    found = levels(sitting(TRUTH, 5, noise=0.03), 50)
    assert max(abs(speed) for speed in found.speeds.values()) < 0.015


SMALL, LARGE = (
    {network(i): at_s * (1 + i / 50) for i in numbers}
    for at_s, numbers in ((0.5e-3, range(20, 28)), (3e-3, range(30, 42)))
)


def crowded(sweeps: int, seed: int, *, common: float = 0.03) -> tuple[list[Launch], list[float]]:
    """Neighbours slow large networks down, together and each; small ones feel nothing of it."""
    rng = np.random.default_rng(seed)
    found, speeds = [], (common * rng.standard_normal(sweeps)).tolist()
    for sweep in range(sweeps):
        for options, level_s in {**SMALL, **LARGE}.items():
            large = options in LARGE
            slower = speeds[sweep] * large + (0.03 if large else 0.004) * rng.standard_normal()
            samples = level_s * np.exp(slower + 0.01 * rng.standard_normal(RUNS))
            found.append(Launch(options, sweep, tuple(float(s) for s in samples)))
    return found, speeds


def test_small_networks_are_steadier_and_feel_less() -> None:
    found = levels(crowded(8, 0)[0], 50)
    small, large = found.spread_at(np.log(0.73e-3)), found.spread_at(np.log(5.2e-3))
    assert small < 0.008
    assert 0.022 < large < 0.04
    assert small < found.spread < large
    assert found.feel_at(np.log(0.73e-3)) < 0.4 < 0.8 < found.feel_at(np.log(5.2e-3))
    for options, level_s in SMALL.items():
        assert np.exp(found.of[options]) == pytest.approx(level_s, rel=0.005)


def test_what_neighbours_do_to_large_networks_is_taken_out_of_them_alone() -> None:
    """Half of the large networks were launched only in sweeps that were slow for large ones."""
    launches, speeds = crowded(10, 3)
    slow = {i for i in range(10) if speeds[i] > np.median(speeds)}
    half = list(LARGE)[::2]
    seen = [one for one in launches if one.options not in half or one.sweep in slow]
    found = levels(seen, 50)
    off = np.mean([found.of[o] - np.log(LARGE[o]) for o in half])
    rest = np.mean([found.of[o] - np.log(LARGE[o]) for o in LARGE if o not in half])
    unequal = np.mean([speeds[i] for i in slow]) - np.mean(speeds)
    assert unequal > 0.02
    assert abs(off - rest) < 0.5 * unequal
    for options, level_s in SMALL.items():
        assert np.exp(found.of[options]) == pytest.approx(level_s, rel=0.005)


def test_head_room_is_found_for_networks_as_slow_as_the_budget() -> None:
    launches, _ = crowded(20, 1)
    small, large = room(launches, budget_s=0.73e-3), room(launches, budget_s=5.2e-3)
    assert small.share < large.share
    assert small.needed + 0.01 < large.needed
    assert small.error < 0.3 * large.error


@given(st.lists(st.tuples(st.floats(-9, 9), st.floats(0.1, 9)), min_size=1))
def test_half_of_the_weight_lies_on_each_side_of_a_weighted_median(
    pairs: list[tuple[float, float]],
) -> None:
    values, weights = (np.array(column) for column in zip(*pairs, strict=True))
    found = weighted_median(values, weights)
    assert found in values
    half = weights.sum() / 2 * (1 + 1e-9)
    assert weights[values < found].sum() <= half
    assert weights[values > found].sum() <= half


def test_a_single_launch_has_a_level() -> None:
    (only,) = levels([Launch(network(0), 0, (1e-3, 2e-3, 3e-3))], 50).of.values()
    assert np.exp(only) == pytest.approx(2e-3)


@pytest.fixture(scope="module")
def table() -> LatencyTable:
    return synthetic.table()


def measured(table: LatencyTable, truth_s: dict[Options, float]) -> Levels:
    anchors = {n.options: synthetic.network_s(SPACE, n.options) for n in table.networks[:3]}
    return levels(sitting({**anchors, **truth_s}, 4, noise=0.002), 50)


def test_dear_blocks_become_dear(table: LatencyTable) -> None:
    """One option is 20 % dearer than its table says: networks with it say so."""
    anchors = [n.options for n in table.networks[:3]]
    first = predictor(table)
    networks = [(7, *network(i)[1:]) for i in range(6)]
    extra_s = 0.2 * float(first.option_costs[0][7])
    truth = {o: synthetic.network_s(SPACE, o) + extra_s for o in networks}
    found = corrected(table, 50, measured(table, truth), anchors)
    fresh = (7, *network(99)[1:])
    true_s = synthetic.network_s(SPACE, fresh) + extra_s
    before, after = (abs(m.predict_s(fresh) / true_s - 1) for m in (first, found.model))
    assert after < 0.5 * before
    for options, level_s in truth.items():
        assert np.exp(found.believed[options]) == pytest.approx(level_s, rel=0.01)
        assert 0 < found.error[options] < 0.01


def test_a_slower_machine_slows_every_prediction(table: LatencyTable) -> None:
    anchors = [n.options for n in table.networks[:3]]
    truth = {network(i): 1.15 * synthetic.network_s(SPACE, network(i)) for i in range(6)}
    truth |= {o: 1.15 * synthetic.network_s(SPACE, o) for o in anchors}
    found = corrected(table, 50, levels(sitting(truth, 4, noise=0.002), 50), anchors)
    fresh = network(99)
    expected_s = 1.15 * synthetic.network_s(SPACE, fresh)
    assert found.model.predict_s(fresh) == pytest.approx(expected_s, rel=0.02)


def room(
    launches: list[Launch], shifts: tuple[float, ...] = (), budget_s: float = 1.5e-3
) -> Headroom:
    found = levels(launches, 50)
    return headroom(launches, found, np.log(budget_s), 50, 0.95, shifts, 60.0, 12, 1)


def test_noise_and_what_is_remembered_ask_for_head_room() -> None:
    quiet = room(sitting(TRUTH, 10, noise=0.002, runs=0.01))
    rough = room(sitting(TRUTH, 10, noise=0.03, runs=0.03))
    burnt = room(sitting(TRUTH, 10, noise=0.002, runs=0.01), (0.03, 0.03, 0.03, 0.04))
    assert LEAST <= quiet.share <= 0.028
    assert quiet.needed < rough.needed
    assert quiet.needed < burnt.needed
    assert burnt.shift > 2 * quiet.shift
    assert room(sitting(TRUTH, 10, noise=0.3)).share == MOST
    assert room(sitting(TRUTH, 10, noise=0.3)).needed > 0.12


def test_good_memories_ask_for_less() -> None:
    launches = sitting(TRUTH, 10, noise=0.002, runs=0.01)
    assert room(launches, (0.001,) * 30).needed < room(launches).needed


def at(percentile: float = 50.0, where: str = "here", **latency_s: float) -> Sitting:
    return Sitting(
        ended="2026-01-31T12:00:00Z", where=where, percentile=percentile, latency_s=latency_s
    )


def test_sittings_are_compared_with_the_last_one_that_has_the_same_networks() -> None:
    past = (
        at(a=1.0, b=2.0),
        at(c=1.0),  # nothing in common with the one before
        at(where="there", a=5.0),
        at(percentile=95.0, a=5.0),
        at(a=1.03, b=2.06),
    )
    assert sittings.shifts(past, "here", 50.0) == pytest.approx([np.log(1.03)])
    assert sittings.shifts(past[:2], "here", 50.0) == ()


def test_a_file_that_takes_longer_than_before_tells_of_the_machine() -> None:
    past = (at(a=1e-3), at(a=2e-3), at(where="there", a=5e-3), at(percentile=95.0, a=5e-3))
    assert sittings.moved(past, "here", 50.0, "a", 2.1e-3) == (
        "the same file took 2 ms in the sitting of 2026-01-31T12:00:00Z, now 5.0% more: "
        "the machine is slower than it was then"
    )
    assert "10.0% less: the machine is faster" in sittings.moved(past, "here", 50.0, "a", 1.8e-3)
    assert sittings.moved(past, "here", 50.0, "a", 2.03e-3) == ""
    assert sittings.moved(past, "here", 50.0, "b", 2.1e-3) == ""
    assert sittings.moved(past, "elsewhere", 50.0, "a", 2.1e-3) == ""
