"""Number formats of the passes, and compiled passes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from sgnas_deploy import spaces, supernet
from sgnas_deploy.errors import EnvironmentProblem
from sgnas_deploy.networks.deployed import DeployedNetwork
from sgnas_deploy.supernet.depthwise import pixel_sums
from sgnas_deploy.training import precision
from sgnas_deploy.training.precision import Arithmetic
from sgnas_deploy.training.recipes import Precision, RetrainRecipe, SupernetRecipe
from sgnas_deploy.training.retraining import RetrainTask
from sgnas_deploy.training.supernet import SupernetTask

SPACE = spaces.load("tiny+r16")


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(1)
    return torch.randn(4, 3, 16, 16), torch.tensor([0, 3, 3, 9])


def recipe(kind: Precision = "fp32") -> RetrainRecipe:
    return RetrainRecipe(1, 4, "sgd", 0.01, "affine", warmup=0.0, precision=kind)


def retrained(
    kind: Precision = "fp32", compiler: Callable[..., Any] | str | None = None
) -> tuple[list[float], dict[str, torch.Tensor]]:
    torch.manual_seed(0)
    network = DeployedNetwork(SPACE, (5,) * 6)
    task = RetrainTask(network, recipe(kind), 10, 10, compiler=compiler)
    losses = [task.step(number, *batch()) for number in range(3)]
    return losses, network.state_dict()


def test_fp16_needs_a_gpu() -> None:
    precision.require("bf16", torch.device("cpu"))
    precision.require("fp32", torch.device("cpu"))
    precision.require("fp16", torch.device("cuda"))
    with pytest.raises(EnvironmentProblem, match="fp16 needs an NVIDIA GPU") as refused:
        precision.require("fp16", torch.device("cpu"))
    assert "--precision bf16" in (refused.value.cure or "")


def test_bf16_passes_train_fp32_weights() -> None:
    losses, weights = retrained()
    low, theirs = retrained("bf16")
    assert low != losses
    assert low == pytest.approx(losses, rel=0.02)
    for name, tensor in theirs.items():
        assert tensor.dtype == weights[name].dtype, name


def scaled(scale: float | None = None) -> tuple[Arithmetic, nn.Linear, torch.optim.Optimizer]:
    torch.manual_seed(0)
    linear = nn.Linear(3, 2)
    # On a CPU only for what is done around the passes: the scales.
    arithmetic = Arithmetic("fp16", "cpu")
    if scale is not None:
        arithmetic.restore({**arithmetic.state(), "scale": scale})
    return arithmetic, linear, torch.optim.SGD(linear.parameters(), lr=0.1)


def test_scaled_gradients_are_scaled_back() -> None:
    weights = []
    for scale in (1.0, 1024.0):
        arithmetic, linear, optimizer = scaled(scale)
        assert arithmetic.scale == scale
        arithmetic.backward(linear(torch.ones(4, 3)).square().mean())
        assert linear.weight.grad is not None
        assert float(linear.weight.grad.abs().max()) > 1e-3 * scale
        arithmetic.update(optimizer, list(linear.parameters()), clip_norm=0.5)
        weights.append(linear.weight.detach().clone())
    torch.testing.assert_close(*weights)


def test_a_step_whose_gradients_overflow_is_left_out_and_the_scale_halved() -> None:
    arithmetic, linear, optimizer = scaled(1024.0)
    before = linear.weight.detach().clone()
    arithmetic.backward(linear(torch.ones(4, 3)).square().mean() * float("inf"))
    arithmetic.update(optimizer, list(linear.parameters()), clip_norm=1.0)
    assert torch.equal(linear.weight, before)
    assert arithmetic.scale == 512.0
    other, *_ = scaled()
    other.restore(arithmetic.state())
    assert other.scale == 512.0


def test_sums_of_large_maps_stay_finite_in_fp16() -> None:
    found = pixel_sums(torch.full((1, 2, 112, 112), 6.0, dtype=torch.float16))
    assert torch.equal(found, torch.full((1, 2), 6.0 * 112 * 112))


def test_other_precisions_scale_nothing() -> None:
    for kind in ("fp32", "bf16"):
        arithmetic = Arithmetic(kind, "cpu")
        assert arithmetic.scale == 1.0
        assert arithmetic.state() == {}
        arithmetic.restore({})


def test_a_supernet_s_scale_comes_back() -> None:
    def task() -> SupernetTask:
        made = SupernetRecipe(1, 4, 0.1, "affine", passes=1, precision="fp16")
        return SupernetTask(supernet.build(SPACE), made, 10, seed=0)

    first, second = task(), task()
    tensors, state = first.save()
    state["arithmetic"]["scale"] = 256.0
    second.restore(tensors, state)
    assert second.save()[1]["arithmetic"]["scale"] == 256.0


def test_compiled_passes_train_the_same_network() -> None:
    losses, weights = retrained()
    compiled, theirs = retrained(compiler="eager")
    assert compiled == pytest.approx(losses, rel=1e-5)
    assert set(weights) == set(theirs)
    for name, tensor in weights.items():
        torch.testing.assert_close(theirs[name], tensor, msg=name)


def test_a_compiler_that_fails_is_one_error_with_a_cure() -> None:
    def broken(*_: object) -> Callable[..., Any]:
        raise RuntimeError("no C++ compiler found")

    with pytest.raises(EnvironmentProblem, match="compile does not work here") as refused:
        retrained(compiler=broken)
    assert "no C++ compiler found" in refused.value.message
    assert "\n" not in refused.value.message
    assert "leave --compile out" in (refused.value.cure or "")


@pytest.mark.slow
def test_compiled_by_the_default_compiler() -> None:
    losses, _ = retrained()
    compiled, _ = retrained(compiler="inductor")
    assert compiled == pytest.approx(losses, rel=1e-4)
