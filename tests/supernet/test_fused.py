"""Fused operators compute what the separate ones do; where they are missing, those are used."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from sgnas_deploy.blocks import Activation
from sgnas_deploy.supernet import depthwise, fused

PRECISIONS = (torch.float32, torch.bfloat16, torch.float64)
ACTIVATIONS: tuple[Activation | None, ...] = (None, "relu6", "hswish")


def assert_equal(found: torch.Tensor, expected: torch.Tensor) -> None:
    """But for rounding."""
    if found.dtype == torch.bfloat16:
        torch.testing.assert_close(found, expected, rtol=2e-2, atol=5e-2)
    else:
        torch.testing.assert_close(found, expected)


def by_hand(x: torch.Tensor, activation: Activation | None) -> torch.Tensor:
    if activation is None:
        return x
    return functional.relu6(x) if activation == "relu6" else functional.hardswish(x)


@pytest.fixture(params=[True, False], ids=["fused", "separate"], autouse=True)
def operators(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if not request.param:
        monkeypatch.setattr(fused, "available", lambda x: False)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("precision", PRECISIONS, ids=str)
@pytest.mark.parametrize("stride", [1, 2])
def test_a_convolution_and_its_activation(
    stride: int, precision: torch.dtype, activation: Activation | None
) -> None:
    torch.manual_seed(0)
    x = (torch.randn(2, 16, 7, 9) * 3).to(precision)
    weight, bias = torch.randn(16, 1, 5, 5).to(precision), torch.randn(16).to(precision)
    for layout in (torch.contiguous_format, torch.channels_last):
        found = fused.conv(x.contiguous(memory_format=layout), weight, bias, stride, activation)
        expected = functional.conv2d(x, weight, bias, stride, 2, groups=16)
        assert_equal(found, by_hand(expected, activation))


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("precision", PRECISIONS, ids=str)
def test_a_matrix_product_and_its_activation(
    precision: torch.dtype, activation: Activation | None
) -> None:
    torch.manual_seed(1)
    x, weight, bias = torch.randn(2, 3, 5, 8), torch.randn(24, 8), torch.randn(24)
    x, weight, bias = x.to(precision), weight.to(precision), bias.to(precision)
    found = fused.linear(x, weight, bias, activation)
    expected = by_hand(functional.linear(x, weight, bias), activation)
    assert_equal(found, expected)


@pytest.mark.parametrize("precision", PRECISIONS, ids=str)
def test_a_convolution_is_added_in_place(precision: torch.dtype) -> None:
    torch.manual_seed(2)
    to, x = torch.randn(2, 2, 8, 6, 6).contiguous().to(precision)
    to, x = (t.contiguous(memory_format=torch.channels_last) for t in (to, x))
    weight = torch.randn(8, 1, 3, 3).to(precision)
    expected = to + functional.conv2d(x, weight, None, 1, 1, groups=8)
    found = fused.conv_added(to, x, weight)
    assert_equal(found, expected)
    assert found.data_ptr() == to.data_ptr()


@pytest.mark.parametrize("activation", ["relu6", "hswish"])
def test_gradients_before_an_activation(activation: Activation) -> None:
    x = torch.linspace(-8, 8, 64, dtype=torch.float64, requires_grad=True)
    y = by_hand(x, activation)
    grad = torch.randn(64, dtype=torch.float64)
    (expected,) = torch.autograd.grad(y, x, grad)
    kept = y.detach() if activation == "relu6" else x.detach()
    before = grad.clone()
    torch.testing.assert_close(fused.undone(grad, kept, activation), expected)
    assert torch.equal(grad, before)


@pytest.mark.parametrize("precision", PRECISIONS, ids=str)
def test_sums_of_products_over_images_and_pixels(precision: torch.dtype) -> None:
    torch.manual_seed(3)
    a, b = torch.randn(2, 3, 20, 5, 4).to(precision)
    for layout in (torch.contiguous_format, torch.channels_last):
        found = depthwise.dots(
            a.contiguous(memory_format=layout), b.contiguous(memory_format=layout)
        )
        assert found.dtype == torch.promote_types(precision, torch.float32)
        expected = (a.double() * b.double()).sum((0, 2, 3))
        torch.testing.assert_close(found.double(), expected, rtol=1e-4, atol=1e-4)


def test_what_is_not_on_a_cpu_is_never_fused() -> None:
    assert not fused.available(torch.empty(1, device="meta"))
    assert not fused.available(torch.empty(1, dtype=torch.float64))


@pytest.mark.parametrize("precision", PRECISIONS, ids=str)
def test_a_build_without_the_operators_is_no_error(
    precision: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.ops, "mkldnn", object())
    assert not fused._known.__wrapped__(precision)
