"""The fast supernet is the plain one: outputs, gradients, running statistics."""

from __future__ import annotations

import copy
import weakref
from typing import cast

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from sgnas_deploy import spaces, supernet
from sgnas_deploy.errors import BadInput
from sgnas_deploy.networks.deployed import DeployedNetwork
from sgnas_deploy.spaces import Space
from sgnas_deploy.spaces.mixed import MixedSpace
from sgnas_deploy.supernet import plain
from sgnas_deploy.supernet.mixed import LEAST_GATE, MixedLayer, MixedSupernet
from sgnas_deploy.supernet.norm import Norm
from sgnas_deploy.supernet.sampling import SKIP
from sgnas_deploy.supernet.trained import Moments
from sgnas_deploy.training.jobs.retrain_job import inherit


def pair(space: Space, seed: int = 0) -> tuple[MixedSupernet, plain.PlainSupernet]:
    """A fast and a plain supernet with equal weights and lively statistics, in float64."""
    torch.manual_seed(seed)
    fast = cast(MixedSupernet, supernet.build(space)).double()
    for name, tensor in fast.state_dict().items():
        if "norm" in name or name.endswith("centres"):
            tensor.copy_(torch.rand_like(tensor) + 0.5)
    slow = plain.build(space).double()
    slow.load_state_dict(fast.state_dict())
    return fast, slow


def images(n: int = 3, resolution: int = 32) -> Tensor:
    return torch.randn(n, 3, resolution, resolution, dtype=torch.float64)


def random_gates(space: MixedSpace, n: int, sharpness: float) -> Tensor:
    logits = torch.randn(n, len(space.layers), 6, 4, dtype=torch.float64) * sharpness
    logits[:, :, 0, SKIP] = -torch.inf
    return logits.softmax(-1)


def gradients(network: MixedSupernet) -> dict[str, Tensor]:
    return {
        name: torch.zeros_like(p) if p.grad is None else p.grad
        for name, p in network.named_parameters()
    }


@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("identifier", ["tiny", "tiny+hswish+paper"])
def test_training_passes_equal_the_plain_form(identifier: str, frozen: bool) -> None:
    space = spaces.load(identifier)
    fast, slow = pair(space)
    sampler = fast.sampler(1)
    for _ in range(2):
        choice, x, y = sampler.draw(), images(), torch.tensor([1, 2, 3])
        losses = []
        for network in (fast, slow):
            network.train()
            for module in network.modules():
                if isinstance(module, Norm):
                    module.train(not frozen)
            loss = functional.cross_entropy(network(x, choice), y)
            torch.autograd.backward(loss)
            losses.append(float(loss.detach()))
        assert losses[0] == pytest.approx(losses[1], rel=1e-9)
    found, expected = gradients(fast), gradients(slow)
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-7, atol=1e-10, msg=name)
    other = slow.state_dict()
    for name, tensor in fast.state_dict().items():
        torch.testing.assert_close(tensor, other[name], rtol=1e-9, atol=1e-12, msg=name)


def test_running_statistics_of_inactive_parts_stay() -> None:
    space = cast(MixedSpace, spaces.load("tiny"))
    network, _ = pair(space)
    before = copy.deepcopy(network.state_dict())
    network.train()
    only_first = (0, SKIP, SKIP, SKIP, SKIP, SKIP)
    network(images(), (only_first,) * len(space.layers))
    after = network.state_dict()
    width = space.shapes[0].c_in

    def moved(name: str) -> list[bool]:
        return [bool(d) for d in (before[name] != after[name])]

    expand = moved("layers.0.expand.norm.running_mean")
    assert all(expand[:width])
    assert not any(expand[width:])
    assert all(moved("layers.0.depthwise.k3.norm.running_var")[:width])
    assert not any(moved("layers.0.depthwise.k5.norm.running_var"))
    assert all(moved("layers.0.norms.1.running_mean"))
    assert not any(moved("layers.0.norms.2.running_mean"))
    centres = before["layers.0.centres"] != after["layers.0.centres"]
    assert centres[0, :width].all()
    assert not centres[1:].any()
    assert not centres[0, width:].any()


