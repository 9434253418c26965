from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
import torch

from sgnas_deploy import generator, spaces, supernet
from sgnas_deploy.generator import priors
from sgnas_deploy.generator.base import Generator, gumbel_softmax
from sgnas_deploy.generator.expected import CHOICES
from sgnas_deploy.generator.lessons import OneTable
from sgnas_deploy.generator.mixed import MixedGenerator, one_hot
from sgnas_deploy.generator.recipe import Recipe
from sgnas_deploy.generator.scale import option_macs, scale_of
from sgnas_deploy.generator.train import GeneratorTask, budget_penalty, budget_shares, portions
from sgnas_deploy.spaces.mixed import SUB_BLOCKS, MixedSpace
from tests.generator.models import model


def made(space_id: str = "tiny", count: int = 3) -> MixedGenerator:
    torch.manual_seed(0)
    space = spaces.load(space_id)
    network = generator.build(space, Recipe(priors=count))
    latency = model(space_id)
    network.set_priors(*priors.draw(space, latency, scale_of(latency, space), count, 0))
    assert isinstance(network, MixedGenerator)
    return network


def test_it_has_the_published_number_of_parameters() -> None:
    network = generator.build(spaces.load("imagenet"), Recipe())
    assert sum(p.numel() for p in network.parameters()) == 67_969


def test_budgets_are_the_batch_axis() -> None:
    network = made()
    shares = torch.tensor([0.0, 0.2, 0.5, 0.9, 1.0], dtype=torch.float64)
    together = network(shares)
    assert together.shape == (5, 6, SUB_BLOCKS, CHOICES)
    for i in range(5):
        torch.testing.assert_close(together[i : i + 1], network(shares[i : i + 1]))
    assert not torch.allclose(together[1], together[2])


def test_the_budget_branch_is_that_of_a_constant_map() -> None:
    network = made(count=1)
    share = 0.37
    planes = torch.full((1, 10, 6, 24), share)
    prior = network.priors[:1].unsqueeze(1)
    x = network.joined(network.of_budget(planes) + network.of_prior(prior))
    direct = network.last(x + network.body(x)).reshape(1, 6, SUB_BLOCKS, CHOICES)
    found = network(torch.tensor([share], dtype=torch.float64))
    allowed = found.isfinite()
    torch.testing.assert_close(found[allowed], direct[allowed])


def test_first_sub_blocks_are_never_skipped() -> None:
    logits = made()(torch.tensor([0.5]))
    gates = logits.softmax(dim=-1)
    assert (gates[:, :, 0, CHOICES - 1] == 0).all()
    assert gates.isfinite().all()
    others = logits.clone()
    others[:, :, 0, CHOICES - 1] = 0
    assert others.isfinite().all()


@pytest.mark.parametrize("space_id", ["tiny", "tiny+paper"])
def test_scores_are_log_probabilities_of_the_options(space_id: str) -> None:
    network = made(space_id)
    scores = network.option_scores(np.array([0.1, 0.8]))
    assert [s.shape for s in scores] == [(2, n) for n in spaces.load(space_id).option_counts]
    for score in scores:
        np.testing.assert_allclose(np.exp(score).sum(axis=1), 1, rtol=1e-9)


def test_many_budgets_are_scored_in_chunks_as_in_one() -> None:
    network = made()
    shares = np.linspace(0, 1, 150)
    scores = network.option_scores(shares)
    alone = network.option_scores(shares[140:141])
    for many, one in zip(scores, alone, strict=True):
        np.testing.assert_allclose(many[140], one[0], rtol=1e-5)


def test_the_nearest_prior_is_used() -> None:
    network = made(count=3)
    with torch.no_grad():
        for part in network.of_budget.parameters():
            part.zero_()
    shares = network.prior_shares
    assert shares.diff().min() > 0.1
    middle = float((shares[0] + shares[1]) / 2)
    below, above, first = network(
        torch.tensor([middle - 1e-3, middle + 1e-3, 0.0], dtype=torch.float64)
    )
    assert torch.equal(below, first)
    assert not torch.equal(below, above)


def test_priors_lie_near_their_targets() -> None:
    space, latency = spaces.load("tiny"), model()
    scale = scale_of(latency, space)
    networks, shares = priors.draw(space, latency, scale, 5, 0)
    np.testing.assert_allclose(shares, [0.1, 0.3, 0.5, 0.7, 0.9], atol=0.05)
    predicted = np.array([latency.predict_s(options) for options in networks])
    np.testing.assert_allclose(scale.share(predicted), shares)
    assert (networks, shares) == priors.draw(space, latency, scale, 5, 0)


def test_a_one_hot_map_is_the_supernets_canonical_choice() -> None:
    from sgnas_deploy import supernet

    space = spaces.load("tiny")
    assert isinstance(space, MixedSpace)
    options = space.sample(np.random.default_rng(0))
    choice = torch.tensor(supernet.build(space).choice_of(options))
    assert torch.equal(one_hot(space, options).argmax(dim=-1), choice)


def test_the_prior_pool_is_part_of_the_state() -> None:
    one, other = made(), generator.build(spaces.load("tiny"), Recipe(priors=3))
    other.load_state_dict(one.state_dict())
    shares = torch.tensor([0.3, 0.6])
    assert torch.equal(one(shares), other(shares))


