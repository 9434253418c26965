from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch

from sgnas_deploy import generator, spaces, supernet, tables
from sgnas_deploy.data import ArrayImages
from sgnas_deploy.errors import BadInput
from sgnas_deploy.events import NullReporter, Stage, stage
from sgnas_deploy.generator import probing
from sgnas_deploy.generator.mixed import MixedGenerator, multiset_features, one_hot
from sgnas_deploy.generator.probing import Prober, Probes, Teacher, Worth
from sgnas_deploy.generator.recipe import Recipe
from sgnas_deploy.generator.scale import scale_of
from sgnas_deploy.generator.within import best_within
from sgnas_deploy.spaces.mixed import MixedSpace
from sgnas_deploy.training.jobs import generator_job
from sgnas_deploy.training.ranks import Rank
from sgnas_deploy.workspace import Workspace
from tests.fakes.reporters import Interrupts
from tests.generator import trained
from tests.generator.models import model

FOUND = spaces.load("tiny")
assert isinstance(FOUND, MixedSpace)
SPACE = FOUND
FEATURES = (multiset_features(SPACE),) * len(SPACE.layers)
RECIPE = Recipe(taught_by="probes", probes=24, probe_images=8, epochs=2)


def truth(seed: int = 0) -> list[npt.NDArray[np.float64]]:
    """Smooth functions of the options, a different one for each layer."""
    rng = np.random.default_rng(seed)
    weights = [rng.normal(size=own.shape[1]) for own in FEATURES]
    return [-np.sqrt(own[:, 0]) + 0.2 * own @ w for own, w in zip(FEATURES, weights, strict=True)]


def probes(count: int, groups: int = 1, noise: float = 0.0, seed: int = 0) -> Probes:
    rng = np.random.default_rng(seed)
    networks = np.array([SPACE.sample(rng) for _ in range(count)])
    own = truth()
    losses = np.array([sum(own[d][o] for d, o in enumerate(row)) for row in networks])
    of_network = np.arange(count) % groups
    losses = losses + 3.0 * of_network + noise * rng.standard_normal(count)
    return Probes(networks, of_network, losses)


@pytest.mark.parametrize("groups", [1, 4])
def test_a_sum_over_decisions_is_found(groups: int) -> None:
    found = probing.explain(FEATURES, probes(200, groups, noise=0.05))
    assert found.explained > 0.9
    for learned, true in zip(found.losses, truth(), strict=True):
        assert np.corrcoef(learned, true)[0, 1] > 0.9


def test_noise_explains_nothing() -> None:
    rng = np.random.default_rng(0)
    some = probes(100)
    found = probing.explain(FEATURES, Probes(some.networks, some.groups, rng.standard_normal(100)))
    assert found.explained < 0.2


def test_equal_losses_are_worth_nothing() -> None:
    some = probes(10)
    found = probing.explain(FEATURES, Probes(some.networks, some.groups, np.ones(10)))
    assert all((own == 0).all() for own in found.losses)


def known(own: list[npt.NDArray[np.float64]]) -> Worth:
    return Worth(tuple(own), 0.0, 1.0, np.zeros((0, 0)))


def test_the_expected_worth_is_exact() -> None:
    network = generator.build(SPACE, Recipe())
    own = truth()
    teacher = Teacher(own, 0.7, 0.0, torch.device("cpu"))
    options = (3, 40, 82, 0, 17, 65)
    sure = network.scores(one_hot(SPACE, options)[None])
    value = sum(own[d][o] for d, o in enumerate(options))
    assert float(teacher.expected(sure)) == pytest.approx(np.exp(0.7 + value))
    assert float(teacher.loss(sure)) == pytest.approx(value / teacher.unit)
    # One sub-block between two kernels: the mean of both networks.
    half = one_hot(SPACE, options)[None].clone()
    kernels = half[0, 0, 0].clone()
    half[0, 0, 0] = 0.5 * kernels + 0.5 * kernels.roll(1)
    probability = network.scores(half)[0].exp()[0]
    mean = float((probability * torch.from_numpy(own[0])).sum()) + value - own[0][options[0]]
    assert float(teacher.expected(network.scores(half))) == pytest.approx(np.exp(0.7 + mean))
    assert int((probability > 1e-9).sum()) == 2


