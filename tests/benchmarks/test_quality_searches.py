from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.quality_parts import searches
from benchmarks.quality_parts.searches import Evolution, Settings
from sgnas_deploy import spaces
from sgnas_deploy.generator.scale import option_macs, scale_of
from tests.generator.models import model

SPACE = spaces.load("tiny")
MODEL = model("tiny")
SCALE = scale_of(MODEL, SPACE)
SETTINGS = Settings(population=10, generations=6, parents=4)


class Table:
    """Right answers that are a known function of the options; counts who asks what."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, ...]] = []
        self.operations = option_macs(SPACE)

    def right(self, networks: Sequence[tuple[int, ...]]) -> list[int]:
        self.asked += networks
        return [self.of(options) for options in networks]

    def of(self, options: tuple[int, ...]) -> int:
        chosen = zip(self.operations, options, strict=True)
        return int(100 * sum(np.sqrt(own[option]) for own, option in chosen))


def budget_s(share: float) -> float:
    return SCALE.fastest_s + share * (SCALE.slowest_s - SCALE.fastest_s)


def run(shares: Sequence[float], seed: int = 0) -> tuple[list[searches.Found], Table]:
    looks = Table()
    evolutions = [
        Evolution(SPACE, MODEL, budget_s(share), SETTINGS, [seed, number])
        for number, share in enumerate(shares)
    ]
    return searches.evolve(evolutions, SETTINGS, looks), looks


@given(st.floats(0.02, 1.0), st.integers(0, 99))
def test_no_network_exceeds_the_budget(share: float, seed: int) -> None:
    evolution = Evolution(SPACE, MODEL, budget_s(share), SETTINGS, [seed])
    looks = Table()
    seen: set[tuple[int, ...]] = set()
    for _ in range(3):
        asked = evolution.ask()
        assert len(asked) == SETTINGS.population
        assert all(MODEL.predict_s(options) <= budget_s(share) for options in asked)
        assert len(set(asked)) == len(asked)
        assert not seen & set(asked)
        seen |= set(asked)
        evolution.tell(asked, looks.right(asked))
    assert evolution.found.options in seen
    assert evolution.found.right == max(looks.of(options) for options in seen)


def test_evolution_improves_and_says_how() -> None:
    [found], _ = run([0.5])
    assert found.looked == SETTINGS.looks == 70
    assert len(found.history) == SETTINGS.generations + 1
    assert list(found.history) == sorted(found.history)
    assert found.history[-1] == found.right > found.history[0]


def test_searches_side_by_side_are_those_one_after_another() -> None:
    together, _ = run([0.3, 0.6])
    looks = Table()
    for number, share in enumerate([0.3, 0.6]):
        alone = Evolution(SPACE, MODEL, budget_s(share), SETTINGS, [0, number])
        assert searches.evolve([alone], SETTINGS, looks) == [together[number]]
    other, _ = run([0.3, 0.6], seed=1)
    assert [one.options for one in other] != [one.options for one in together]


def test_children_come_of_the_best() -> None:
    evolution = Evolution(SPACE, MODEL, budget_s(1.0), SETTINGS, [0])
    first = evolution.ask()
    looks = Table()
    evolution.tell(first, looks.right(first))
    best = sorted(first, key=looks.of)[-SETTINGS.parents :]
    for child in evolution.ask()[SETTINGS.population // 2 :]:
        # Crossed: every decision is that of a parent.
        assert all(option in {p[d] for p in best} for d, option in enumerate(child))


def test_random_samples_are_shared_between_budgets() -> None:
    budgets = [budget_s(share) for share in (0.2, 0.5, 0.9)]
    samples = searches.random_samples(SPACE, MODEL, budgets, 40, [0])
    for own, budget in zip(samples, budgets, strict=True):
        assert len(set(own)) == 40
        assert all(MODEL.predict_s(options) <= budget for options in own)
    # One stream: what a small budget took early, a larger one has too.
    assert set(samples[0]) & set(samples[2])
    assert len({o for own in samples for o in own}) < 120
    looks = Table()
    found = searches.best_sample(samples[1], MODEL, looks)
    assert found.right == max(looks.of(options) for options in samples[1])
    assert found.looked == 40


def test_a_budget_that_nothing_keeps_is_told() -> None:
    below = SCALE.fastest_s * 0.99
    with pytest.raises(RuntimeError, match="no further network"):
        Evolution(SPACE, MODEL, below, SETTINGS, [0]).ask()
    with pytest.raises(RuntimeError, match="too few networks"):
        searches.random_samples(SPACE, MODEL, [below], 1, [0])
