"""Convolutions with what follows them done before a result is written, where PyTorch has them.

They are operators of PyTorch's own CPU builds (oneDNN), made for its compiler; no compiler is
needed to call them. A result is written once instead of being written, read, clipped and written
again. Where they are missing, or do not know the precision, the separate operators compute the
same.
Nothing here is differentiable: call it within an `autograd.Function`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, cast

import torch
from torch import Tensor
from torch.nn import functional

from sgnas_deploy.blocks import Activation

CLIP: Final = (0.0, 6.0)
"""The bounds of ReLU6."""


def conv(
    x: Tensor, weight: Tensor, bias: Tensor | None, stride: int, activation: Activation | None
) -> Tensor:
    """A depthwise convolution that keeps the size but for the stride, and an activation.

    Args:
        x: (B, C, H, W).
        weight: (C, 1, k, k), k odd.
        bias: (C,) or None.
        stride: in both directions.
        activation: after it.
    """
    padding = weight.shape[-1] // 2
    if activation == "relu6" and available(x):
        found = torch.ops.mkldnn._convolution_pointwise(
            x,
            weight,
            bias,
            [padding, padding],
            [stride, stride],
            [1, 1],
            len(weight),
            "hardtanh",
            CLIP,
            "",
        )
        return cast(Tensor, found)
    found = functional.conv2d(x, weight, bias, stride, padding, groups=len(weight))
    return activated(found, activation)


def conv_added(to: Tensor, x: Tensor, weight: Tensor) -> Tensor:
    """Add a depthwise convolution of stride 1 to a tensor, which is overwritten.

    Args:
        to: (B, C, H, W), in the layout of x.
        x: (B, C, H, W).
        weight: (C, 1, k, k), k odd.
    """
    padding = weight.shape[-1] // 2
    if available(x):
        found = torch.ops.mkldnn._convolution_pointwise_.binary(
            to,
            x,
            weight,
            None,
            [padding, padding],
            [1, 1],
            [1, 1],
            len(weight),
            "add",
            None,
            None,
            [],
            None,
        )
        return cast(Tensor, found)
    return to.add_(functional.conv2d(x, weight, None, 1, padding, groups=len(weight)))


def linear(x: Tensor, weight: Tensor, bias: Tensor | None, activation: Activation | None) -> Tensor:
    """A matrix product over the last axis, and an activation.

    Args:
        x: (..., C).
        weight: (n, C).
        bias: (n,) or None.
        activation: after it.
    """
    if activation == "relu6" and available(x):
        found = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "hardtanh", CLIP, "")
        return cast(Tensor, found)
    return activated(functional.linear(x, weight, bias), activation)


def activated(x: Tensor, activation: Activation | None) -> Tensor:
    """An activation, which may overwrite x."""
    if activation is None:
        return x
    return x.clamp_(*CLIP) if activation == "relu6" else functional.hardswish(x)


def undone(grad: Tensor, kept: Tensor, activation: Activation) -> Tensor:
    """The gradient before an activation.

    Args:
        grad: the gradient after it.
        kept: the result of `relu6`, or the input of `hswish`; of the shape of `grad`.
        activation: which of the two.
    """
    if activation == "relu6":
        return cast(Tensor, torch.ops.aten.hardtanh_backward(grad, kept, *CLIP))
    return cast(Tensor, torch.ops.aten.hardswish_backward(grad, kept))


def available(x: Tensor) -> bool:
    """Whether the fused operators can work on such a tensor."""
    return x.device.type == "cpu" and _known(x.dtype)


@lru_cache
def _known(precision: torch.dtype) -> bool:
    """Whether they exist and know a precision, by a try on a tensor of one element."""
    if precision not in (torch.float32, torch.bfloat16):
        return False
    one = torch.ones((1, 1, 1, 1), dtype=precision)
    try:
        if precision == torch.bfloat16 and not torch.ops.mkldnn._is_mkldnn_bf16_supported():
            return False
        clipped = torch.ops.mkldnn._convolution_pointwise(
            one, one, None, [0, 0], [1, 1], [1, 1], 1, "hardtanh", CLIP, ""
        )
        added = torch.ops.mkldnn._convolution_pointwise_.binary(
            clipped, one, one, None, [0, 0], [1, 1], [1, 1], 1, "add", None, None, [], None
        )
        product = torch.ops.mkldnn._linear_pointwise(
            one[0, 0], one[0, 0], None, "hardtanh", CLIP, ""
        )
    except (AttributeError, RuntimeError, TypeError):
        return False
    return float(added) == 2.0 and float(product) == 1.0
