"""Neighbours of measured networks, and what is left of the selection bias."""

from __future__ import annotations

import numpy as np
import pytest

from sgnas_deploy import spaces
from sgnas_deploy.events import NullReporter
from sgnas_deploy.fitting.levels import Launch, Options
from sgnas_deploy.fitting.measured import CONFIRMING, Measured
from sgnas_deploy.fitting.neighbours import best_neighbour
from sgnas_deploy.fitting.question import Question
from sgnas_deploy.generator.scale import option_macs
from sgnas_deploy.tables import LatencyTable, Predictor, predictor
from tests.tables import synthetic

SPACE = spaces.load("tiny")
SCORES = option_macs(SPACE)


@pytest.fixture(scope="module")
def table() -> LatencyTable:
    return synthetic.table()


@pytest.fixture(scope="module")
def model(table: LatencyTable) -> Predictor:
    return predictor(table)


def network(number: int) -> Options:
    return tuple(int(o) for o in SPACE.sample(np.random.default_rng(number)))


def neighbours(options: Options) -> list[Options]:
    return [
        (*options[:i], o, *options[i + 1 :])
        for i, count in enumerate(SPACE.option_counts)
        for o in range(count)
        if o != options[i]
    ]


def score(options: Options) -> float:
    return sum(float(s[o]) for s, o in zip(SCORES, options, strict=True))


@pytest.mark.parametrize("number", range(5))
def test_the_best_neighbour_is_the_best_of_all(model: Predictor, number: int) -> None:
    """By trying every network that differs in one layer."""
    own = network(number)
    off = 0.03  # the network was measured that much slower than predicted
    level = np.log(model.predict_s(own)) + off
    between = (level + 0.01, level + 0.03)
    inside = [
        o for o in neighbours(own) if between[0] < np.log(model.predict_s(o)) + off <= between[1]
    ]
    found = best_neighbour(model, SCORES, own, level, between, ())
    assert inside
    assert found is not None
    assert found in inside
    assert score(found) == pytest.approx(max(map(score, inside)))
    other = best_neighbour(model, SCORES, own, level, between, {found})
    assert other != found
    assert best_neighbour(model, SCORES, own, level, between, inside) is None


def test_nothing_lies_in_an_empty_interval(model: Predictor) -> None:
    own = network(0)
    level = np.log(model.predict_s(own))
    assert best_neighbour(model, SCORES, own, level, (level + 9, level + 10), ()) is None


class Steady:
    """A device without noise: small networks take what is predicted, large ones 4 % more."""

    def __init__(self, model: Predictor, from_s: float) -> None:
        self._model, self._from_s = model, from_s

    def launch(self, options: Options, sweep: int) -> Launch:
        predicted_s = self._model.predict_s(options)
        own_s = predicted_s * (1.04 if predicted_s > self._from_s else 1.0)
        return Launch(options, sweep, (own_s,) * 5)


def question(table: LatencyTable, margin: float | None = None) -> Question:
    return Question(
        table=table,
        space=SPACE,
        scores=lambda found, scale, targets_s: [
            np.broadcast_to(m, (len(targets_s), len(m))) for m in SCORES
        ],
        operations=None,
        budgets_s=(),
        count=5,
        percentile=50.0,
        confidence=0.95,
        rounds=1,
        margin=margin,
        max_seconds=60.0,
        shifts=(),
    )


def measured(table: LatencyTable, model: Predictor) -> Measured:
    middle_s = float(np.mean(model.range_s))
    return Measured(question(table), Steady(model, middle_s), NullReporter())


def test_the_bias_is_that_of_networks_of_the_size(table: LatencyTable, model: Predictor) -> None:
    found = measured(table, model)
    new = tuple(dict.fromkeys(network(i) for i in range(40)))
    found.measure_range()
    assert found.bias(0.0) == 0.0
    for options in new:
        found.expect(options)
    found.turns("all", (*new, *found.anchors), 2)
    found.learn()
    found.compare(new)
    low_s, high_s = model.range_s
    # The correction after `measure_range` has met the two half-way.
    small, large = found.bias(np.log(low_s * 1.2)), found.bias(np.log(high_s * 0.9))
    assert small < 0.005
    assert large > 0.01


def test_what_repeats_needs_few_launches(table: LatencyTable, model: Predictor) -> None:
    found = measured(table, model)
    found.measure_range()
    assert found.how_often() == 3
    assert found.confirming(np.log(model.range_s[1])) == CONFIRMING[0]
    found.keep_free(model.range_s)
    assert 0.02 < found.room().share < 0.03
    assert found.free(np.log(model.range_s[0])) == found.free(np.log(model.range_s[0]) - 1)