def test_worth_is_counted_in_its_own_spread() -> None:
    network = generator.build(SPACE, Recipe())
    scores = network.scores(torch.full((2, len(SPACE.layers), 6, 4), 0.25))
    cpu = torch.device("cpu")
    one = Teacher(truth(), 0.7, 0.3, cpu)
    ten = Teacher([10 * own for own in truth()], 0.7, 0.3, cpu)
    assert torch.allclose(one.loss(scores), ten.loss(scores))
    logarithms = [own.expected(scores).log() - 0.7 for own in (one, ten)]
    assert torch.allclose(10 * logarithms[0], logarithms[1], atol=1e-5)


def test_entropy_makes_scores_say_how_much_options_are_worth() -> None:
    # The best free probabilities are proportional to exp(-worth / reward).
    teacher = Teacher(truth(), 0.7, 0.5, torch.device("cpu"))
    spread = np.mean([own.std() for own in truth()])
    reward = 0.5 * spread
    best = [torch.from_numpy(-own / reward).log_softmax(0)[None] for own in truth()]
    least = float(teacher.loss(best))
    generator_ = torch.Generator().manual_seed(0)
    for _ in range(20):
        noise = [torch.randn(own.shape, generator=generator_, dtype=own.dtype) for own in best]
        other = [(own + 0.1 * n).log_softmax(1) for own, n in zip(best, noise, strict=True)]
        assert float(teacher.loss(other)) > least


def test_probes_take_turns_on_groups_of_images(ready: Workspace) -> None:
    weights = supernet.weights_path(ready.supernet, SPACE)
    frozen, _ = supernet.load(weights, SPACE)
    data = trained.small_data()
    indices = np.arange(0, 40)

    rng = np.random.default_rng(1)
    networks = [SPACE.sample(rng) for _ in range(7)]

    def look(*parts: slice) -> Probes:
        own = np.random.default_rng(3)
        prober = Prober(frozen, data.train, indices, data.preprocessing, RECIPE, own)
        with stage(NullReporter(), "looking") as progress:
            found = [prober.look(networks[part], progress) for part in parts]
        return found[0] if len(found) == 1 else found[0] + found[1]

    found = look(slice(7))
    assert found.networks.shape == (7, len(SPACE.layers))
    assert found.groups.tolist() == [0, 1, 2, 3, 4, 0, 1]
    assert np.isfinite(found.losses).all()
    again = look(slice(3), slice(3, 7))
    assert again.groups.tolist() == found.groups.tolist()
    assert (again.losses == found.losses).all()


def test_draws_are_as_sure_as_what_is_known() -> None:
    rng = np.random.default_rng(0)
    few, many = (probing.explain(FEATURES, probes(n, noise=0.05)) for n in (20, 300))
    spreads = []
    for worth in (few, many):
        draws = worth.draws(400, rng)
        assert [own.shape for own in draws] == [(400, len(own)) for own in worth.losses]
        means = np.concatenate([own.mean(0) for own in draws])
        error = np.concatenate([own.std(0) for own in draws]) / np.sqrt(400)
        assert (np.abs(means - np.concatenate(worth.losses)) < 5 * error + 1e-9).all()
        spreads.append(float(np.mean([own.std(0).mean() for own in draws])))
    assert spreads[1] < spreads[0] / 2


class Known:
    """A prober that knows the truth, and remembers what it was asked."""

    def __init__(self) -> None:
        self.rounds: list[Probes] = []

    def look(self, networks: list[tuple[int, ...]], progress: Stage) -> Probes:
        del progress
        own = truth()
        losses = np.array([sum(own[d][o] for d, o in enumerate(row)) for row in networks])
        self.rounds.append(Probes(np.array(networks), np.zeros(len(networks), int), losses))
        return self.rounds[-1]


def test_later_rounds_ask_for_better_networks() -> None:
    latency = model("tiny")
    scale = scale_of(latency, SPACE)
    prober = Known()
    recipe = RECIPE.model_copy(update={"probes": 120, "probe_rounds": 3})
    worth = probing.learn(
        prober,  # type: ignore[arg-type]
        FEATURES,
        SPACE,
        latency,
        scale,
        recipe,
        np.random.default_rng(0),
        NullReporter(),
    )
    assert [len(own.losses) for own in prober.rounds] == [40, 40, 40]
    # Losses beside those of random networks that are as fast.
    first, last = prober.rounds[0], prober.rounds[-1]
    speed = [np.array([latency.predict_s(o) for o in own.networks]) for own in (first, last)]
    slope, level = np.polyfit(speed[0], first.losses, 1)
    assert (last.losses - (level + slope * speed[1])).mean() < -first.losses.std() / 4
    assert worth.explained > 0.9


