from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgnas_deploy.solver import enumeration, spending
from sgnas_deploy.solver.spending import UNUSED

NETWORKS = np.array(list(itertools.product(range(3), repeat=3)), np.int64)[::2]


def case(seed: int) -> tuple[list[np.ndarray], list[np.ndarray], list[np.ndarray]]:
    rng = np.random.default_rng(seed)
    costs = [rng.uniform(0, 1, 3).round(1) for _ in range(3)]
    scores = [rng.normal(size=(5, 3)).round(1) for _ in range(3)]
    bonus = [rng.uniform(0, 1, 3) for _ in range(3)]
    return costs, scores, bonus


@given(st.integers(0, 10_000))
def test_the_best_of_all_networks_within_each_budget(seed: int) -> None:
    costs, scores, _ = case(seed)
    budgets = np.random.default_rng(seed + 1).uniform(0, 3, 5)
    found = enumeration.solve(NETWORKS, costs, scores, budgets)
    for i, (solution, budget) in enumerate(zip(found, budgets, strict=True)):
        every = [
            (float(np.cumsum([s[i, o] for s, o in zip(scores, own, strict=True)])[-1]),
             float(np.cumsum([c[o] for c, o in zip(costs, own, strict=True)])[-1]))
            for own in NETWORKS.tolist()
        ]  # fmt: skip
        within = [(score, -cost) for score, cost in every if cost <= budget]
        if not within:
            assert solution is None
        else:
            assert solution is not None
            assert solution.cost <= budget
            assert list(solution.options) in NETWORKS.tolist()
            assert (solution.score, -solution.cost) == max(within)


@given(st.integers(0, 10_000))
def test_a_bonus_never_leaves_more_unused(seed: int) -> None:
    costs, scores, bonus = case(seed)
    budgets = np.random.default_rng(seed + 1).uniform(0.5, 3, 5)
    plain = enumeration.solve(NETWORKS, costs, scores, budgets)
    spent = enumeration.solve(NETWORKS, costs, scores, budgets, bonus)
    most = max(
        NETWORKS.tolist(), key=lambda own: sum(b[o] for b, o in zip(bonus, own, strict=True))
    )
    for one, other, budget in zip(plain, spent, budgets, strict=True):
        if one is None:
            assert other is None
            continue
        assert other is not None
        assert other.cost <= budget
        # The network of the highest bonus may cost less; else the budget is used up more.
        assert other.cost >= one.cost or list(other.options) == most


def test_a_budget_that_the_scores_fill_is_left_alone() -> None:
    costs = [np.array([1.0, 2.0]), np.array([1.0, 2.0])]
    scores = [np.array([[0.0, 1.0]]), np.array([[1.0, 0.0]])]
    bonus = [np.array([0.0, 1.0]), np.array([0.0, 1.0])]
    networks = np.array(list(itertools.product(range(2), repeat=2)), np.int64)
    [found] = enumeration.solve(networks, costs, scores, np.array([3.0]), bonus)
    assert found is not None
    assert found.options == (1, 0)
    assert found.score == 2.0


def test_the_rule_is_that_of_the_other_solver() -> None:
    """Where every combination is a network, both spend about as much."""
    rng = np.random.default_rng(0)
    networks = np.array(list(itertools.product(range(5), repeat=5)), np.int64)
    costs = [np.sort(rng.uniform(0, 1, 5)) for _ in range(5)]
    scores = [rng.normal(size=(20, 5)) for _ in range(5)]
    budgets = np.linspace(1.5, 3.5, 20)
    first = spending.solve(costs, scores, costs, budgets)
    second = enumeration.solve(networks, costs, scores, budgets, costs)
    for budget, one, other in zip(budgets, first, second, strict=True):
        assert one is not None
        assert other is not None
        assert budget - other.cost <= max(budget - one.cost, UNUSED * budget) + 0.05 * budget


def test_numbers_that_are_not_finite_are_refused() -> None:
    costs, scores, _ = case(0)
    costs[0][0] = np.nan
    with pytest.raises(ValueError, match="not finite"):
        enumeration.solve(NETWORKS, costs, scores, np.ones(5))
