"""Emitted networks compute what the PyTorch network computes, in every form, for all options."""

from __future__ import annotations

import numpy as np
import pytest

from sgnas_deploy import emitter, spaces
from sgnas_deploy.architectures import Architecture
from sgnas_deploy.spaces import Space

torch = pytest.importorskip("torch")
ort = pytest.importorskip("onnxruntime")

from sgnas_deploy.networks.deployed import DeployedNetwork, fold  # noqa: E402
from sgnas_deploy.networks.units import ConvUnit  # noqa: E402

LIMIT = 5e-5
"""Largest difference of a logit, as a share of the network's largest logit.

Seen: up to 3e-6 in `tiny`, 9e-6 in the published spaces at low resolution, 1.3e-5 at 224.
"""


def randomised(space: Space, options: tuple[int, ...], seed: int) -> DeployedNetwork:
    """A network whose batch normalisations are far from the identity."""
    torch.manual_seed(seed)
    network = DeployedNetwork(space, options)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(module.bias, 0, 0.2)
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.5, 2)
    return network.eval()


def spread(space: Space, networks: int) -> list[tuple[int, ...]]:
    """Networks that together have every option, walked through in an order without a pattern."""
    counts = space.option_counts
    return [
        tuple((i * len(counts) + d) * 37 % n for d, n in enumerate(counts)) for i in range(networks)
    ]


def worst_of(identifier: str, networks: int, forms_each: int) -> float:
    torch.set_num_threads(1)  # small maps: threads would only get into each other's way
    space = spaces.load(identifier)
    options_of = ort.SessionOptions()
    options_of.intra_op_num_threads = 1
    worst = 0.0
    for i, options in enumerate(spread(space, networks)):
        network = randomised(space, options, i)
        shape = (2, space.channels, space.resolution, space.resolution)
        images = np.random.default_rng(i).standard_normal(shape, np.float32)
        with torch.inference_mode():
            reference = network(torch.from_numpy(images)).numpy()
        weights = fold(network)
        for j in range(forms_each):
            form = emitter.FORMS[(i + j) % len(emitter.FORMS)]
            model = emitter.emit_network(space, options, form, 2, weights)
            session = ort.InferenceSession(
                model.SerializeToString(), options_of, providers=["CPUExecutionProvider"]
            )
            (logits,) = session.run(["logits"], {"images": images})
            assert logits.shape == (2, space.classes)
            error = np.abs(logits - reference).max() / np.abs(reference).max()
            assert error <= LIMIT, (options, form)
            worst = max(worst, float(error))
    return worst


@pytest.mark.parametrize(
    "identifier",
    ["tiny+r16", "tiny+r17+hswish", "tiny+r16+se", "tiny+c3+hswish+se", "tiny+r16+paper"],
)
def test_tiny_in_all_forms(identifier: str) -> None:
    assert worst_of(identifier, networks=20, forms_each=4) <= LIMIT


@pytest.mark.parametrize("variant", ["", "+hswish", "+se", "+hswish+se"])
@pytest.mark.parametrize("base", ["cifar+r16", "imagenet+r32+c10"])
def test_published_spaces(base: str, variant: str) -> None:
    assert worst_of(base + variant, networks=8, forms_each=1) <= LIMIT


def test_the_networks_have_every_option() -> None:
    for identifier, networks in (("tiny", 20), ("tiny+paper", 20), ("cifar", 8)):
        space = spaces.load(identifier)
        found = {option for options in spread(space, networks) for option in options}
        assert found == set(range(space.option_counts[0]))


def test_full_size_imagenet() -> None:
    assert worst_of("imagenet", networks=1, forms_each=1) <= LIMIT


