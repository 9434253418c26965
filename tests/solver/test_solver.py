from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sgnas_deploy import solver
from sgnas_deploy.solver import exact, relaxation, spending

Arrays = list[npt.NDArray[np.float64]]

# Small whole numbers make ties and exact hits likely; floats make rounding likely.
NUMBERS = st.one_of(
    st.integers(0, 6).map(float),
    st.floats(0, 10, allow_subnormal=False),
)


@st.composite
def problems(draw: st.DrawFn) -> tuple[Arrays, Arrays]:
    counts = draw(st.lists(st.integers(1, 5), min_size=1, max_size=5))
    costs = [np.array(draw(st.lists(NUMBERS, min_size=n, max_size=n))) for n in counts]
    scores = [np.array(draw(st.lists(NUMBERS, min_size=n, max_size=n))) - 5 for n in counts]
    return costs, scores


def everything(costs: Arrays, scores: Arrays) -> list[tuple[float, float]]:
    """(cost, score) of each network, summed over the decisions in order."""
    found = []
    for options in itertools.product(*(range(len(c)) for c in costs)):
        cost = score = 0.0
        for d, o in enumerate(options):
            cost, score = cost + float(costs[d][o]), score + float(scores[d][o])
        found.append((cost, score))
    return found


def random_table(
    seed: int, layers: int = 19, options: int = 83
) -> tuple[Arrays, Arrays, npt.NDArray[np.float64]]:
    """Scores that grow with cost, as accuracy does, and budgets over the range."""
    rng = np.random.default_rng(seed)
    costs = [rng.uniform(0.1, 2.0, options) * rng.uniform(0.3, 2) for _ in range(layers)]
    scores = [np.log(c) * 2 + rng.normal(0, 0.5, options) for c in costs]
    low, high = solver.feasible_range(costs)
    return costs, scores, np.linspace(low, high, 9)


@settings(max_examples=300, deadline=None)
@given(problems(), st.floats(-0.2, 1.2))
def test_equals_brute_force(problem: tuple[Arrays, Arrays], share: float) -> None:
    costs, scores = problem
    low, high = solver.feasible_range(costs)
    budget = low + share * (high - low)
    (found,) = solver.solve(costs, scores, np.array([budget]))
    within = [score for cost, score in everything(costs, scores) if cost <= budget]
    if not within:
        assert found is None
    else:
        assert found is not None
        assert found.cost <= budget
        assert found.score == max(within)
        assert found.gap == 0.0


@settings(max_examples=200, deadline=None)
@given(problems(), st.data())
def test_a_budget_that_a_network_meets_exactly_admits_it(
    problem: tuple[Arrays, Arrays], data: st.DataObject
) -> None:
    costs, scores = problem
    cost, score = data.draw(st.sampled_from(everything(costs, scores)))
    (found,) = solver.solve(costs, scores, np.array([cost]))
    assert found is not None
    assert found.score >= score


@settings(max_examples=200, deadline=None)
@given(problems())
def test_the_least_budget_is_feasible_and_the_next_below_is_not(
    problem: tuple[Arrays, Arrays],
) -> None:
    costs, scores = problem
    low, _ = solver.feasible_range(costs)
    at, below = solver.solve(costs, scores, np.array([low, np.nextafter(low, -np.inf)]))
    assert at is not None
    assert at.cost == low
    assert below is None


@settings(max_examples=200, deadline=None)
@given(problems(), st.lists(st.floats(0, 40), min_size=2, max_size=6))
def test_a_larger_budget_never_gets_a_lower_score_whatever_the_call(
    problem: tuple[Arrays, Arrays], budgets: list[float]
) -> None:
    costs, scores = problem
    rising = sorted(budgets)
    apart = [solver.solve(costs, scores, np.array([b]))[0] for b in rising]
    together = solver.solve(costs, scores, np.array(rising))
    assert apart == list(together)
    found = [s.score if s else -np.inf for s in together]
    assert found == sorted(found)


