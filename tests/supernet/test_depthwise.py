"""The depthwise convolution's own weight gradient is PyTorch's."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from sgnas_deploy.supernet.depthwise import depthwise, weight_gradient


@pytest.mark.parametrize("kernel", [3, 5, 7])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("shape", [(2, 3, 8, 8), (3, 2, 7, 10), (1, 4, 2, 2), (2, 1, 1, 5)])
def test_gradients_equal_pytorchs(shape: tuple[int, ...], stride: int, kernel: int) -> None:
    torch.manual_seed(0)
    x = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(shape[1], 1, kernel, kernel, dtype=torch.float64, requires_grad=True)
    expected = functional.conv2d(x, weight, None, stride, kernel // 2, groups=shape[1])
    gradient = torch.randn_like(expected)
    wanted = torch.autograd.grad(expected, (x, weight), gradient)
    found = torch.autograd.grad(depthwise(x, weight, stride), (x, weight), gradient)
    torch.testing.assert_close(found, wanted)
    direct = weight_gradient(x.detach(), gradient, kernel, stride)
    torch.testing.assert_close(direct, wanted[1])


def test_no_input_gradient_where_none_is_wanted() -> None:
    weight = torch.randn(2, 1, 5, 5, dtype=torch.float64, requires_grad=True)
    torch.autograd.backward(depthwise(torch.ones(1, 2, 6, 6, dtype=torch.float64), weight, 1).sum())
    assert weight.grad is not None
    assert float(weight.grad[0, 0, 2, 2]) == 36