def test_eval_mode_gives_what_training_saw() -> None:
    """Two sub-networks of the same widths and other kernels: one mean would not fit both."""
    space = cast(MixedSpace, spaces.load("tiny+r16"))
    network, _ = pair(space)
    choices = [(kernel, kernel, SKIP, SKIP, SKIP, SKIP) for kernel in (0, 2)]
    layer = cast(MixedLayer, network.layers[0])
    x = torch.randn(8, 16, 16, 16, dtype=torch.float64)
    layer.train()
    with torch.no_grad():
        for _ in range(200):
            for choice in choices:
                layer(x, choice)
        seen = [layer(x, choice).mean((0, 2, 3)) for choice in choices]
        layer.eval()
        means = [layer(x, choice).mean((0, 2, 3)) for choice in choices]
    for found, expected in zip(means, seen, strict=True):
        # Not exact: running variances count one image less.
        torch.testing.assert_close(found, expected, rtol=0, atol=5e-3)
    apart = layer.mean(choices[0]) - layer.mean(choices[1])
    deviation = layer.norm(2).running_var.sqrt()
    assert float((apart / deviation).detach().abs().max()) > 0.1


def test_eval_equals_the_plain_form_and_changes_nothing() -> None:
    fast, slow = pair(spaces.load("tiny"))
    before = copy.deepcopy(fast.state_dict())
    fast.eval()
    slow.eval()
    choice, x = fast.sampler(3).draw(), images()
    torch.testing.assert_close(fast(x, choice), slow(x, choice), rtol=1e-9, atol=1e-10)
    for name, tensor in fast.state_dict().items():
        assert torch.equal(tensor, before[name]), name


@pytest.mark.parametrize("sharpness", [0.3, 3.0, 20.0])
@pytest.mark.parametrize("identifier", ["tiny", "tiny+paper+hswish"])
def test_soft_forward_equals_the_plain_form(identifier: str, sharpness: float) -> None:
    space = cast(MixedSpace, spaces.load(identifier))
    fast, slow = pair(space)
    fast.freeze()
    slow.freeze()
    gates, x = random_gates(space, 3, sharpness), images()
    results = []
    for network in (fast, slow):
        own = gates.clone().requires_grad_()
        out = network.soft_forward(x, own)
        torch.autograd.backward(functional.cross_entropy(out, torch.tensor([0, 1, 2])))
        assert own.grad is not None
        results.append((out.detach(), own.grad))
    torch.testing.assert_close(results[0][0], results[1][0], rtol=1e-8, atol=1e-10)
    torch.testing.assert_close(results[0][1], results[1][1], rtol=1e-7, atol=1e-10)


@pytest.mark.parametrize("sharpness", [0.3, 3.0, 20.0])
@pytest.mark.parametrize("identifier", ["tiny", "tiny+paper+hswish"])
def test_one_mixture_for_all_images_is_that_of_each(identifier: str, sharpness: float) -> None:
    space = cast(MixedSpace, spaces.load(identifier))
    network, _ = pair(space)
    network.freeze()
    gates, x = random_gates(space, 1, sharpness), images()
    results = []
    for copies in (1, len(x)):
        own = gates.clone().requires_grad_()
        out = network.soft_forward(x, own.expand(copies, -1, -1, -1))
        torch.autograd.backward(functional.cross_entropy(out, torch.tensor([0, 1, 2])))
        assert own.grad is not None
        results.append((out.detach(), own.grad))
    torch.testing.assert_close(results[0][0], results[1][0], rtol=1e-8, atol=1e-10)
    torch.testing.assert_close(results[0][1], results[1][1], rtol=1e-7, atol=1e-10)


@pytest.mark.parametrize("identifier", ["tiny", "tiny+hswish"])
def test_training_as_one_step_is_training_step_by_step(
    identifier: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    space = spaces.load(identifier)
    first, _ = pair(space)
    second = copy.deepcopy(first)
    choice, x, y = first.sampler(2).draw(), images(), torch.tensor([0, 1, 2])
    for network, compiling in ((first, False), (second, True)):
        monkeypatch.setattr(torch.compiler, "is_compiling", lambda now=compiling: now)
        loss = functional.cross_entropy(network.train()(x, choice), y)
        torch.autograd.backward(loss)
    expected = gradients(second)
    for name, gradient in gradients(first).items():
        torch.testing.assert_close(gradient, expected[name], rtol=1e-7, atol=1e-10, msg=name)
    other = second.state_dict()
    for name, tensor in first.state_dict().items():
        torch.testing.assert_close(tensor, other[name], rtol=1e-9, atol=1e-12, msg=name)


def test_a_pass_that_has_gone_back_keeps_no_input() -> None:
    """Its loss lives on until the next pass has gone forward; the inputs must not live with it."""
    space = spaces.load("tiny")
    fast, _ = pair(space)
    fast.train()
    kept: list[weakref.ref[Tensor]] = []
    of = Moments.of

    def watched(x: Tensor) -> Moments:
        found = of(x)
        kept.append(weakref.ref(found.centred))
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Moments, "of", watched)
        loss = functional.cross_entropy(
            fast(images(), fast.sampler(1).draw()), torch.tensor([1, 2, 3])
        )
    assert len(kept) == len(cast(MixedSpace, space).layers)
    assert all(one() is not None for one in kept)
    torch.autograd.backward(loss)
    assert all(one() is None for one in kept)


