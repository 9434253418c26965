"""The rivals that look for themselves: random search and evolution, under hard latency budgets.

Evolution is the usual one of single-path searches: a first population at random, then generations
of half mutations, half crossovers of the best ones so far; what exceeds the budget, or was looked
at before, is drawn again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, final

import numpy as np

from benchmarks.quality_parts.judge import Options
from sgnas_deploy.generator.scale import LatencyModel
from sgnas_deploy.spaces import Space

PATIENCE: Final = 2000
"""Draws for one child before a random network takes its place, and draws for one of those."""


class Looks(Protocol):
    """Where right answers come from."""

    def right(self, networks: Sequence[Options]) -> list[int]:
        """Right answers of each."""


@final
@dataclass(frozen=True)
class Settings:
    """Of a search.

    Attributes:
        population: networks of a generation.
        generations: after the first population.
        parents: the best so far, whose children are the next generation.
        mutation: probability of each decision to be drawn anew.
    """

    population: int = 50
    generations: int = 20
    parents: int = 10
    mutation: float = 0.1

    @property
    def looks(self) -> int:
        """Networks that one search looks at."""
        return self.population * (self.generations + 1)


@final
@dataclass(frozen=True)
class Found:
    """What a search ended with.

    Attributes:
        options: its best network.
        right: answers of that on the search's images.
        looked: different networks that it looked at.
        history: right answers of the best one after each generation.
    """

    options: Options
    right: int
    looked: int
    history: tuple[int, ...]


@final
class Evolution:
    """One search for one budget: `ask` for networks, look at them, `tell`.

    Args:
        space: what is searched.
        model: predicts latencies.
        budget_s: that no network may exceed.
        settings: sizes and rates.
        seed: decides all draws.
    """

    def __init__(
        self,
        space: Space,
        model: LatencyModel,
        budget_s: float,
        settings: Settings,
        seed: Sequence[int],
    ) -> None:
        self._space = space
        self._model = model
        self._budget_s = budget_s
        self._settings = settings
        self._rng = np.random.default_rng(seed)
        self._right: dict[Options, int] = {}
        self._parents: list[Options] = []
        self._history: list[int] = []

    def ask(self) -> list[Options]:
        """The next generation: feasible, different, and not looked at before."""
        chosen: list[Options] = []
        taken = set(self._right)
        self._parents = self._best(self._settings.parents)
        half = self._settings.population // 2
        for number in range(self._settings.population):
            child: Options | None = None
            if self._right:
                child = self._drawn(self._mutated if number < half else self._crossed, taken)
            if child is None:
                child = self._drawn(lambda: self._space.sample(self._rng), taken)
            if child is None:
                raise RuntimeError(f"no further network keeps {self._budget_s!r} s")
            taken.add(child)
            chosen.append(child)
        return chosen

    def tell(self, networks: Sequence[Options], right: Sequence[int]) -> None:
        """Take the right answers of what was asked."""
        self._right.update(zip(networks, right, strict=True))
        self._history.append(self._right[self._best(1)[0]])

    @property
    def found(self) -> Found:
        """The best so far."""
        [options] = self._best(1)
        return Found(options, self._right[options], len(self._right), tuple(self._history))

    def _best(self, count: int) -> list[Options]:
        """The most right answers, the faster network where equal."""

        def rank(options: Options) -> tuple[int, float, Options]:
            return (-self._right[options], self._model.predict_s(options), options)

        return sorted(self._right, key=rank)[:count]

    def _drawn(self, draw: Callable[[], Options], taken: set[Options]) -> Options | None:
        for _ in range(PATIENCE):
            options = draw()
            if options not in taken and self._model.predict_s(options) <= self._budget_s:
                return options
        return None

    def _parent(self) -> Options:
        return self._parents[int(self._rng.integers(len(self._parents)))]

    def _mutated(self) -> Options:
        parent = self._parent()
        counts = self._space.option_counts
        anew = self._rng.random(len(counts)) < self._settings.mutation
        drawn = self._rng.integers(counts)
        return tuple(int(d) if a else p for p, a, d in zip(parent, anew, drawn, strict=True))

    def _crossed(self) -> Options:
        first, second = self._parent(), self._parent()
        other = self._rng.random(len(first)) < 0.5
        return tuple(s if o else f for f, s, o in zip(first, second, other, strict=True))


def evolve(evolutions: Sequence[Evolution], settings: Settings, looks: Looks) -> list[Found]:
    """Run searches side by side, so that what several ask for is looked at once.

    Their results are those of one after the other: none knows of the others.
    """
    for _ in range(settings.generations + 1):
        asked = [evolution.ask() for evolution in evolutions]
        looks.right([options for generation in asked for options in generation])
        for evolution, generation in zip(evolutions, asked, strict=True):
            evolution.tell(generation, looks.right(generation))
    return [evolution.found for evolution in evolutions]


def random_samples(
    space: Space, model: LatencyModel, budgets_s: Sequence[float], count: int, seed: Sequence[int]
) -> list[list[Options]]:
    """For each budget the first `count` different networks of one stream that keep it."""
    rng = np.random.default_rng(seed)
    found: list[list[Options]] = [[] for _ in budgets_s]
    seen: set[Options] = set()
    for _ in range(PATIENCE * count):
        options = space.sample(rng)
        if options in seen:
            continue
        seen.add(options)
        latency_s = model.predict_s(options)
        for own, budget_s in zip(found, budgets_s, strict=True):
            if len(own) < count and latency_s <= budget_s:
                own.append(options)
        if all(len(own) == count for own in found):
            return found
    raise RuntimeError(f"the space has too few networks within {min(budgets_s)!r} s")


def best_sample(samples: Sequence[Options], model: LatencyModel, looks: Looks) -> Found:
    """The sample with the most right answers, the faster one where equal."""
    right = dict(zip(samples, looks.right(samples), strict=True))
    options = min(samples, key=lambda one: (-right[one], model.predict_s(one), one))
    return Found(options, right[options], len(right), (right[options],))
