"""Depthwise convolutions whose gradients are fast on a CPU.

PyTorch's (oneDNN's) depthwise convolutions run forward at full speed, and so does the weight
gradient of a kernel that is at most three columns wide. That of a wider one takes ten times as long
as its forward in fp32, and tens to hundreds of times in bfloat16. So a wider kernel's weight
gradient is put together from blocks of three columns and all rows, each the gradient of a
convolution of a shifted input, and the input gradient is written as a forward convolution with the
kernel turned around.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, cast

import torch
from torch import Tensor

from sgnas_deploy.supernet import fused

COLUMNS: Final = 3
"""The widest kernel that has a fast weight gradient, whatever its height."""


def trainable(x: Tensor, weight: Tensor, stride: int) -> Tensor:
    """A depthwise convolution that keeps the size but for the stride, with fast gradients.

    Args:
        x: (B, C, H, W); its precision is computed in.
        weight: (C, 1, k, k), k odd.
        stride: in both directions.
    """
    found = _Trainable.apply(x, weight, stride)
    return cast(Tensor, found)


def gradients(grad: Tensor, x: Tensor, weight: Tensor, stride: int) -> tuple[Tensor, Tensor]:
    """Gradients (B, C, H, W) and (C, 1, k, k) of input and weight, the fastest way there is.

    Args:
        grad: of the output.
        x: the input.
        weight: (C, 1, k, k).
        stride: of the convolution.
    """
    grad = grad.contiguous(memory_format=layout(x))
    kernel = weight.shape[-1]
    padding = kernel // 2
    if x.is_cuda:
        return _backward(grad, x, weight, stride, padding, (True, True))
    # Strided, PyTorch's input gradient is the faster one in fp32, and many times slower in bf16.
    if stride > 1 and x.dtype != torch.bfloat16:
        of_input, _ = _backward(grad, x, weight, stride, padding, (True, False))
    else:
        of_input = input_gradient(grad, weight, stride, x.shape[2:])
    return of_input, weight_gradient(grad, x, kernel, stride)


def input_gradient(
    grad: Tensor, weight: Tensor, stride: int, size: Sequence[int], to: Tensor | None = None
) -> Tensor:
    """Gradient (B, C, H, W) of the input.

    Args:
        grad: of the output.
        weight: (C, 1, k, k).
        stride: of the convolution; where it is not 1, zeros are put between the gradients.
        size: (H, W) of the input.
        to: what it is added to, which is overwritten; None for nothing.
    """
    if stride > 1:
        spread = zeros(grad, (*grad.shape[:2], *size))
        spread[:, :, ::stride, ::stride] = grad
        grad = spread
    turned = weight.flip(2, 3)
    if to is None:
        return fused.conv(grad, turned, None, 1, None)
    return fused.conv_added(to, grad, turned)


def weight_gradient(grad: Tensor, x: Tensor, kernel: int, stride: int) -> Tensor:
    """Gradient (C, 1, k, k) of the weight, put together from tall blocks, in fp32 or better.

    Args:
        grad: of the output.
        x: the input.
        kernel: its size k.
        stride: of the convolution.
    """
    channels, before = x.shape[1], kernel // 2
    precision = torch.promote_types(x.dtype, torch.float32)
    if kernel <= COLUMNS:
        return _block_gradient(grad, x, (kernel, kernel), stride, before).to(precision)
    # Always three columns, though the last ones may be of no use: one alone is slow when strided.
    side = -(-kernel // COLUMNS) * COLUMNS
    found = torch.empty((channels, 1, kernel, side), dtype=precision, device=x.device)
    rows, columns = (
        stride * (n - 1) + k for n, k in zip(grad.shape[2:], (kernel, COLUMNS), strict=True)
    )
    for left in range(0, side, COLUMNS):
        seen = _window(x, (-before, left - before), (rows, columns))
        found[:, :, :, left : left + COLUMNS] = _block_gradient(
            grad, seen, (kernel, COLUMNS), stride, 0
        )
    return found[:, :, :, :kernel]


def _window(x: Tensor, first: tuple[int, int], size: tuple[int, int]) -> Tensor:
    """A copy of some rows and columns, with zeros where x has none."""
    found = zeros(x, (*x.shape[:2], *size))
    there, here = [], []
    for start, length, extent in zip(first, size, x.shape[2:], strict=True):
        low, high = max(start, 0), max(start, 0, min(start + length, extent))
        there.append(slice(low, high))
        here.append(slice(low - start, high - start))
    found[:, :, here[0], here[1]] = x[:, :, there[0], there[1]]
    return found


def _block_gradient(
    grad: Tensor, x: Tensor, size: tuple[int, int], stride: int, padding: int
) -> Tensor:
    shape = x.new_empty((x.shape[1], 1, *size))
    _, found = _backward(grad, x, shape, stride, padding, (False, True))
    return found


def _backward(
    grad: Tensor, x: Tensor, weight: Tensor, stride: int, padding: int, wanted: tuple[bool, bool]
) -> tuple[Tensor, Tensor]:
    """PyTorch's own gradients of input and weight; what is not wanted is None."""
    of_input, of_weight, _ = torch.ops.aten.convolution_backward(
        grad,
        x,
        weight,
        None,
        [stride, stride],
        [padding, padding],
        [1, 1],
        False,
        [0, 0],
        len(weight),
        [*wanted, False],
    )
    return of_input, of_weight


class _Trainable(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: int) -> Tensor:
        own = weight.to(x.dtype)
        ctx.save_for_backward(x, own)
        ctx.stride, ctx.precision = stride, weight.dtype
        return fused.conv(x, own, None, stride, None)

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

    In bfloat16 it adds up in fp32 and rounds at the end. In fp16 the sum of a large map may lie
    beyond its range: it is returned in fp32.
    """
    if x.dtype == torch.float16:
        return x.sum((2, 3), dtype=torch.float32)
    flat = x.permute(0, 2, 3, 1).flatten(1, 2)
    return (flat.new_ones((len(x), 1, flat.shape[1])) @ flat)[:, 0]


def dots(a: Tensor, b: Tensor) -> Tensor:
    """Sums of products over images and pixels, (C,) in fp32 or better.

    The gradient of a normalisation's weight is such a sum, and reads both tensors once.
    """
    precision = torch.promote_types(a.dtype, torch.float32)
    if a.is_cuda:
        return (a * b).sum((0, 2, 3), dtype=precision)
    one = a.new_ones(a.shape[1], dtype=precision)
    _, found, _ = torch.ops.aten.native_batch_norm_backward(
        a, b, one, torch.zeros_like(one), one, None, None, False, 0.0, [False, True, False]
    )
    return cast(Tensor, found)


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
