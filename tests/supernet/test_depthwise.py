from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from sgnas_deploy import spaces, supernet
from sgnas_deploy.blocks import Activation
from sgnas_deploy.supernet import depthwise
from sgnas_deploy.supernet.mixture import Branch, mixture
from sgnas_deploy.training.recipes import SupernetRecipe
from sgnas_deploy.training.supernet import SupernetTask

LAYOUTS = (torch.contiguous_format, torch.channels_last)


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kernel", [3, 5, 7])
def test_gradients_equal_those_of_pytorch(
    kernel: int, stride: int, layout: torch.memory_format
) -> None:
    torch.manual_seed(kernel * 10 + stride)
    x = torch.randn(3, 8, 8, 6, dtype=torch.float64).contiguous(memory_format=layout)
    x.requires_grad_()
    weight = torch.randn(8, 1, kernel, kernel, dtype=torch.float64, requires_grad=True)
    ours = depthwise.trainable(x, weight, stride)
    theirs = functional.conv2d(x, weight, None, stride, kernel // 2, groups=8)
    torch.testing.assert_close(ours, theirs)
    grad = torch.randn_like(theirs)
    for a, b in zip(
        torch.autograd.grad(ours, (x, weight), grad),
        torch.autograd.grad(theirs, (x, weight), grad),
        strict=True,
    ):
        torch.testing.assert_close(a, b)


def test_weight_gradients_in_bf16_are_those_of_fp32_but_for_rounding() -> None:
    torch.manual_seed(0)
    x, grad = torch.randn(2, 4, 16, 12, 12).bfloat16()
    found = depthwise.weight_gradient(grad, x, 7, 1)
    exact = depthwise.weight_gradient(grad.double(), x.double(), 7, 1)
    assert found.dtype == torch.float32
    assert float((found - exact).abs().max() / exact.abs().max()) < 0.01


@pytest.mark.parametrize("activation", ["relu6", "hardswish"])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("sub_blocks", [None, [0, 2]])
def test_a_mixture_is_the_weighed_sum_of_its_branches(
    sub_blocks: list[int] | None, stride: int, activation: str
) -> None:
    torch.manual_seed(1)
    blocks, width = 3, 2
    x = torch.randn(2, blocks * width, 6, 6, dtype=torch.float64, requires_grad=True)
    gates = torch.rand(2, blocks, 2, dtype=torch.float64, requires_grad=True)
    own = list(range(blocks)) if sub_blocks is None else sub_blocks
    n = len(own) * width
    branches = [
        Branch(torch.randn(n, 1, 5, 5).double(), torch.randn(n).double(), 0, sub_blocks),
        Branch(
            torch.randn(blocks * width, 1, 3, 3).double(),
            torch.randn(blocks * width).double(),
            1,
            None,
        ),
    ]
    word: Activation = "relu6" if activation == "relu6" else "hswish"

    def by_hand(x: Tensor, gates: Tensor) -> Tensor:
        parts = []
        for b in range(blocks):
            sums: list[Tensor] = []
            for branch in branches:
                among = own if branch.sub_blocks is not None else list(range(blocks))
                if b in among:
                    at = slice(among.index(b) * width, (among.index(b) + 1) * width)
                    y = functional.conv2d(
                        x[:, b * width : (b + 1) * width],
                        branch.weight[at],
                        branch.bias[at],
                        stride,
                        branch.weight.shape[-1] // 2,
                        groups=width,
                    )
                    y = functional.relu6(y) if word == "relu6" else functional.hardswish(y)
                    sums.append(gates[:, b, branch.gate, None, None, None] * y)
            parts.append(torch.stack(sums).sum(0))
        return torch.cat(parts, 1)

    ours = mixture(x, gates, branches, stride, word)
    theirs = by_hand(x, gates)
    torch.testing.assert_close(ours, theirs)
    grad = torch.randn_like(theirs)
    for a, b in zip(
        torch.autograd.grad(ours, (x, gates), grad),
        torch.autograd.grad(theirs, (x, gates), grad),
        strict=True,
    ):
        torch.testing.assert_close(a, b)


def test_a_step_in_bf16_is_one_in_fp32_but_for_rounding() -> None:
    space = spaces.load("tiny+r16+c2")
    images = torch.randn(16, 3, 16, 16, generator=torch.Generator().manual_seed(3))
    labels = torch.arange(16) % 2
    losses, changes = [], []
    for precision in ("fp32", "bf16"):
        torch.manual_seed(0)
        network = supernet.build(space)
        before = {name: p.detach().clone() for name, p in network.named_parameters()}
        recipe = SupernetRecipe(1, 16, 0.1, "affine", weight_decay=0.0, precision=precision)
        task = SupernetTask(network, recipe, 10, seed=0)
        losses.append(task.step(0, images.contiguous(memory_format=torch.channels_last), labels))
        changes.append(
            torch.cat([(p.detach() - before[n]).flatten() for n, p in network.named_parameters()])
        )
        assert all(p.dtype == torch.float32 for p in network.parameters())
        assert all(b.isfinite().all() for b in network.buffers())
    assert losses[0] == pytest.approx(losses[1], rel=0.02)
    assert float(functional.cosine_similarity(changes[0], changes[1], dim=0)) > 0.95
