from __future__ import annotations

import numpy as np
import pytest

from sgnas_deploy.bench import choosing, csvs
from sgnas_deploy.bench.features import features
from sgnas_deploy.bench.report import judged, ranks, spearman
from sgnas_deploy.bench.surrogate import Surrogate
from sgnas_deploy.spaces.cell import canonical, canonical_networks
from tests.nasbench201 import synthetic
from tests.nasbench201.synthetic import EVERY


def fitted(dead_edges: bool, count: int = 50) -> tuple[Surrogate, tuple[tuple[int, ...], ...]]:
    truth = synthetic.latencies(dead_edges)
    samples = choosing.choose(EVERY, count, seed=0)
    return Surrogate(samples, np.array([truth[o] for o in samples])), samples


@pytest.mark.parametrize("dead_edges", [True, False])
def test_the_samples_tell_whether_dead_edges_are_executed(dead_edges: bool) -> None:
    surrogate, samples = fitted(dead_edges)
    assert {s.spelling for s in surrogate.settings} == {"written" if dead_edges else "live"}
    rest = [o for o in EVERY if o not in set(samples)][::9]
    true_s = np.array([synthetic.latencies(dead_edges)[o] for o in rest])
    report = judged("sgnas", surrogate.predict_s(rest), true_s)
    # The noise alone makes a median error of 0.7 %.
    assert report.median_error < 0.02
    assert report.spearman is not None
    assert report.spearman > 0.99


def test_the_stated_residuals_are_those_of_others() -> None:
    surrogate, samples = fitted(True)
    rest = [o for o in EVERY if o not in set(samples)][::9]
    errors = np.abs(
        surrogate.predict_s(rest) / np.array([synthetic.latencies(True)[o] for o in rest]) - 1
    )
    assert len(surrogate.residuals) == len(samples)
    # Chosen samples are the hardest ones, so the statement errs on the safe side, if at all.
    assert float(np.median(errors)) < 2 * float(np.median(np.abs(surrogate.residuals)))


def test_few_samples_are_enough_to_begin() -> None:
    surrogate, _ = fitted(True, 4)
    predicted = surrogate.predict_s(EVERY[:50])
    assert bool((predicted > 0).all())
    with pytest.raises(ValueError, match="4 samples"):
        Surrogate(EVERY[:3], np.ones(3))


def test_equal_samples_predict_what_they_are() -> None:
    surrogate = Surrogate(EVERY[:9], np.full(9, 0.005))
    assert surrogate.predict_s(EVERY[100:110]) == pytest.approx(0.005, rel=1e-6)


def test_the_design_beats_chance() -> None:
    """Chosen samples leave less variance than random ones: fewer far-off predictions."""
    truth = synthetic.latencies(False)
    rng = np.random.default_rng(0)
    rest = [EVERY[int(i)] for i in rng.permutation(len(EVERY))[:600]]
    true_s = np.array([truth[o] for o in rest])

    def worst(samples: tuple[tuple[int, ...], ...]) -> float:
        found = Surrogate(samples, np.array([truth[o] for o in samples])).predict_s(rest)
        return float(np.percentile(np.abs(found / true_s - 1), 95))

    chance = [
        worst(tuple(EVERY[int(i)] for i in rng.permutation(len(EVERY))[:20])) for _ in range(5)
    ]
    assert worst(choosing.choose(EVERY, 20, seed=0)) < np.median(chance)


def test_the_design_takes_distinct_networks_that_are_there() -> None:
    there = EVERY[::50]
    chosen = choosing.choose(there, 40, seed=1)
    assert len(set(chosen)) == 40
    assert set(chosen) <= set(there)
    assert choosing.choose(there, 40, seed=1) == chosen
    assert len(choosing.choose(there[:10], 40, seed=1)) == 10


def test_live_features_are_those_of_the_canonical_cell() -> None:
    some = EVERY[::200]
    live = features(some, "live")
    own = features([canonical(o) or (0,) * 6 for o in some], "written")
    assert np.array_equal(live.counts, own.counts)
    assert np.array_equal(live.shape, own.shape)


def test_the_shape_of_a_cell_by_hand() -> None:
    # 3x3 to node 1, skip 1 to 2, pool 2 to 3, 1x1 from the input to 3.
    [shape] = features([(3, 0, 1, 2, 0, 4)], "written").shape
    assert shape.tolist() == [2.0, 1.0, 1.0, 3.0]


def test_ranks_share_ties() -> None:
    assert ranks(np.array([3.0, 1.0, 3.0, 2.0])).tolist() == [3.5, 1.0, 3.5, 2.0]
    assert spearman(np.array([1.0, 2, 3]), np.array([2.0, 4, 9])) == pytest.approx(1)
    assert spearman(np.array([1.0, 2, 3]), np.array([1.0, 1, 1])) is None


def test_no_more_latencies_are_given_than_allowed() -> None:
    table = csvs.Latencies(synthetic.latencies(True), allowance=2)
    assert table.look_up(EVERY[0]) == table.look_up(EVERY[0])
    table.look_up(EVERY[1])
    assert table.looked_up == 2
    with pytest.raises(AssertionError, match="more than 2"):
        table.look_up(EVERY[2])


def test_all_canonical_networks_are_spellings() -> None:
    assert {tuple(o) for o in canonical_networks().tolist()} <= set(EVERY)