@settings(max_examples=100, deadline=None)
@given(problems(), st.floats(0.1, 0.9))
def test_any_price_and_any_start_lead_to_the_same_score(
    problem: tuple[Arrays, Arrays], share: float
) -> None:
    costs, scores = problem
    low, high = solver.feasible_range(costs)
    budget = low + share * (high - low)
    cost, score = solver.padded(costs), solver.padded(scores)
    cheapest = cost.argmin(axis=1)
    assume(solver.total(cost, cheapest) <= budget)
    (expected,) = solver.solve(costs, scores, np.array([budget]))
    assert expected is not None
    for price in (1e-3, 1.0, 50.0):
        (options,), (gap,) = exact.best(
            cost, score[None], np.array([budget]), np.array([price]), cheapest[None]
        )
        assert solver.total(score, options) == expected.score
        assert gap == 0.0


@pytest.mark.parametrize("seed", range(3))
def test_agrees_with_an_exact_solver_at_full_size(seed: int) -> None:
    from scipy.optimize import Bounds, LinearConstraint, milp

    costs, scores, budgets = random_table(seed)
    c, s = np.array(costs), np.array(scores)
    rows = np.kron(np.eye(len(c)), np.ones(c.shape[1]))
    ones = np.ones(len(c))
    for budget, found in zip(
        budgets[1::3], solver.solve(costs, scores, budgets)[1::3], strict=True
    ):
        assert found is not None
        answer = milp(
            -s.ravel(),
            integrality=np.ones(c.size),
            bounds=Bounds(0, 1),
            constraints=LinearConstraint(
                np.vstack([rows, c.ravel()]), np.append(ones, -np.inf), np.append(ones, budget)
            ),
            options={"mip_rel_gap": 0},
        )
        assert found.score == pytest.approx(-answer.fun, abs=1e-6)


def test_scores_that_equal_costs_stay_within_the_budget_and_report_their_gap() -> None:
    costs, _, budgets = random_table(1, layers=8, options=40)
    found = solver.solve(costs, costs, budgets[1:-1:2])
    for budget, solution in zip(budgets[1:-1:2], found, strict=True):
        assert solution is not None
        assert solution.cost <= budget
        assert solution.score + solution.gap >= budget - 1e-9
        assert 1 - solution.cost / budget < 1e-4
    scores = [s.score for s in found if s]
    assert scores == sorted(scores)


def test_every_budget_is_solved_under_its_own_scores() -> None:
    costs, scores, budgets = random_table(2)
    own = [np.stack([s * (1 + 0.1 * i) for i in range(len(budgets))]) for s in scores]
    own[0][3] = -own[0][3]
    together = solver.solve_each(costs, own, budgets)
    for i, budget in enumerate(budgets):
        (alone,) = solver.solve(costs, [s[i] for s in own], np.array([budget]))
        assert together[i] == alone


def test_more_budgets_than_a_chunk_are_answered_in_order() -> None:
    costs, scores, _ = random_table(3, layers=4, options=6)
    low, high = solver.feasible_range(costs)
    budgets = np.random.default_rng(0).uniform(low * 0.9, high, solver.CHUNK + 7)
    for budget, solution in zip(budgets, solver.solve(costs, scores, budgets), strict=True):
        assert solution == solver.solve(costs, scores, np.array([budget]))[0]


def test_what_a_budget_gets_does_not_depend_on_its_company() -> None:
    # The second table's scores equal its costs: those budgets need the larger searches.
    costs, scores, budgets = random_table(6, layers=7, options=20)
    own = [
        np.stack([c if i % 2 else s for i in range(len(budgets))])
        for c, s in zip(costs, scores, strict=True)
    ]
    together = solver.solve_each(costs, own, budgets)
    for i, budget in enumerate(budgets):
        (alone,) = solver.solve_each(costs, [s[i : i + 1] for s in own], np.array([budget]))
        assert together[i] == alone