def test_gumbel_softmax_draws_from_the_distribution_and_sharpens() -> None:
    torch.manual_seed(0)
    probability = torch.tensor([0.5, 0.3, 0.2, 0.0])
    logits = probability.log().expand(20_000, 4)
    uniform = torch.rand(logits.shape).clamp_min(1e-20)
    cold = gumbel_softmax(logits, uniform, 0.05)
    counts = torch.bincount(cold.argmax(dim=-1), minlength=4) / 20_000
    np.testing.assert_allclose(counts, probability, atol=0.02)
    warm = gumbel_softmax(logits, uniform, 5.0)
    assert warm.max(dim=-1).values.mean() < 0.5 < cold.max(dim=-1).values.mean()
    assert (warm[:, 3] == 0).all()


def test_the_scale_runs_from_the_fastest_to_the_largest_network() -> None:
    space, latency = spaces.load("tiny"), model()
    scale = scale_of(latency, space)
    operations = option_macs(space)
    assert scale.fastest == tuple(int(c.argmin()) for c in latency.option_costs)
    assert scale.largest == tuple(int(m.argmax()) for m in operations)
    np.testing.assert_allclose(
        scale.share(np.array([0, scale.fastest_s, scale.slowest_s, 1])), [0, 0, 1, 1]
    )


def test_the_penalty_is_squared_dearer_above_and_nothing_within_the_band() -> None:
    recipe = Recipe(alpha=2, over=1.5, band=0.01)
    over, under, near = (
        float(budget_penalty(torch.tensor([d]), recipe)) for d in (0.1, -0.1, 0.009)
    )
    assert under == pytest.approx(2 * 0.01)
    assert over == pytest.approx(1.5 * under)
    assert near == 0


def test_published_constants_are_converted_with_the_published_space() -> None:
    operations = option_macs(spaces.load("imagenet"))
    width = sum(float(m.max() - m.min()) for m in operations)
    assert Recipe().alpha == pytest.approx(3e-4 * width**2)
    assert Recipe().band == pytest.approx(0.1 / width)


def test_every_part_of_the_range_is_trained_on() -> None:
    recipe = Recipe(grid=16, budgets=4)
    shares = budget_shares(recipe, seed=3, epoch=1, steps=8)
    assert shares.shape == (8, 4)
    for half in (shares[:4], shares[4:]):
        assert sorted((half.ravel() * 16).astype(int)) == list(range(16))
    assert np.array_equal(shares, budget_shares(recipe, 3, 1, 8))
    assert not np.array_equal(shares, budget_shares(recipe, 3, 2, 8))


def test_a_family_without_a_generator_is_refused() -> None:
    from dataclasses import dataclass

    from sgnas_deploy.errors import BadInput

    @dataclass(frozen=True)
    class Cell:
        family: str = "unheard"

    with pytest.raises(BadInput, match="family unheard") as caught:
        generator.build(Cell(), Recipe())  # type: ignore[arg-type]
    assert "--scores macs" in (caught.value.cure or "")


def test_the_base_class_scores_without_gradients() -> None:
    network: Generator = made()
    scores = network.option_scores(np.array([0.5]))
    assert all(score.dtype == np.float64 for score in scores)


def test_one_pass_scores_as_the_general_way_does() -> None:
    network = made().eval()
    shares = np.linspace(0, 1, 70)
    fast, general = network.option_scores(shares), Generator.option_scores(network, shares)
    assert len(fast) == len(general)
    for ours, theirs in zip(fast, general, strict=True):
        assert ours.shape == theirs.shape
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)


def test_parts_of_a_batch_have_one_budget_each() -> None:
    assert list(portions([0, 0, 0, 1, 1, 2], 2)) == [
        slice(0, 2),
        slice(2, 3),
        slice(3, 5),
        slice(5, 6),
    ]
    assert list(portions([0, 0, 1], None)) == [slice(0, 3)]


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_few_images_at_a_time_give_the_gradients_of_all(precision: Literal["fp32", "bf16"]) -> None:
    torch.manual_seed(0)
    space = spaces.load("tiny+r16+c2")
    frozen = supernet.build(space)
    sampler = frozen.sampler(0)
    images, labels = torch.randn(12, 3, 16, 16), torch.arange(12) % 2
    with torch.no_grad():
        for _ in range(4):
            frozen.train()(images, sampler.draw())
    frozen.freeze()
    latency = model("tiny")
    scale = scale_of(latency, space)
    network = made()
    found = []
    for together in (None, 5):
        frozen.soft_together = together
        recipe = Recipe(budgets=2, precision=precision)
        expected = network.expected_latency(latency)
        task = GeneratorTask(network, frozen, OneTable(expected, scale), recipe, seed=0, steps=5)
        before = {name: p.detach().clone() for name, p in network.named_parameters()}
        torch.manual_seed(1)
        loss = task.step(0, images, labels)
        found.append((loss, [p.grad.clone() for p in network.parameters() if p.grad is not None]))
        network.load_state_dict(before, strict=False)
    close = 1e-4 if precision == "fp32" else 0.05
    assert found[0][0] == pytest.approx(found[1][0], rel=close)
    ours, theirs = (torch.cat([g.flatten() for g in grads]) for _, grads in found)
    assert float((ours - theirs).norm() / theirs.norm()) < close
