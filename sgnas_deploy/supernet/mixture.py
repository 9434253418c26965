"""The soft mixture of a layer's depthwise branches, with the gradients that a generator needs.

The weights are frozen, so that only the input and the gates have gradients, and of every branch
only its output is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast, final

import torch
from torch import Tensor
from torch.nn import functional

from sgnas_deploy.blocks import Activation
from sgnas_deploy.supernet.depthwise import depthwise, input_gradient, layout, pixel_sums, zeros


@final
@dataclass(frozen=True)
class Branch:
    """The depthwise convolutions of one kernel size, normalisation folded in.

    Attributes:
        weight: (n, 1, k, k).
        bias: (n,).
        gate: column of the gates.
        sub_blocks: which of the input's sub-blocks it works on; None for all.
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
        gates: (B, s, branches), the weights of each sub-block's branches.
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
        ctx.precision = gates.dtype
        gates = gates.to(h.dtype)
        out: Tensor | None = None
        kept: list[Tensor] = []
        for branch in branches:
            part = _blocks(h, branch.sub_blocks, width)
            z = depthwise(part, branch.weight.to(h.dtype), branch.bias.to(h.dtype), stride)
            y = z.clamp_(0, 6) if activation == "relu6" else functional.hardswish(z)
            kept.append(z)
            scale = _spread(gates, branch, width)
            if branch.sub_blocks is None and out is not None:
                out.addcmul_(y, scale)
            elif branch.sub_blocks is None:
                out = y * scale
            else:
                if out is None:
                    out = zeros(y, (len(h), h.shape[1], *y.shape[2:]))
                at = _channels(branch.sub_blocks, width, h.device)
                out.index_add_(1, at, y * scale)
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
        grad = grad.contiguous(memory_format=layout(kept[0]))
        of_gates = torch.zeros(gates.shape, dtype=ctx.precision, device=grad.device)
        of_input: Tensor | None = None
        for branch, z in zip(ctx.branches, kept, strict=True):
            own = _blocks(grad, branch.sub_blocks, width)
            relu6 = ctx.activation == "relu6"
            y = z if relu6 else functional.hardswish(z)
            at = slice(None) if branch.sub_blocks is None else branch.sub_blocks
            sums = pixel_sums(own * y).to(ctx.precision)
            of_gates[:, at, branch.gate] = sums.view(len(sums), -1, width).sum(2)
            back = own * _spread(gates, branch, width)
            back = (
                torch.ops.aten.hardtanh_backward(back, z, 0.0, 6.0)
                if relu6
                else torch.ops.aten.hardswish_backward(back, z)
            )
            part = input_gradient(back, branch.weight.to(grad.dtype), ctx.stride, ctx.shape[2:])
            if branch.sub_blocks is not None:
                if of_input is None:
                    of_input = zeros(part, ctx.shape)
                of_input.index_add_(1, _channels(branch.sub_blocks, width, part.device), part)
            else:
                of_input = part if of_input is None else of_input.add_(part)
        return of_input, of_gates, None, None, None


def _blocks(x: Tensor, sub_blocks: list[int] | None, width: int) -> Tensor:
    if sub_blocks is None:
        return x
    return x.index_select(1, _channels(sub_blocks, width, x.device))


def _channels(sub_blocks: list[int], width: int, device: torch.device) -> Tensor:
    own = torch.arange(width)
    return torch.cat([own + b * width for b in sub_blocks]).to(device)


def _spread(gates: Tensor, branch: Branch, width: int) -> Tensor:
    """A branch's gates for every channel, (B, n, 1, 1)."""
    own = gates[:, :, branch.gate]
    if branch.sub_blocks is not None:
        own = own[:, branch.sub_blocks]
    return own.repeat_interleave(width, dim=1)[:, :, None, None]