def test_the_largest_difference_is_not_within_the_limit_for_a_wrong_network() -> None:
    """The comparison can fail: one bias off by a hundredth is seen."""
    space = spaces.load("tiny+r16")
    options = (40,) * 6
    network = randomised(space, options, 0)
    weights = fold(network)
    name = "layers.3.project"
    weight, bias = weights.tensors[name]
    wrong = emitter.NamedWeights({**weights.tensors, name: (weight, bias + np.float32(0.01))})
    images = np.random.default_rng(0).standard_normal((1, 3, 16, 16), np.float32)
    logits = []
    for candidate in (weights, wrong):
        model = emitter.emit_network(space, options, "concat", 1, candidate)
        session = ort.InferenceSession(
            model.SerializeToString(), providers=["CPUExecutionProvider"]
        )
        logits.append(session.run(None, {"images": images})[0])
    assert np.abs(logits[1] - logits[0]).max() > 10 * LIMIT * np.abs(logits[0]).max()


@pytest.mark.parametrize("identifier", ["tiny", "tiny+hswish+se", "cifar+c100"])
def test_parameters_are_named_and_counted(identifier: str) -> None:
    space = spaces.load(identifier)
    options = space.sample(np.random.default_rng(1))
    network = DeployedNetwork(space, options)
    expected = set()
    for name, block in space.network_blocks(options):
        for conv in block.convs:
            at = f"{name}.{conv.name}"
            expected.add(f"{at}.conv.weight")
            if conv.normalised:
                expected |= {f"{at}.bn.{part}" for part in ("weight", "bias")}
                expected |= {f"{at}.bn.running_{part}" for part in ("mean", "var")}
                expected.add(f"{at}.bn.num_batches_tracked")
            else:
                expected.add(f"{at}.conv.bias")
    assert set(network.state_dict()) == expected
    folded = fold(network).tensors
    count = sum(weight.size + bias.size for weight, bias in folded.values())
    assert count == Architecture(space.id, options).params


def test_the_same_seed_gives_the_same_network() -> None:
    space = spaces.load("tiny")
    first, second = (randomised(space, (7,) * 6, 3).state_dict() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_dropout_acts_in_training_only() -> None:
    space = spaces.load("tiny+r16")
    torch.manual_seed(0)
    network = DeployedNetwork(space, (0,) * 6, dropout=0.5)
    images = torch.randn(2, 3, 16, 16)
    features = network.get_submodule("head")(torch.randn(4, 80, 2, 2))
    assert features.shape == (4, 10)
    network.eval()
    assert torch.equal(network(images), network(images))
    head = network.get_submodule("head").train()
    x = torch.randn(8, 80, 2, 2)
    head.get_submodule("conv").eval()
    assert not torch.equal(head(x), head(x))


def test_channels_last_and_gradients() -> None:
    space = spaces.load("tiny+r16+hswish+se")
    network = DeployedNetwork(space, (50,) * 6).to(memory_format=torch.channels_last)
    images = torch.randn(4, 3, 16, 16).contiguous(memory_format=torch.channels_last)
    network(images).square().sum().backward()
    missing = [name for name, p in network.named_parameters() if p.grad is None]
    assert missing == []


def test_folding_is_exact_to_a_rounding_and_drops_denormals() -> None:
    space = spaces.load("tiny+r16")
    network = randomised(space, (40,) * 6, 0)
    unit = network.get_submodule("stem.conv")
    assert isinstance(unit, ConvUnit)
    assert unit.bn is not None
    with torch.no_grad():
        unit.bn.weight[0] = 1e-39
        unit.bn.weight[1] = 0
    weight, bias = fold(network).tensors["stem.conv"]
    assert weight.dtype == bias.dtype == np.float32
    assert np.count_nonzero(weight[:2]) == 0
    x = torch.randn(1, 3, 5, 5, dtype=torch.float64)
    network.double()
    expected = unit.bn(unit.conv(x))
    got = torch.nn.functional.conv2d(
        x, torch.from_numpy(weight).double(), torch.from_numpy(bias).double(), padding=1
    )
    torch.testing.assert_close(got, expected, rtol=1e-6, atol=1e-6)