def job(made: Workspace, recipe: Recipe) -> generator_job.Job:
    table = made.find_table(None)
    return generator_job.Job(
        space=SPACE,
        model=tables.predictor(tables.read(table)),
        table=table.stem,
        table_sha256=tables.sha256(table),
        percentile=50.0,
        supernet=supernet.weights_path(made.supernet, SPACE),
        data=trained.small_data(),
        spec="small",
        recipe=recipe,
        seed=0,
    )


def test_a_generator_learns_from_probes_and_goes_on(ready: Workspace, tmp_path: Path) -> None:
    weights, other = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    with pytest.raises(KeyboardInterrupt):
        generator_job.run(job(ready, RECIPE), weights, {}, "x", Interrupts(1.2))
    resumed, _ = generator_job.run(job(ready, RECIPE), weights, {}, "x", NullReporter())
    undisturbed, found = generator_job.run(job(ready, RECIPE), other, {}, "x", NullReporter())
    assert (resumed.resumed_at, undisturbed.resumed_at) == (1, 0)
    assert weights.read_bytes() == other.read_bytes()
    assert found.recipe.taught_by == "probes"
    assert isinstance(generator.load(other, SPACE, found), MixedGenerator)


class Second:
    """Process 1 of two, and what process 0 has told it."""

    rank = Rank(1, 2, 1, 2)

    def __init__(self, heard: str) -> None:
        self.heard = heard

    def told(self, make: Callable[[], str]) -> str:
        del make
        return self.heard


class First:
    """Process 0 of two."""

    rank = Rank(0, 2, 0, 2)
    heard = ""

    def told(self, make: Callable[[], str]) -> str:
        self.heard = make()
        return self.heard


def test_only_process_0_looks_and_the_others_learn_the_same(ready: Workspace) -> None:
    asked = job(ready, RECIPE)
    frozen, _ = supernet.load(asked.supernet, SPACE)
    network = generator.build(SPACE, RECIPE)
    scale = scale_of(asked.model, SPACE)
    first = First()
    scores = network.scores(torch.full((1, len(SPACE.layers), 6, 4), 0.25))
    found = []
    for number, images in enumerate((40, 0)):
        own = Second(first.heard) if number else first
        apart = np.arange(images)
        teacher = generator_job.teacher_of(
            asked,
            own,  # type: ignore[arg-type]
            network,
            frozen,
            apart,
            scale,
            NullReporter(),
        )
        found.append(float(teacher.expected(scores)))
    assert found[0] == found[1] != 0


def test_too_few_images_apart_are_named(ready: Workspace, tmp_path: Path) -> None:
    few = dataclasses.replace(
        trained.small_data(), train=ArrayImages(np.zeros((4, 32, 32, 3), np.uint8), np.arange(4))
    )
    own = dataclasses.replace(job(ready, RECIPE), data=few)
    with pytest.raises(BadInput, match="at least 2 are needed"):
        generator_job.run(own, tmp_path / "a.safetensors", {}, "x", NullReporter())


def test_what_is_learned_is_better_than_what_is_drawn(
    ready: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = truth()
    monkeypatch.setattr(probing, "learn", lambda *_: known(own))
    recipe = RECIPE.model_copy(update={"epochs": 8})
    weights = tmp_path / "a.safetensors"
    asked = job(ready, recipe)
    _, found = generator_job.run(asked, weights, {}, "x", NullReporter())
    network = generator.load(weights, SPACE, found)
    scale = scale_of(asked.model, SPACE)
    budgets_s = np.linspace(scale.fastest_s, scale.slowest_s, 7)[1:-1]
    kept = best_within(
        asked.model, scale, network.option_scores(scale.share(budgets_s)), budgets_s, None
    )
    exact = best_within(
        asked.model, scale, [np.tile(-w, (len(budgets_s), 1)) for w in own], budgets_s, None
    )

    def loss(options: tuple[int, ...]) -> float:
        return float(sum(own[d][o] for d, o in enumerate(options)))

    rng = np.random.default_rng(0)
    drawn = [SPACE.sample(rng) for _ in range(2000)]
    latency_s = np.array([asked.model.predict_s(options) for options in drawn])
    for one, best, budget_s in zip(kept, exact, budgets_s, strict=True):
        within = [loss(o) for o, s in zip(drawn, latency_s, strict=True) if s <= budget_s]
        assert loss(best.options) <= loss(one.options)
        assert loss(one.options) < np.quantile(within, 0.05)