def test_layers_that_are_alike_make_no_difference() -> None:
    rng = np.random.default_rng(7)
    cost, score = rng.uniform(0.1, 1, 9), rng.uniform(0, 1, 9)
    costs, scores = [cost] * 4, [score] * 4
    for budget in np.linspace(0.5, 3.0, 7):
        (found,) = solver.solve(costs, scores, np.array([budget]))
        within = [s for c, s in everything(costs, scores) if c <= budget]
        assert (found.score if found else None) == (max(within) if within else None)


def test_equal_options_are_settled_by_cost_then_by_index() -> None:
    costs = [np.array([2.0, 1.0, 1.0])]
    scores = [np.array([5.0, 5.0, 5.0])]
    (found,) = solver.solve(costs, scores, np.array([3.0]))
    assert found is not None
    assert found.options == (1,)


@settings(max_examples=150, deadline=None)
@given(problems(), st.data(), st.floats(-0.1, 1.1))
def test_spending_keeps_the_budget_and_spends_more(
    problem: tuple[Arrays, Arrays], data: st.DataObject, share: float
) -> None:
    costs, scores = problem
    bonus = [
        np.array(data.draw(st.lists(NUMBERS, min_size=len(c), max_size=len(c)))) for c in costs
    ]
    low, high = solver.feasible_range(costs)
    budget = np.array([low + share * (high - low)])
    own = [s[None] for s in scores]
    (plain,) = solver.solve_each(costs, own, budget)
    (spent,) = spending.solve(costs, own, bonus, budget)
    assert (plain is None) == (spent is None)
    if spent is not None:
        assert spent.cost <= budget[0]
        cost, extra = solver.padded(costs), solver.padded(bonus)
        liked = relaxation.first_best(solver.padded(scores), extra)
        richest = relaxation.first_best(extra, solver.padded(scores))
        if max(solver.total(cost, liked), solver.total(cost, richest)) <= budget[0]:
            assert spent.score == max(score for _, score in everything(costs, bonus))


def test_spending_leaves_scores_alone_that_fill_the_budget() -> None:
    costs, scores, budgets = random_table(5)
    eager = [
        np.broadcast_to(s + 3 * c, (len(budgets), len(s)))
        for s, c in zip(scores, costs, strict=True)
    ]
    inner = slice(2, 7)
    own = [s[inner] for s in eager]
    plain = solver.solve_each(costs, own, budgets[inner])
    assert all(
        s is not None and 1 - s.cost / b < 0.005 for s, b in zip(plain, budgets[inner], strict=True)
    )
    assert spending.solve(costs, own, costs, budgets[inner]) == plain


@pytest.mark.parametrize("options", [83, 12])
def test_spending_leaves_little_of_a_budget_that_the_best_network_ignores(options: int) -> None:
    costs, scores, budgets = random_table(4, layers=8, options=options)
    shy = [
        np.broadcast_to(s - 4 * c, (len(budgets), len(s)))
        for s, c in zip(scores, costs, strict=True)
    ]
    bonus = [c**0.9 for c in costs]
    before = solver.solve_each(costs, shy, budgets)
    after = spending.solve(costs, shy, bonus, budgets)
    for budget, a, b in zip(budgets[2:-1], before[2:-1], after[2:-1], strict=True):
        assert a is not None
        assert b is not None
        assert b.cost <= budget
        assert 1 - b.cost / budget <= 0.01 < 1 - a.cost / budget


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_numbers_that_are_not_finite_are_refused(bad: float) -> None:
    good = [np.array([1.0, 2.0])]
    with pytest.raises(ValueError, match="not finite"):
        solver.solve([np.array([1.0, bad])], good, np.array([1.0]))
    with pytest.raises(ValueError, match="not finite"):
        solver.solve(good, [np.array([1.0, bad])], np.array([1.0]))
    with pytest.raises(ValueError, match="not finite"):
        solver.solve(good, good, np.array([bad]))


def test_shapes_that_do_not_fit_are_refused() -> None:
    one, two = np.array([1.0]), np.array([1.0, 2.0])
    with pytest.raises(ValueError, match="do not fit"):
        solver.solve([two], [one], np.array([1.0]))
    with pytest.raises(ValueError, match="1 decisions"):
        solver.solve([two], [two, two], np.array([1.0]))
