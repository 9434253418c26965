from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sgnas_deploy import solver, spaces
from sgnas_deploy.generator.scale import option_macs
from sgnas_deploy.solver import lattice

Arrays = list[npt.NDArray[np.float64]]


@st.composite
def problems(draw: st.DrawFn) -> tuple[Arrays, Arrays]:
    counts = draw(st.lists(st.integers(1, 5), min_size=1, max_size=5))
    unit = draw(st.sampled_from([1, 3, 4096]))
    costs = [np.array(draw(st.lists(st.floats(0, 10), min_size=n, max_size=n))) for n in counts]
    whole = st.integers(-6, 6).map(lambda k: float(k * unit))
    scores = [np.array(draw(st.lists(whole, min_size=n, max_size=n))) for n in counts]
    return costs, scores


@settings(max_examples=300, deadline=None)
@given(problems(), st.floats(-0.1, 1.2))
def test_equals_brute_force_and_takes_the_cheapest(
    problem: tuple[Arrays, Arrays], share: float
) -> None:
    costs, scores = problem
    low, high = solver.feasible_range(costs)
    budget = low + share * (high - low)
    (found,) = solver.solve(costs, scores, np.array([budget]))
    within = []
    for options in itertools.product(*(range(len(c)) for c in costs)):
        cost = score = 0.0
        for d, o in enumerate(options):
            cost, score = cost + float(costs[d][o]), score + float(scores[d][o])
        if cost <= budget:
            within.append((score, -cost))
    if not within:
        assert found is None
    else:
        assert found is not None
        assert (found.score, -found.cost) == max(within)
        assert found.gap == 0.0


def test_operations_of_the_published_space_are_a_small_lattice() -> None:
    whole = [np.rint(m * 1e6) for m in option_macs(spaces.load("imagenet"))]
    levels = lattice.levels_of(whole)
    assert levels is not None
    for level, score in zip(levels, whole, strict=True):
        above = score - score.min()
        assert level[above == 0].max() == 0
        assert len(np.unique(above[level > 0] / level[level > 0])) == 1


def test_agrees_with_the_search_for_any_scores() -> None:
    rng = np.random.default_rng(0)
    costs = [rng.uniform(0.1, 2.0, 40) for _ in range(9)]
    scores = [np.rint(c * 50 + rng.normal(0, 5, 40)) for c in costs]
    low, high = solver.feasible_range(costs)
    budgets = np.linspace(low, high, 20)
    own = [np.broadcast_to(s, (20, 40)) for s in scores]
    searched = solver.solve_each(costs, own, budgets)
    for one, other in zip(solver.solve(costs, scores, budgets), searched, strict=True):
        assert one is not None
        assert other is not None
        assert one.score == other.score
        assert one.cost <= other.cost


@pytest.mark.parametrize(
    "scores",
    [[0.5, 1.0], [0.0, 2.0**53], [0.0, 1.0, float(lattice.LEVELS)]],
    ids=["fractions", "too large", "too many sums"],
)
def test_other_scores_are_searched(scores: list[float]) -> None:
    assert lattice.levels_of([np.array(scores)]) is None
    costs = [np.arange(len(scores), dtype=np.float64)]
    (found,) = solver.solve(costs, [np.array(scores)], np.array([100.0]))
    assert found is not None
    assert found.score == max(scores)


def test_equal_scores_are_one_level() -> None:
    assert [list(a) for a in lattice.levels_of([np.full(3, 7.0)]) or ()] == [[0, 0, 0]]
