from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from sgnas_deploy import generator, spaces, supernet
from sgnas_deploy.generator.recipe import Recipe
from sgnas_deploy.spaces.cell import CellSpace, canonical, canonical_networks

torch = pytest.importorskip("torch")

from sgnas_deploy.generator.cell import CellGenerator, ExpectedCellLatency  # noqa: E402
from sgnas_deploy.supernet.cell import CellSampler  # noqa: E402

SMALL = "nasbench201+r16+w4+n1"
SPACE = CellSpace("nasbench201", 32, 10, 16, 5)


def one_hot(options: tuple[int, ...], images: int) -> Any:
    gates = torch.nn.functional.one_hot(torch.tensor(options), 5).float()
    return gates.expand(images, 6, 5).clone()


@pytest.mark.parametrize("seed", range(4))
def test_hard_gates_are_a_sub_network(seed: int) -> None:
    torch.manual_seed(seed)
    network = supernet.build(spaces.load(SMALL))
    network.freeze()
    options = tuple(canonical_networks()[np.random.default_rng(seed).integers(9444)].tolist())
    images = torch.randn(6, 3, 16, 16)
    hard = network(images, network.choice_of(options))
    soft = network.soft_forward(images, one_hot(options, 6))
    assert torch.allclose(hard, soft, atol=1e-4)


def test_gradients_reach_the_gates_and_no_weight() -> None:
    network = supernet.build(spaces.load(SMALL))
    network.freeze()
    gates = torch.full((4, 6, 5), 0.2, requires_grad=True)
    loss = network.soft_forward(torch.randn(4, 3, 16, 16), gates).square().sum()
    torch.autograd.backward(loss)
    assert gates.grad is not None
    assert float(gates.grad[:, :, 1:].abs().min()) > 0
    assert float(gates.grad[:, :, 0].abs().max()) == 0, "none brings nothing"
    assert all(parameter.grad is None for parameter in network.parameters())


def test_a_sub_network_trains_its_own_edges_only() -> None:
    network = supernet.build(spaces.load(SMALL)).train()
    images = torch.randn(4, 3, 16, 16)
    torch.autograd.backward(network(images, network.choice_of((0, 0, 0, 3, 0, 0))).sum())
    trained = {n for n, p in network.named_parameters() if p.grad is not None and "edges" in n}
    wanted = ("weight", "norm.weight", "norm.bias")
    assert trained == {f"cells.{i}.edges.3.nor_conv_3x3.{w}" for i in range(3) for w in wanted}


def test_the_sampler_prefers_no_operation() -> None:
    """Dead edges aside, which no choice of ours makes: every live operation comes equally often."""
    sampler = CellSampler(SPACE, 0)
    draws = [tuple(o for (o,) in sampler.draw()) for _ in range(4000)]
    assert all(canonical(options) == options for options in draws)
    counts = np.array([sum(options.count(o) for options in draws) for o in range(1, 5)])
    assert counts.max() < 1.08 * counts.min()


def test_cells_of_mostly_one_operation_come_up() -> None:
    sampler = CellSampler(SPACE, 1)
    draws = [tuple(o for (o,) in sampler.draw()) for _ in range(1000)]
    for operation in range(1, 5):
        assert any(options.count(operation) >= 5 for options in draws), operation


def test_the_sampler_goes_on_where_its_state_was_taken() -> None:
    sampler = CellSampler(SPACE, 3)
    for _ in range(5):
        sampler.draw()
    state = sampler.state()
    ahead = [sampler.draw() for _ in range(5)]
    other = CellSampler(SPACE, 0)
    other.restore(state)
    assert [other.draw() for _ in range(5)] == ahead


class Model:
    """Latency from a table of random costs, quadratic in their sum."""

    fixed_cost = 0.3
    coefficients = (0.1, 1.0, 0.05)

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        self.option_costs = tuple(np.append(0.0, rng.uniform(0.1, 2, 4)) for _ in range(6))

    def total_cost(self, latency_s: np.ndarray) -> np.ndarray:
        raise NotImplementedError

    def predict_s(self, options: Sequence[int]) -> float:
        total = self.fixed_cost + sum(c[o] for c, o in zip(self.option_costs, options, strict=True))
        return float(0.1 + total + 0.05 * total**2)


def test_the_expected_latency_is_the_mean_over_connected_cells() -> None:
    model = Model()
    expected = ExpectedCellLatency(model)
    torch.manual_seed(0)
    gates = torch.randn(2, 6, 5).softmax(-1).requires_grad_()
    found = expected(gates)
    for row, value in zip(gates.detach().double().numpy(), found.detach().numpy(), strict=True):
        latency = weight = 0.0
        for options in itertools.product(range(5), repeat=6):
            own = canonical(options)
            if own is not None:
                chance = float(np.prod([row[e, o] for e, o in enumerate(options)]))
                latency += chance * model.predict_s(own)
                weight += chance
        assert value == pytest.approx(latency / weight, rel=1e-9)
    torch.autograd.backward(found.sum())
    assert gates.grad is not None
    assert bool(torch.isfinite(gates.grad).all())


def test_the_expected_latency_of_a_choice_is_its_prediction() -> None:
    model = Model()
    options = (3, 1, 2, 0, 4, 1)
    gates = torch.nn.functional.one_hot(torch.tensor([options]), 5).float()
    assert float(ExpectedCellLatency(model)(gates)) == pytest.approx(model.predict_s(options))


def test_the_generator_answers_any_number_of_budgets() -> None:
    space = spaces.load("nasbench201")
    network = generator.build(space, Recipe())
    assert isinstance(network, CellGenerator)
    network.set_priors([space.sample(np.random.default_rng(i)) for i in range(5)], [0.1] * 5)
    scores = network.option_scores(np.linspace(0, 1, 7))
    assert [own.shape for own in scores] == [(7, 5)] * 6
    for own in scores:
        assert np.allclose(np.exp(own).sum(axis=1), 1, atol=1e-5)
