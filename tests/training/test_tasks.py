"""One step of each task, held against the same written out by hand."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from sgnas_deploy import spaces, supernet
from sgnas_deploy.networks.deployed import DeployedNetwork
from sgnas_deploy.training.process import derived_seed
from sgnas_deploy.training.recipes import RetrainRecipe, SupernetRecipe
from sgnas_deploy.training.retraining import RetrainTask
from sgnas_deploy.training.supernet import SupernetTask

SPACE = spaces.load("tiny+r16")


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(1)
    return torch.randn(4, 3, 16, 16), torch.tensor([0, 3, 3, 9])


def test_a_step_sums_the_gradients_of_its_passes() -> None:
    images, labels = batch()
    torch.manual_seed(0)
    network = supernet.build(SPACE)
    torch.manual_seed(0)
    other = supernet.build(SPACE)
    recipe = SupernetRecipe(
        epochs=1, batch=4, lr=0.1, augmentation="affine", momentum=0.0, weight_decay=0.0
    )
    loss = SupernetTask(network, recipe, steps=10, seed=3).step(0, images, labels)

    sampler = other.sampler(derived_seed("choices", 3))
    other.train()
    losses = []
    for _ in range(4):
        value = functional.cross_entropy(other(images, sampler.draw()), labels, label_smoothing=0.1)
        torch.autograd.backward(value)
        losses.append(float(value.detach()))
    assert loss == pytest.approx(sum(losses) / 4, rel=1e-5)
    parameters = dict(network.named_parameters())
    for name, parameter in other.named_parameters():
        expected = parameter.detach().clone()
        if parameter.grad is not None:
            expected -= 0.1 * parameter.grad
        torch.testing.assert_close(parameters[name].detach(), expected, msg=name)


def test_unused_parameters_still_decay() -> None:
    images, labels = batch()
    network = supernet.build(SPACE)
    recipe = SupernetRecipe(
        epochs=1, batch=4, lr=0.1, augmentation="affine", passes=1, weight_decay=0.5
    )
    task = SupernetTask(network, recipe, steps=10, seed=0)
    task.step(0, images, labels)
    # One pass trains one switchable normalisation of a layer; the others only decay.
    weights = [network.get_parameter(f"layers.0.norms.{n}.weight").detach() for n in range(1, 7)]
    decayed = [bool(torch.allclose(weight, torch.tensor(1 - 0.1 * 0.5))) for weight in weights]
    assert decayed.count(True) == 5


def retrain_recipe(ema: float | None = None, mixup: float = 0.0) -> RetrainRecipe:
    return RetrainRecipe(
        epochs=1,
        batch=4,
        optimizer="sgd",
        lr=0.01,
        augmentation="affine",
        ema=ema,
        mixup=mixup,
        warmup=0.0,
    )


def test_the_average_is_kept_where_the_recipe_has_one() -> None:
    images, labels = batch()
    network = DeployedNetwork(SPACE, (5,) * 6)
    task = RetrainTask(network, retrain_recipe(ema=0.9), 10, 10)
    assert task.result is not network
    for step in range(4):
        task.step(step, images, labels)
    name = "stem.conv.conv.weight"
    assert not torch.equal(task.result.get_parameter(name), network.get_parameter(name))
    without = RetrainTask(network, retrain_recipe(), 10, 10)
    assert without.result is network


@pytest.mark.parametrize("size", [4, 3])
def test_mixup_also_takes_an_odd_batch(size: int) -> None:
    images, labels = batch()
    task = RetrainTask(DeployedNetwork(SPACE, (5,) * 6), retrain_recipe(mixup=0.2), 10, 10)
    assert task.step(0, images[:size], labels[:size]) > 0


def test_a_teacher_pulls_the_student() -> None:
    images, labels = batch()

    def loss(share: float) -> float:
        torch.manual_seed(0)
        network = DeployedNetwork(SPACE, (5,) * 6)
        recipe = RetrainRecipe(
            epochs=1, batch=4, optimizer="sgd", lr=0.01, augmentation="affine", distill=share
        )
        sure = functional.one_hot(labels, 10).float() * 30
        return RetrainTask(network, recipe, 10, 10, lambda _: sure).step(0, images, labels)

    torch.manual_seed(0)
    logits = DeployedNetwork(SPACE, (5,) * 6).train()(images)
    hard = float(functional.cross_entropy(logits, labels).detach())
    smooth = float(functional.cross_entropy(logits, labels, label_smoothing=0.1).detach())
    assert loss(0.0) == pytest.approx(smooth, rel=1e-5)
    assert loss(0.5) == pytest.approx((smooth + hard) / 2, rel=1e-4)
