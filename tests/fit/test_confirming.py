"""How long a network is launched before its verdict is given up."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sgnas_deploy.events import NullReporter
from sgnas_deploy.fitting.budget import Budget
from sgnas_deploy.fitting.candidates import Candidates
from sgnas_deploy.fitting.confirming import ATTEMPTS, MOST_LAUNCHES, Confirmation, Judged
from sgnas_deploy.fitting.levels import Launch
from sgnas_deploy.tables import predictor
from tests.fit.test_candidates import measured, network, question
from tests.tables import synthetic


@pytest.mark.parametrize(
    ("attempt", "gap", "timed_s", "over"),
    [
        (1, 0.005, 20.0, True),  # another one takes its place, even if it passed
        (1, 0.03, 20.0, False),  # it would stay: only noise is in the way
        (1, 0.03, 60.0, True),
        (ATTEMPTS, 0.005, 20.0, False),  # no other will be tried
        (ATTEMPTS, 0.005, 60.0, True),
        (ATTEMPTS, -0.005, 20.0, True),  # above the budget, time does not help
    ],
)
def test_who_would_stay_gets_all_the_time(
    attempt: int, gap: float, timed_s: float, over: bool
) -> None:
    table = synthetic.table()
    model = predictor(table)
    known = measured(table, model)
    known.measure_range()
    asked = question(table)
    confirmation = Confirmation(asked, known, Candidates(asked, known), NullReporter())
    budget = Budget(float(np.mean(model.range_s)))
    launches = (Launch(network(0), 0, (timed_s / MOST_LAUNCHES / 5,) * 5),) * MOST_LAUNCHES
    judged = Judged("UNDECIDED", launches, budget.level + math.log1p(-gap))
    assert confirmation.is_over(budget, attempt, judged) == over


@pytest.mark.parametrize(
    ("below_target", "attempt", "open_"),
    [
        (0.003, 1, False),
        (0.012, 1, True),  # 95.5 % are used, but more could be
        (0.012, ATTEMPTS, False),
    ],
)
def test_a_pass_that_uses_too_little_is_kept_and_the_search_goes_on(
    below_target: float, attempt: int, open_: bool
) -> None:
    table = synthetic.table()
    known = measured(table, predictor(table))
    known.measure_range()
    asked = question(table)
    confirmation = Confirmation(asked, known, Candidates(asked, known), NullReporter())
    chosen = next(o for o in known.now.believed if o not in known.ends)
    share = 0.03
    level = known.now.believed[chosen] + below_target - math.log1p(-share)
    budget = Budget(math.exp(level), chosen=chosen, verdict="PASS")
    confirmation._conclude(budget, attempt, share)
    assert budget.kept == chosen
    assert budget.kept_fits
    assert budget.open == open_