def test_soft_forward_with_hard_gates_is_the_sub_network() -> None:
    space = cast(MixedSpace, spaces.load("tiny"))
    network, _ = pair(space)
    network.freeze()
    choices = [network.sampler(seed).draw() for seed in range(3)]
    gates = torch.zeros(3, len(space.layers), 6, 4, dtype=torch.float64)
    for image, choice in enumerate(choices):
        for layer, kernels in enumerate(choice):
            gates[image, layer, torch.arange(6), torch.tensor(kernels)] = 1
    x = images()
    soft = network.soft_forward(x, gates)
    for image, choice in enumerate(choices):
        one = slice(image, image + 1)
        torch.testing.assert_close(soft[one], network(x[one], choice), rtol=1e-9, atol=1e-10)


def test_an_image_depends_on_its_own_gates_only() -> None:
    space = cast(MixedSpace, spaces.load("tiny"))
    network, _ = pair(space)
    network.freeze()
    gates, x = random_gates(space, 3, 6.0), images()
    together = network.soft_forward(x, gates)
    alone = torch.cat([network.soft_forward(x[i : i + 1], gates[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(together, alone, rtol=1e-9, atol=1e-10)


def test_small_gates_count_as_zero() -> None:
    space = cast(MixedSpace, spaces.load("tiny"))
    network, _ = pair(space)
    network.freeze()
    gates = random_gates(space, 2, 0.1)
    gates[:, :, 1] = torch.tensor([LEAST_GATE / 2, 0.5, 0.3, 0.2], dtype=torch.float64)
    without = gates.clone()
    without[:, :, 1, 0] = 0
    x = images(2)
    assert torch.equal(network.soft_forward(x, gates), network.soft_forward(x, without))


def test_no_weight_gradient_is_computed_for_the_generator() -> None:
    space = cast(MixedSpace, spaces.load("tiny"))
    network, _ = pair(space)
    gates = random_gates(space, 2, 1.0).requires_grad_()
    torch.autograd.backward(network.soft_forward(images(2), gates).sum())
    assert gates.grad is not None
    assert all(parameter.grad is None for parameter in network.parameters())


def test_the_canonical_choice_has_the_multisets_kernels() -> None:
    space = cast(MixedSpace, spaces.load("tiny"))
    network = cast(MixedSupernet, supernet.build(space))
    options = space.sample(np.random.default_rng(0))
    choice = network.choice_of(options)
    for option, kernels in zip(options, choice, strict=True):
        assert tuple(kernels.count(i) for i in range(3)) == space.multisets[option]
        assert kernels[0] != SKIP
        assert list(kernels) == sorted(kernels)
    with pytest.raises(BadInput, match="6 options"):
        network.choice_of((0,))


def test_the_widest_sub_network_has_two_of_each_kernel() -> None:
    network = supernet.build(spaces.load("tiny"))
    assert network.widest() == ((0, 0, 1, 1, 2, 2),) * 6


@pytest.mark.parametrize("identifier", ["tiny", "tiny+hswish"])
def test_a_deployed_network_inherits_its_sub_network(identifier: str) -> None:
    space = spaces.load(identifier)
    network, _ = pair(space)
    network.freeze()
    options = space.sample(np.random.default_rng(1))
    deployed = DeployedNetwork(space, options).double()
    inherit(deployed, network, options)
    deployed.eval()
    x = images()
    expected = network(x, network.choice_of(options))
    torch.testing.assert_close(deployed(x), expected, rtol=1e-8, atol=1e-10)


def test_squeeze_and_excitation_keeps_its_first_weights() -> None:
    space = spaces.load("tiny+se")
    network = supernet.build(space)
    assert network.space.id == "tiny"
    options = space.sample(np.random.default_rng(1))
    deployed = DeployedNetwork(space, options)
    before = deployed.get_parameter("layers.0.se.reduce.conv.weight").detach().clone()
    inherit(deployed, network, options)
    assert torch.equal(deployed.get_parameter("layers.0.se.reduce.conv.weight"), before)


def test_a_layer_without_any_sub_block_is_a_bug_of_the_caller() -> None:
    space = cast(MixedSpace, spaces.load("tiny"))
    network, _ = pair(space)
    gates = torch.zeros(1, len(space.layers), 6, 4, dtype=torch.float64)
    gates[..., SKIP] = 1
    with pytest.raises(ValueError, match="skip every sub-block"):
        network.soft_forward(images(1), gates)
