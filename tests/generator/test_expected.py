from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sgnas_deploy import spaces
from sgnas_deploy.generator.expected import (
    CHOICES,
    STATES,
    ExpectedMixedLatency,
    Multisets,
    log_probabilities,
)
from sgnas_deploy.spaces.mixed import SUB_BLOCKS, MixedSpace
from tests.generator.models import Model, model

TINY = spaces.load("tiny")
PAPER = spaces.load("tiny+paper")


def random_gates(seed: int, batch: int, layers: int, sharpness: float = 1.0) -> Tensor:
    rng = torch.Generator().manual_seed(seed)
    shape = (batch, layers, SUB_BLOCKS, CHOICES)
    logits = torch.randn(shape, generator=rng, dtype=torch.float64)
    logits[:, :, 0, CHOICES - 1] = -torch.inf
    return (sharpness * logits).softmax(dim=-1)


def enumerated(gates: Tensor, allowed: tuple[tuple[int, int, int], ...]) -> list[float]:
    """Probability of each option of one layer, from all 4096 outcomes."""
    table = gates.tolist()
    found = dict.fromkeys(allowed, 0.0)
    for choices in itertools.product(range(CHOICES), repeat=SUB_BLOCKS):
        counts = (choices.count(0), choices.count(1), choices.count(2))
        if counts in found:
            found[counts] += math.prod(row[c] for row, c in zip(table, choices, strict=True))
    total = sum(found.values())
    return [found[counts] / total for counts in allowed]


def multisets(space: spaces.Space) -> tuple[tuple[int, int, int], ...]:
    assert isinstance(space, MixedSpace)
    return space.multisets


def test_there_are_84_states_and_one_of_them_is_empty() -> None:
    assert len(STATES) == 84
    assert len(multisets(TINY)) == 83
    assert len(multisets(PAPER)) == 80


@pytest.mark.parametrize("space", [TINY, PAPER])
@pytest.mark.parametrize("sharpness", [0.3, 3.0])
def test_the_distribution_is_that_of_all_outcomes(space: spaces.Space, sharpness: float) -> None:
    gates = random_gates(1, 1, 1, sharpness)
    allowed = multisets(space)
    found = Multisets(allowed)(gates)[0, 0]
    np.testing.assert_allclose(found, enumerated(gates[0, 0], allowed), rtol=1e-10, atol=1e-300)
    np.testing.assert_allclose(found.sum(), 1, rtol=1e-12)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 2), st.integers(0, 2))
def test_interchangeable_sub_blocks_may_swap(seed: int, first: int, second: int) -> None:
    gates = random_gates(seed, 1, 2)
    swapped = gates.clone()
    swapped[:, :, [1 + first, 3 + second]] = gates[:, :, [3 + second, 1 + first]]
    part = Multisets(multisets(TINY))
    np.testing.assert_allclose(part(gates), part(swapped), rtol=1e-9, atol=1e-15)


def test_a_certain_choice_has_one_option_and_finite_scores() -> None:
    gates = torch.zeros(1, 1, SUB_BLOCKS, CHOICES)
    for sub_block, choice in enumerate((0, 0, 2, 3, 1, 3)):
        gates[0, 0, sub_block, choice] = 1
    part = Multisets(multisets(TINY))
    scores = part.log_probabilities(gates)[0, 0]
    assert scores.isfinite().all()
    assert multisets(TINY)[int(scores.argmax())] == (2, 1, 1)
    assert scores.max() == 0


@pytest.mark.parametrize("coefficients", [(1e-5, 0.9, 0.0), (1e-5, 0.9, 40.0)])
def test_expected_latency_is_the_mean_over_all_networks(
    coefficients: tuple[float, float, float],
) -> None:
    whole = model()
    allowed = multisets(TINY)
    small = Model(whole.option_costs[:2], whole.fixed_cost, coefficients)
    gates = random_gates(2, 1, 2)
    first, second = (enumerated(gates[0, layer], allowed) for layer in range(2))
    mean = sum(
        p * q * small.predict_s((i, j))
        for (i, p), (j, q) in itertools.product(enumerate(first), enumerate(second))
    )
    assert float(ExpectedMixedLatency(allowed, small)(gates)[0]) == pytest.approx(mean, rel=1e-10)


def test_each_budget_of_a_batch_stands_for_itself() -> None:
    part = ExpectedMixedLatency(multisets(TINY), model())
    gates = random_gates(3, 4, 6)
    together = part(gates)
    assert together.shape == (4,)
    for i in range(4):
        np.testing.assert_allclose(together[i], part(gates[i : i + 1])[0], rtol=1e-12)


@pytest.mark.parametrize("space", [TINY, PAPER])
def test_gradients_are_right(space: spaces.Space) -> None:
    # Costs of the order of one, so that differences are well scaled.
    scaled = Model(tuple(c * 1e4 for c in model(space.id).option_costs[:1]), 0.5, (0.1, 0.9, 0.2))
    part = ExpectedMixedLatency(multisets(space), scaled)
    logits = torch.randn(2, 1, SUB_BLOCKS, CHOICES, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: part(x.softmax(dim=-1)), (logits,))
    only = Multisets(multisets(space))
    assert torch.autograd.gradcheck(
        lambda x: only.log_probabilities(x.softmax(dim=-1)), (logits[:1],)
    )


@pytest.mark.parametrize("space", [TINY, PAPER], ids=["all", "paper"])
@pytest.mark.parametrize("sharpness", [0.3, 3.0, 300.0])
def test_the_product_of_polynomials_equals_the_dynamic_program(
    space: MixedSpace, sharpness: float
) -> None:
    gates = random_gates(4, 5, 2, sharpness)
    expected = Multisets(space.multisets).log_probabilities(gates)
    for layer in range(2):
        found = log_probabilities(gates[:, layer].numpy(), space.multisets)
        np.testing.assert_allclose(found, expected[:, layer].numpy(), rtol=1e-9, atol=1e-9)
