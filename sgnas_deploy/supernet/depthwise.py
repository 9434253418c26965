"""Depthwise convolutions whose gradients are fast on a CPU.

PyTorch's (oneDNN's) depthwise convolutions run forward at full speed, and so does the weight
gradient of a 3x3 kernel. In bfloat16 the weight gradients of larger kernels take tens to hundreds
of times as long as their forward. So a larger kernel's weight gradient is put together from 3x3
blocks, each the gradient of a 3x3 convolution of a shifted input, and the input gradient is written
as a forward convolution with the kernel turned around. In fp32 PyTorch's own are as fast.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, cast

import torch
from torch import Tensor
from torch.nn import functional

BLOCK: Final = 3
"""The kernel size that has a fast weight gradient."""


def depthwise(x: Tensor, weight: Tensor, bias: Tensor | None, stride: int) -> Tensor:
    """A depthwise convolution that keeps the size but for the stride.

    Args:
        x: (B, C, H, W).
        weight: (C, 1, k, k), k odd.
        bias: (C,) or None.
        stride: in both directions.
    """
    padding = weight.shape[-1] // 2
    return functional.conv2d(x, weight, bias, stride, padding, groups=len(weight))


def trainable(x: Tensor, weight: Tensor, stride: int) -> Tensor:
    """The same without bias, computed in the precision of `x`, with fast gradients."""
    found = _Trainable.apply(x, weight, stride)
    return cast(Tensor, found)


def input_gradient(grad: Tensor, weight: Tensor, stride: int, size: Sequence[int]) -> Tensor:
    """Gradient (B, C, H, W) of the input.

    Args:
        grad: of the output.
        weight: (C, 1, k, k).
        stride: of the convolution; where it is not 1, zeros are put between the gradients.
        size: (H, W) of the input.
    """
    if stride > 1:
        spread = zeros(grad, (*grad.shape[:2], *size))
        spread[:, :, ::stride, ::stride] = grad
        grad = spread
    return depthwise(grad, weight.flip(2, 3), None, 1)


def weight_gradient(grad: Tensor, x: Tensor, kernel: int, stride: int) -> Tensor:
    """Gradient (C, 1, k, k) of the weight, put together from 3x3 blocks, in fp32 or better.

    Args:
        grad: of the output.
        x: the input.
        kernel: its size k.
        stride: of the convolution.
    """
    channels, side = x.shape[1], -(-kernel // BLOCK) * BLOCK
    precision = torch.promote_types(x.dtype, torch.float32)
    found = torch.empty((channels, 1, side, side), dtype=precision, device=x.device)
    before = kernel // 2
    after = before + side - kernel
    padded = functional.pad(x, (before, after, before, after))
    block = x.new_empty((channels, 1, BLOCK, BLOCK))
    height, width = (stride * (n - 1) + BLOCK for n in grad.shape[2:])
    for top in range(0, side, BLOCK):
        for left in range(0, side, BLOCK):
            part = padded[:, :, top : top + height, left : left + width]
            _, found[:, :, top : top + BLOCK, left : left + BLOCK], _ = (
                torch.ops.aten.convolution_backward(
                    grad,
                    part.contiguous(memory_format=layout(grad)),
                    block,
                    None,
                    [stride, stride],
                    [0, 0],
                    [1, 1],
                    False,
                    [0, 0],
                    channels,
                    [False, True, False],
                )
            )
    return found[:, :, :kernel, :kernel]


class _Trainable(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: int) -> Tensor:
        own = weight.to(x.dtype)
        ctx.save_for_backward(x, own)
        ctx.stride, ctx.precision = stride, weight.dtype
        return depthwise(x, own, None, stride)

    @staticmethod
    def backward(ctx: Any, *outputs: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        grad = outputs[0].contiguous(memory_format=layout(x))
        of_input = of_weight = None
        if ctx.needs_input_grad[0]:
            of_input = input_gradient(grad, weight, ctx.stride, x.shape[2:])
        if ctx.needs_input_grad[1]:
            of_weight = weight_gradient(grad, x, weight.shape[-1], ctx.stride).to(ctx.precision)
        return of_input, of_weight, None


def pixel_sums(x: Tensor) -> Tensor:
    """Sums over the pixels, (B, C): a product with ones, which needs no copy of another precision.

    In bfloat16 it adds up in fp32 and rounds at the end.
    """
    flat = x.permute(0, 2, 3, 1).flatten(1, 2)
    return (flat.new_ones((len(x), 1, flat.shape[1])) @ flat)[:, 0]


def zeros(like: Tensor, shape: Sequence[int]) -> Tensor:
    """Zeros in the precision, place and layout of another tensor."""
    found = torch.empty(
        tuple(shape), dtype=like.dtype, device=like.device, memory_format=layout(like)
    )
    return found.zero_()


def layout(x: Tensor) -> torch.memory_format:
    """Whether the channels come last in memory."""
    last = x.is_contiguous(memory_format=torch.channels_last)
    return torch.channels_last if last else torch.contiguous_format
