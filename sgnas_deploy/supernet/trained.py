"""The active sub-blocks of one kernel size in training, differentiated as one step.

Expansion, normalisation, activation, depthwise convolution, normalisation, activation, projection:
differentiated one by one, they keep four wide tensors for the backward pass and read and write each
of them many times. Here two are kept (the expanded activations, and what the depthwise convolution
makes of them), and the first normalisation reads none: the expansion is linear, so that mean and
variance of its outputs follow from the moments of its narrow input,

    mean = W m,   variance = diag(W S W'),   m and S the mean and the covariance of the input,

and the normalisation becomes part of the expansion's weights. The same holds on the way back: what
the statistics add to the gradient of the input is linear in the input, a C by C matrix. Nothing is
approximated; tests hold outputs and gradients to those of the plain form.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, TypeAlias, cast, final

import torch
from torch import Tensor
from torch.nn import functional

from sgnas_deploy.blocks import Activation
from sgnas_deploy.supernet import fused
from sgnas_deploy.supernet.depthwise import gradients, pixel_sums
from sgnas_deploy.supernet.norm import EPSILON


@final
@dataclass(frozen=True)
class Moments:
    """Mean and covariance of a layer's input over images and pixels, without gradients.

    Attributes:
        mean: (C,), fp32 or better.
        covariance: (C, C), fp32 or better.
        centred: the input less its mean, (B, H, W, C), in the precision of an autocast.
    """

    mean: Tensor
    covariance: Tensor
    centred: Tensor

    @property
    def count(self) -> int:
        """Images times pixels."""
        return self.centred.numel() // self.centred.shape[-1]

    @classmethod
    def of(cls, x: Tensor) -> Moments:
        """Moments of x (B, C, H, W)."""
        low = _precision(x)
        with torch.no_grad(), torch.autocast(x.device.type, enabled=False):
            last = x.permute(0, 2, 3, 1).to(torch.promote_types(x.dtype, torch.float32))
            mean = last.mean((0, 1, 2))
            last = last - mean
            rows = last.flatten(0, 2)
            return cls(mean, rows.t() @ rows / len(rows), last.to(low))


TINY: Final = 1e-20
"""Stands in for a factor of zero that must not be one."""

Affine: TypeAlias = "tuple[Tensor, Tensor]"
"""Weight and bias of a normalisation, (n,) each."""


@final
@dataclass(frozen=True)
class Seen:
    """What a pass has seen of some channels, (n,), without gradients.

    Attributes:
        expanded: mean and variance before the first normalisation.
        convolved: mean and variance before the second one.
        outputs: mean after the last activation.
        counts: images times pixels, of the expansion's outputs and of the convolution's.
    """

    expanded: tuple[Tensor, Tensor]
    convolved: tuple[Tensor, Tensor]
    outputs: Tensor
    counts: tuple[int, int]


def branch(
    x: Tensor,
    moments: Moments,
    expand: tuple[Tensor, Affine],
    depthwise: tuple[Tensor, Affine],
    project: Tensor,
    stride: int,
    activation: Activation,
) -> tuple[Tensor, Seen]:
    """Map x (B, C, H, W) through some sub-blocks, by the statistics of the batch.

    Under an autocast, the wide tensors have its precision.

    Args:
        x: the layer's input. Its values come by way of `moments`, its gradient goes to it.
        moments: of x.
        expand: weight (n, C, 1, 1), and its normalisation.
        depthwise: weight (n, 1, k, k), and its normalisation.
        project: (C_out, n, 1, 1).
        stride: of the depthwise convolution.
        activation: after both normalisations.

    Returns:
        The projection (B, C_out, h, w), not normalised, and the statistics.
    """
    low = _precision(x)
    with torch.autocast(x.device.type, enabled=False):
        found = _Branch.apply(
            x.to(low),
            expand[0],
            expand[1][0],
            expand[1][1],
            depthwise[0],
            depthwise[1][0],
            depthwise[1][1],
            project,
            moments,
            stride,
            activation,
        )
    out, *seen = cast("tuple[Tensor, ...]", found)
    counts = (moments.count, len(out) * out.shape[2] * out.shape[3])
    return out, Seen((seen[0], seen[1]), (seen[2], seen[3]), seen[4], counts)


class _Branch(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        expand: Tensor,
        weight1: Tensor,
        bias1: Tensor,
        depthwise: Tensor,
        weight2: Tensor,
        bias2: Tensor,
        project: Tensor,
        moments: Moments,
        stride: int,
        activation: Activation,
    ) -> tuple[Tensor, ...]:
        low = x.dtype
        relu6 = activation == "relu6"
        matrix = expand[:, :, 0, 0]
        mean1 = matrix @ moments.mean
        variance1 = ((matrix @ moments.covariance) * matrix).sum(1).clamp_min(0)
        scale1 = weight1 * torch.rsqrt(variance1 + EPSILON)
        kept1 = fused.linear(
            moments.centred,
            (scale1[:, None] * matrix).to(low),
            bias1.to(low),
            activation if relu6 else None,
        ).permute(0, 3, 1, 2)
        a = kept1 if relu6 else functional.hardswish(kept1)
        z = fused.conv(a, depthwise.to(low), None, stride, None)
        out, mean2, invstd2 = torch.ops.aten.native_batch_norm(
            z, weight2, bias2, None, None, True, 0.0, EPSILON
        )
        variance2 = invstd2.square().reciprocal() - EPSILON
        b = fused.activated(out, activation)
        outputs = pixel_sums(b).to(mean2.dtype).sum(0) / (len(b) * b.shape[2] * b.shape[3])
        y = functional.linear(b.permute(0, 2, 3, 1), project[:, :, 0, 0].to(low))
        # The moments too: what `ctx` holds otherwise lives on until the next pass has gone forward.
        ctx.save_for_backward(
            moments.mean,
            moments.covariance,
            moments.centred,
            *(expand, weight1, variance1, kept1),
            *(depthwise, weight2, bias2, z, mean2, invstd2),
            project,
        )
        ctx.stride, ctx.activation = stride, activation
        seen = (mean1, variance1, mean2, variance2, outputs)
        ctx.mark_non_differentiable(*seen)
        return y.permute(0, 3, 1, 2), *seen

    @staticmethod
    def backward(ctx: Any, *outputs: Tensor) -> tuple[Tensor | None, ...]:
        mean, covariance, centred, *saved = ctx.saved_tensors
        expand, weight1, variance1, kept1, depthwise, weight2, bias2, z, mean2, invstd2, project = (
            saved
        )
        moments = Moments(mean, covariance, centred)
        activation, low = ctx.activation, z.dtype
        grad = outputs[0].permute(0, 2, 3, 1).contiguous()
        # The second activations again: cheaper to compute than to keep.
        variance2 = invstd2.square().reciprocal() - EPSILON
        pre, _, _ = torch.ops.aten.native_batch_norm(
            z, weight2, bias2, mean2, variance2, False, 0.0, EPSILON
        )
        b = fused.activated(pre, activation)
        kept2 = b if activation == "relu6" else pre
        rows, ones = grad.flatten(0, 2), torch.ones_like(weight2)
        of_project = rows.t() @ b.permute(0, 2, 3, 1).flatten(0, 2)
        # The normalisation's scale is taken in by the projection. A factor of zero would lose what
        # is summed below.
        scale2 = weight2 * invstd2
        scale2 = torch.where(scale2.abs() < TINY, TINY, scale2)
        turned = (project[:, :, 0, 0] * scale2).to(low)
        back = fused.undone((grad @ turned).permute(0, 3, 1, 2), kept2, activation)
        del pre, kept2, b
        _, along, total = torch.ops.aten.native_batch_norm_backward(
            back, z, ones, None, None, mean2, invstd2, True, EPSILON, [False, True, True]
        )
        count = len(z) * z.shape[2] * z.shape[3]
        # Less its mean, and less its part along the normalised values.
        less, _, _ = torch.ops.aten.native_batch_norm(
            z, -along / count, -total / count, mean2, variance2, False, 0.0, EPSILON
        )
        back, of_weight2, of_bias2 = back.add_(less), along / scale2, total / scale2
        a = kept1 if activation == "relu6" else functional.hardswish(kept1)
        back, of_depthwise = gradients(back, a, depthwise.to(low), ctx.stride)
        back = fused.undone(back, kept1, activation)
        of_x, of_expand, of_weight1, of_bias1 = _before(
            back, moments, expand[:, :, 0, 0], weight1, torch.rsqrt(variance1 + EPSILON)
        )
        return (
            of_x,
            of_expand[:, :, None, None],
            of_weight1,
            of_bias1,
            of_depthwise.to(depthwise.dtype),
            of_weight2,
            of_bias2,
            of_project.to(project.dtype)[:, :, None, None],
            None,
            None,
            None,
        )


def _before(
    grad: Tensor, moments: Moments, matrix: Tensor, weight: Tensor, invstd: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Gradients of input, expansion, and the first normalisation's weight and bias.

    Args:
        grad: of the first normalisation's outputs, (B, n, H, W).
        moments: of the layer's input.
        matrix: the expansion, (n, C).
        weight: of the normalisation, (n,).
        invstd: what it divides by, inverted, (n,).
    """
    scale = weight * invstd
    rows, inputs = grad.permute(0, 2, 3, 1).flatten(0, 2), moments.centred.flatten(0, 2)
    of_bias = pixel_sums(grad).to(weight.dtype).sum(0)
    products = (rows.t() @ inputs).to(weight.dtype)
    of_weight = invstd * (products * matrix).sum(1)
    # The variance moves with the weights and with the input: in proportion to the latter's distance
    # from its mean.
    spread = (invstd * of_weight)[:, None] * (matrix @ moments.covariance)
    of_matrix = scale[:, None] * (products - spread)
    bend = matrix.t() @ ((scale * invstd * of_weight / moments.count)[:, None] * matrix)
    constant = (scale * of_bias / moments.count) @ matrix
    low = inputs.dtype
    found = torch.addmm(-constant.to(low), inputs, -bend.to(low))
    found = found.addmm_(rows, (scale[:, None] * matrix).to(low))
    return found.view(moments.centred.shape).permute(0, 3, 1, 2), of_matrix, of_weight, of_bias


def _precision(x: Tensor) -> torch.dtype:
    """That of an autocast, else that of x."""
    kind = x.device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else x.dtype
