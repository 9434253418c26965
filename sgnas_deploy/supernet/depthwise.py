"""Depthwise convolution with a faster weight gradient for large kernels on a CPU.

PyTorch's depthwise convolutions are fast forward and for the input's gradient, but the gradient of
5x5 and 7x7 weights takes 5 to 20 times as long as the forward pass. Here it is computed by matrix
products. For one channel and one kernel row i, let X be the padded input's rows that meet that
kernel row and G the output gradient's rows, both over all images. The entry (u, v) of X^T G sums
what input column u and output column v contribute together, so the gradient of weight (i, j) is
the sum over v of the entries (stride * v + j, v), a diagonal. More is multiplied than is needed,
but by the processor's fastest routine.
"""

from __future__ import annotations

from typing import Any, Final

import torch
from torch import Tensor
from torch.nn import functional

_FROM_KERNEL: Final = 5


def depthwise(x: Tensor, weight: Tensor, stride: int, bias: Tensor | None = None) -> Tensor:
    """Depthwise convolution with padding kernel // 2.

    Args:
        x: (B, C, H, W).
        weight: (C, 1, kernel, kernel).
        stride: in both directions.
        bias: (C,).
    """
    kernel = weight.shape[-1]
    if kernel >= _FROM_KERNEL and bias is None and weight.requires_grad and x.device.type == "cpu":
        found: Tensor = _Depthwise.apply(x, weight, stride)  # type: ignore[no-untyped-call]
        return found
    return functional.conv2d(x, weight, bias, stride, kernel // 2, groups=weight.shape[0])


def weight_gradient(x: Tensor, gradient: Tensor, kernel: int, stride: int) -> Tensor:
    """Gradient of a depthwise convolution's weight, (C, 1, kernel, kernel).

    Args:
        x: the input, (B, C, H, W).
        gradient: of the output, (B, C, h, w).
        kernel: side of the kernel; the padding is kernel // 2.
        stride: in both directions.
    """
    batch, channels, height, width = x.shape
    h, w = gradient.shape[2:]
    pad = kernel // 2
    # Rows of an image, padded to a multiple of the stride. Every stride-th row meets one kernel
    # row, so rows are sorted by their remainder; output rows are padded with zeros to as many.
    rows = -(-(height + 2 * pad) // stride)
    padded = x.new_zeros((channels, batch, rows * stride, width + 2 * pad))
    padded[:, :, pad : pad + height, pad : pad + width] = x.transpose(0, 1)
    sorted_rows = padded.view(channels, batch * rows, stride, -1)
    grads = x.new_zeros((channels, batch, rows, w))
    grads[:, :, :h] = gradient.transpose(0, 1)
    grads = grads.view(channels, batch * rows, w)
    found = x.new_empty((channels, 1, kernel, kernel))
    for i in range(kernel):
        offset, remainder = divmod(i, stride)
        # The offset shifts rows of the flattened batch; what crosses into the next image meets
        # zeros, for an output row never reaches beyond its own image's padded rows.
        inputs = sorted_rows[:, offset:, remainder]
        outputs = grads[:, : batch * rows - offset]
        products = torch.bmm(inputs.transpose(1, 2), outputs)
        first, second, third = products.stride()
        diagonals = products.as_strided(
            (channels, kernel, w), (first, second, second * stride + third)
        )
        found[:, 0, i] = diagonals.sum(2)
    return found


class _Depthwise(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: int) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.stride = stride
        return functional.conv2d(
            x, weight, None, stride, weight.shape[-1] // 2, groups=weight.shape[0]
        )

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor, None]:
        x, weight = ctx.saved_tensors
        (gradient,) = gradients
        kernel, stride = weight.shape[-1], ctx.stride
        to_input = None
        if ctx.needs_input_grad[0]:
            to_input = torch.nn.grad.conv2d_input(
                x.shape, weight, gradient, stride, kernel // 2, groups=weight.shape[0]
            )
        return to_input, weight_gradient(x, gradient, kernel, stride), None
