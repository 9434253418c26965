"""The soft mixture of a layer's depthwise branches, with the gradients that a generator needs.

The weights are frozen, so that only the input and the gates have gradients, and of every branch
only its output is kept. Where all images share their gates, these are factors of whole channels:
the gradient of the input takes them from the kernels, and that of the gates is one sum a channel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast, final

import torch
from torch import Tensor
from torch.nn import functional

from sgnas_deploy.blocks import Activation
from sgnas_deploy.supernet import fused
from sgnas_deploy.supernet.depthwise import dots, input_gradient, layout, pixel_sums, zeros


@final
@dataclass(frozen=True)
class Branch:
    """The depthwise convolutions of one kernel size, normalisation folded in.

    Attributes:
        weight: (n, 1, k, k).
        bias: (n,).
        gate: column of the gates.
        sub_blocks: which of the input's sub-blocks it works on, rising; None for all.
    """

    weight: Tensor
    bias: Tensor
    gate: int
    sub_blocks: list[int] | None


def mixture(
    h: Tensor, gates: Tensor, branches: Sequence[Branch], stride: int, activation: Activation
) -> Tensor:
    """Sum over branches of gate * activation(convolution); gradients reach `h` and `gates` only.

    Args:
        h: (B, s * width, H, W).
        gates: (B, s, branches), the weights of each sub-block's branches, or (1, s, branches) for
            all images.
        branches: what is mixed, in any number.
        stride: of the convolutions.
        activation: after each of them.
    """
    found = _Mixture.apply(h, gates, branches, stride, activation)
    return cast(Tensor, found)


class _Mixture(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        h: Tensor,
        gates: Tensor,
        branches: Sequence[Branch],
        stride: int,
        activation: Activation,
    ) -> Tensor:
        width = h.shape[1] // gates.shape[1]
        low = gates.to(h.dtype)
        out: Tensor | None = None
        kept: list[Tensor] = []
        for branch in branches:
            part = _taken(h, branch.sub_blocks, width)
            weight, bias = branch.weight.to(h.dtype), branch.bias.to(h.dtype)
            relu6 = activation == "relu6"
            z = fused.conv(part, weight, bias, stride, activation if relu6 else None)
            y = z if relu6 else functional.hardswish(z)
            kept.append(z)
            scale = _spread(low, branch, width)
            if out is None and branch.sub_blocks is None:
                out = y * scale
                continue
            if out is None:
                out = zeros(y, (len(h), h.shape[1], *y.shape[2:]))
            for own, there, size in _runs(branch.sub_blocks, h.shape[1], width):
                out.narrow(1, there, size).addcmul_(
                    y.narrow(1, own, size), scale.narrow(1, own, size)
                )
        if out is None:
            raise ValueError("a mixture of no branches")
        ctx.save_for_backward(gates, *kept)
        ctx.branches, ctx.stride, ctx.activation, ctx.shape = branches, stride, activation, h.shape
        return out

    @staticmethod
    def backward(ctx: Any, *outputs: Tensor) -> tuple[Tensor | None, ...]:
        (grad,) = outputs
        gates, *kept = ctx.saved_tensors
        width = ctx.shape[1] // gates.shape[1]
        shared = len(gates) == 1
        grad = grad.contiguous(memory_format=layout(kept[0]))
        of_gates = torch.zeros_like(gates)
        of_input: Tensor | None = None
        for branch, z in zip(ctx.branches, kept, strict=True):
            own = _taken(grad, branch.sub_blocks, width)
            y = z if ctx.activation == "relu6" else functional.hardswish(z)
            at = slice(None) if branch.sub_blocks is None else branch.sub_blocks
            sums = (dots(own, y)[None] if shared else pixel_sums(own * y)).to(gates.dtype)
            of_gates[:, at, branch.gate] = sums.view(len(sums), -1, width).sum(2)
            if not ctx.needs_input_grad[0]:
                continue
            scale, weight = _spread(gates, branch, width), branch.weight
            if shared:
                weight = weight * scale.view(-1, 1, 1, 1)
            else:
                own = own * scale.to(own.dtype)
            back = fused.undone(own, z, ctx.activation)
            weight, whole = weight.to(grad.dtype), branch.sub_blocks is None
            to = of_input if whole else None
            part = input_gradient(back, weight, ctx.stride, ctx.shape[2:], to)
            if whole:
                of_input = part
                continue
            if of_input is None:
                of_input = zeros(part, ctx.shape)
            for first, there, size in _runs(branch.sub_blocks, ctx.shape[1], width):
                of_input.narrow(1, there, size).add_(part.narrow(1, first, size))
        return of_input, of_gates, None, None, None


def _taken(x: Tensor, sub_blocks: list[int] | None, width: int) -> Tensor:
    """The channels of some sub-blocks, copied as the runs that they are in memory."""
    if sub_blocks is None:
        return x
    runs = _runs(sub_blocks, x.shape[1], width)
    parts = [x.narrow(1, there, size) for _, there, size in runs]
    whole = parts[0] if len(parts) == 1 else torch.cat(parts, 1)
    return whole.contiguous(memory_format=layout(x))


def _runs(
    sub_blocks: list[int] | None, channels: int, width: int
) -> tuple[tuple[int, int, int], ...]:
    """Neighbouring sub-blocks: their first channel among the chosen, among all, and how many."""
    if sub_blocks is None:
        return ((0, 0, channels),)
    found: list[tuple[int, int, int]] = []
    for place, sub_block in enumerate(sub_blocks):
        own, there = place * width, sub_block * width
        if found and found[-1][1] + found[-1][2] == there:
            first, start, size = found[-1]
            found[-1] = (first, start, size + width)
        else:
            found.append((own, there, width))
    return tuple(found)


def _spread(gates: Tensor, branch: Branch, width: int) -> Tensor:
    """A branch's gates for every channel, (B or 1, n, 1, 1)."""
    own = gates[:, :, branch.gate]
    if branch.sub_blocks is not None:
        own = own[:, branch.sub_blocks]
    return own.repeat_interleave(width, dim=1)[:, :, None, None]
