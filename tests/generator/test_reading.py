"""A generator that reads tables: what it reads, and what it answers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from sgnas_deploy import generator, spaces
from sgnas_deploy.errors import BadInput
from sgnas_deploy.generator import priors
from sgnas_deploy.generator.base import Generator
from sgnas_deploy.generator.expected import CHOICES, ExpectedMixedLatency
from sgnas_deploy.generator.lessons import ManyTables, OneTable
from sgnas_deploy.generator.many import Tables
from sgnas_deploy.generator.mixed import one_hot
from sgnas_deploy.generator.mixed_reading import CHANNELS, ReadingMixedGenerator, averages
from sgnas_deploy.generator.recipe import Recipe
from sgnas_deploy.generator.scale import scale_of
from sgnas_deploy.spaces.mixed import SUB_BLOCKS, MixedSpace
from tests.generator.models import Model, model


def space_of(identifier: str = "tiny") -> MixedSpace:
    found = spaces.load(identifier)
    assert isinstance(found, MixedSpace)
    return found


def tables_of(*models: Model, space: str = "tiny") -> Tables:
    return Tables.of(models, [scale_of(one, spaces.load(space)) for one in models])


def slower(one: Model, factor: float) -> Model:
    a0, a1, a2 = one.coefficients
    return Model(
        tuple(costs * factor for costs in one.option_costs),
        one.fixed_cost * factor,
        (a0 * factor, a1, a2 / factor),
    )


def made(space: str = "tiny", count: int = 3) -> ReadingMixedGenerator:
    torch.manual_seed(0)
    latency, found = model(space), spaces.load(space)
    network = generator.build(found, Recipe(priors=count, reads_tables=True, perturbed=4))
    network.set_priors(*priors.draw(found, latency, scale_of(latency, found), count, 0))
    assert isinstance(network, ReadingMixedGenerator)
    return network


def gates(batch: int, seed: int = 0) -> Tensor:
    logits = torch.randn(
        (batch, 6, SUB_BLOCKS, CHOICES), generator=torch.Generator().manual_seed(seed)
    )
    logits[:, :, 0, CHOICES - 1] = -torch.inf
    return logits.softmax(dim=-1)


def test_readings_have_no_unit_and_speak_of_shares_of_the_range() -> None:
    one = model()
    scale = scale_of(one, space_of())
    readings = tables_of(one, slower(one, 3.0)).readings()
    torch.testing.assert_close(readings[0], readings[1])
    rows = torch.arange(6)
    assert (readings[0, rows, torch.tensor(scale.fastest)] == 0).all()
    largest = readings[0, rows, torch.tensor(scale.largest)]
    assert float(largest.mean()) == pytest.approx(1, rel=1e-5)


def test_each_mixture_is_timed_by_its_own_table() -> None:
    models = (model(seed=0), slower(model(seed=1), 2.0), Model(model(seed=2).option_costs, 1e-3))
    tables = tables_of(*models)
    own = gates(3)
    found = made().mean_s(own, tables)
    for i, one in enumerate(models):
        alone = ExpectedMixedLatency(space_of().multisets, one)(own[i : i + 1])
        torch.testing.assert_close(found[i : i + 1], alone)
    picked = tables.pick(torch.tensor([2, 0, 2]))
    assert len(picked) == 3
    torch.testing.assert_close(picked.coefficients[:, 0], tables.coefficients[:, 2])
    torch.testing.assert_close(
        made().mean_s(own[[0, 0, 0]], picked)[1], made().mean_s(own[[0, 0, 0]], tables)[0]
    )


def test_shares_of_networks_are_those_of_their_predictions() -> None:
    space = space_of()
    models = (model(seed=0), model(seed=3))
    networks = [space.sample(np.random.default_rng(i)) for i in range(4)]
    maps = torch.stack([one_hot(space, options) for options in networks])
    found = tables_of(*models).shares(made().core.multisets(maps))
    for row, one in zip(found, models, strict=True):
        predicted = np.array([one.predict_s(options) for options in networks])
        np.testing.assert_allclose(row, scale_of(one, space).share(predicted), rtol=1e-9)


@pytest.mark.parametrize("identifier", ["tiny", "tiny+paper"])
def test_the_map_of_costs_is_made_of_averages(identifier: str) -> None:
    space = space_of(identifier)
    found = averages(space).reshape(CHANNELS, SUB_BLOCKS, CHOICES, len(space.multisets))
    torch.testing.assert_close(found.sum(dim=-1), torch.ones(CHANNELS, SUB_BLOCKS, CHOICES))
    assert (found >= 0).all()
    third = found[0, 2, 1]
    assert space.multisets[int(third.argmax())] == (0, 3, 0)
    assert int((third > 0).sum()) == 1
    some = [m for m, share in zip(space.multisets, found[1, 3, 2], strict=True) if share > 0]
    assert some == [m for m in space.multisets if sum(m) == 4 and m[2] > 0]
    skipped = [m for m, share in zip(space.multisets, found[1, 4, 3], strict=True) if share > 0]
    assert skipped == [m for m in space.multisets if sum(m) == 4]


def test_logits_depend_on_the_table_and_on_the_budget() -> None:
    network = made()
    shares = torch.tensor([0.2, 0.8], dtype=torch.float64)
    network.show(tables_of(model(seed=0)))
    first = network(shares)
    assert first.shape == (2, 6, SUB_BLOCKS, CHOICES)
    assert (first[:, :, 0, CHOICES - 1] == -torch.inf).all()
    assert int(first.isinf().sum()) == 2 * 6
    network.show(tables_of(slower(model(seed=0), 5.0)))
    torch.testing.assert_close(network(shares), first)
    network.show(tables_of(model(seed=4)))
    other = network(shares)
    assert not torch.allclose(other, first)
    assert not torch.allclose(first[0], first[1])


def test_every_budget_may_have_a_table_of_its_own() -> None:
    network = made()
    shares = torch.tensor([0.2, 0.5, 0.8], dtype=torch.float64)
    models = [model(seed=seed) for seed in range(3)]
    network.show(tables_of(*models))
    together = network(shares)
    for i, one in enumerate(models):
        network.show(tables_of(one))
        torch.testing.assert_close(network(shares[i : i + 1]), together[i : i + 1])


def test_one_pass_scores_as_the_general_way_does() -> None:
    network = made().eval()
    one = model(seed=2)
    network.turn_to(one, scale_of(one, space_of()))
    shares = np.linspace(0, 1, 70)
    fast, general = network.option_scores(shares), Generator.option_scores(network, shares)
    for ours, theirs in zip(fast, general, strict=True):
        assert ours.shape == (70, 83)
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)


def test_the_nearest_prior_is_that_of_the_table() -> None:
    network = made(count=3)
    with torch.no_grad():
        for part in (*network.core.of_budget.parameters(), *network.of_table.parameters()):
            part.zero_()
    one = model(seed=0)
    # A device on which only the first layer takes time.
    first = one.option_costs[0]
    odd = Model((first, *(costs * 1e-3 for costs in one.option_costs[1:])), coefficients=(0, 1, 0))
    found = []
    for latency in (one, odd):
        tables = tables_of(latency)
        maps = network.core.priors.reshape(3, 6, SUB_BLOCKS, CHOICES)
        places = tables.shares(network.core.multisets(maps))[0]
        network.show(tables)
        apart = network(places)
        nearly = network((places + 1e-6).clamp(0, 1))
        torch.testing.assert_close(apart, nearly)
        assert len({tuple(row.flatten().tolist()) for row in apart}) == 3
        found.append((places, apart))
    (places, apart), (other_places, other) = found
    assert not torch.allclose(places, other_places, atol=0.01)
    torch.testing.assert_close(apart, other)


def test_weights_and_priors_are_the_whole_state() -> None:
    one = made()
    other = generator.build(space_of(), Recipe(priors=3, reads_tables=True))
    other.load_state_dict(one.state_dict())
    latency = model(seed=1)
    for network in (one, other):
        network.turn_to(latency, scale_of(latency, space_of()))
    shares = torch.tensor([0.3, 0.6])
    assert torch.equal(one(shares), other(shares))


def test_generators_of_one_table_do_not_turn() -> None:
    torch.manual_seed(0)
    network = generator.build(space_of(), Recipe())
    shares = torch.tensor([0.3])
    before = network(shares)
    latency = model(seed=1)
    network.turn_to(latency, scale_of(latency, space_of()))
    assert torch.equal(before, network(shares))


def test_cells_have_no_generator_that_reads() -> None:
    with pytest.raises(BadInput, match="cannot read tables") as caught:
        generator.build(spaces.load("nasbench201"), Recipe(reads_tables=True))
    assert "--lut" in (caught.value.cure or "")


def test_gradients_reach_what_reads() -> None:
    network = made()
    tables = tables_of(model(seed=0), model(seed=1))
    network.show(tables)
    own = network(torch.tensor([0.3, 0.7])).softmax(dim=-1)
    torch.autograd.backward(network.mean_s(own, tables).sum())
    for part in network.of_table.parameters():
        assert part.grad is not None
        assert float(part.grad.abs().sum()) > 0


def test_a_step_draws_its_tables_by_its_position() -> None:
    network = made()
    tables = tables_of(*(model(seed=seed) for seed in range(8)))
    lessons = ManyTables(network, tables, measured=2, seed=3)

    def drawn(epoch: int, step: int) -> list[float]:
        low = lessons.of_step(epoch, step, 8).fastest_s
        assert isinstance(low, Tensor)
        return [float(value) for value in low]

    assert drawn(1, 2) == drawn(1, 2)
    assert drawn(1, 2) != drawn(2, 1)
    known = [float(value) for value in tables.fastest_s]
    seen = [known.index(value) for step in range(100) for value in drawn(0, step)]
    assert set(seen) == set(range(8))
    measured = sum(index < 2 for index in seen) / len(seen)
    assert 0.18 < measured < 0.32
    alone = ManyTables(network, tables.pick(torch.tensor([0, 1])), measured=2, seed=3)
    low = alone.of_step(0, 0, 50).fastest_s
    assert isinstance(low, Tensor)
    assert {float(value) for value in low} == set(known[:2])


def test_a_step_s_lesson_shows_the_tables_and_times_by_them() -> None:
    network = made()
    tables = tables_of(*(model(seed=seed) for seed in range(4)))
    lesson = ManyTables(network, tables, measured=1, seed=0).of_step(0, 0, 5)
    shares = torch.linspace(0, 1, 5)
    assert network(shares).shape[0] == 5
    own = gates(5)
    assert isinstance(lesson.fastest_s, Tensor)
    low = [float(value) for value in tables.fastest_s]
    index = torch.tensor([low.index(float(value)) for value in lesson.fastest_s])
    torch.testing.assert_close(lesson.mean_s(own), network.mean_s(own, tables.pick(index)))


def test_one_table_is_always_the_lesson() -> None:
    one = model()
    scale = scale_of(one, space_of())
    expected = ExpectedMixedLatency(space_of().multisets, one)
    lesson = OneTable(expected, scale).of_step(3, 4, 2)
    assert (lesson.fastest_s, lesson.slowest_s) == (scale.fastest_s, scale.slowest_s)
    own = gates(2)
    torch.testing.assert_close(lesson.mean_s(own), expected(own))
