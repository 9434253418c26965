"""Batch normalisation and convolution that can work on some of their channels."""

from __future__ import annotations

from typing import Any, Final, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from sgnas_deploy.blocks import Activation
from sgnas_deploy.supernet import depthwise, fused

MOMENTUM: Final = 0.1
EPSILON: Final = 1e-5


def activate(x: Tensor, activation: Activation) -> Tensor:
    """The activation; x may be overwritten."""
    if activation == "relu6":
        return functional.relu6(x, inplace=True)
    return functional.hardswish(x)


class NormTensors(nn.Module):
    """What a batch normalisation of so many channels holds."""

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))


class Norm(NormTensors):
    """Batch normalisation over all of its channels, or over the ones that are named.

    Normalisation is per channel, so working on some of them gives what working on all would give
    for those; the running statistics of the others stay as they are.
    """

    def forward(self, x: Tensor, channels: Tensor | None = None) -> Tensor:
        """Normalise x (B, n, H, W); `channels` (n,) says which channels those n are."""
        mean, var, weight, bias = self.running_mean, self.running_var, self.weight, self.bias
        if channels is None:
            return functional.batch_norm(
                x, mean, var, weight, bias, self.training, MOMENTUM, EPSILON
            )
        mean, var = mean[channels], var[channels]
        out = functional.batch_norm(
            x, mean, var, weight[channels], bias[channels], self.training, MOMENTUM, EPSILON
        )
        if self.training:
            # batch_norm has updated the gathered copies in place.
            self.running_mean.index_copy_(0, channels, mean)
            self.running_var.index_copy_(0, channels, var)
        return out

    def affine_of(self, channels: Tensor) -> tuple[Tensor, Tensor]:
        """Weight and bias of some channels (n,)."""
        return self.weight.index_select(0, channels), self.bias.index_select(0, channels)

    def follow(self, channels: Tensor, mean: Tensor, variance: Tensor, count: int) -> None:
        """Let the running statistics of some channels (n,) follow a batch's.

        Args:
            channels: which ones.
            mean: (n,).
            variance: (n,), of so many values, not corrected for their number.
            count: how many values.
        """
        variance = variance * (count / max(count - 1, 1))
        for running, seen in ((self.running_mean, mean), (self.running_var, variance)):
            old = running[channels]
            running.index_copy_(0, channels, old.lerp(seen.to(old.dtype), MOMENTUM))

    def centred(self, x: Tensor, mean: Tensor) -> Tensor:
        """Normalise x (B, C, H, W) as in eval mode, with another mean (1 or B, C, 1, 1)."""
        scale = self.weight * torch.rsqrt(self.running_var + EPSILON)
        return torch.addcmul(self.bias.view(1, -1, 1, 1), x - mean, scale.view(1, -1, 1, 1))

    def scale(self) -> Tensor:
        """What it multiplies with in eval mode, (channels,), without gradients."""
        return self.weight.detach() * torch.rsqrt(self.running_var + EPSILON)

    def affine(self) -> tuple[Tensor, Tensor]:
        """Scale and shift (channels,) that it amounts to in eval mode, without gradients."""
        scale = self.scale()
        return scale, self.bias.detach() - self.running_mean * scale


class ConvNorm(nn.Module):
    """A convolution without bias, then batch normalisation."""

    def __init__(
        self, c_in: int, c_out: int, kernel: int, stride: int = 1, depthwise: bool = False
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(c_out, 1 if depthwise else c_in, kernel, kernel))
        # Fan-out counts one group only, else depthwise weights start far too small.
        fan = kernel * kernel * (1 if depthwise else c_out)
        nn.init.normal_(self.weight, std=(2 / fan) ** 0.5)
        self.norm = Norm(c_out)
        self.stride = stride
        self.depthwise = depthwise
        self.pointwise = kernel == 1 and stride == 1 and not depthwise

    def forward(self, x: Tensor, channels: Tensor | None = None) -> Tensor:
        """Only the named output channels (n,), or all."""
        weight = self.weight if channels is None else self.weight[channels]
        return self.norm(self.convolve(x, weight), channels)  # type: ignore[no-any-return]

    def frozen(
        self, x: Tensor, channels: Tensor | None = None, activation: Activation | None = None
    ) -> Tensor:
        """The same in eval mode, normalisation folded; no gradient reaches the weights."""
        weight, shift = self.folded(channels)
        weight, shift = weight.to(x.dtype), shift.to(x.dtype)
        if self.pointwise:
            return pointwise(x, weight, shift, activation)
        out = self.convolve(x, weight, shift)
        return out if activation is None else activate(out, activation)

    def folded(self, channels: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Weight and bias that it amounts to in eval mode, without gradients."""
        weight = self.weight.detach()
        scale, shift = self.norm.affine()
        if channels is not None:
            weight, scale, shift = weight[channels], scale[channels], shift[channels]
        return weight * scale.view(-1, 1, 1, 1), shift

    def convolve(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """The bare convolution with any of its weights."""
        if self.depthwise and bias is None and x.dtype == torch.bfloat16 and not x.is_cuda:
            return depthwise.trainable(x, weight, self.stride)
        groups = len(weight) if self.depthwise else 1
        padding = weight.shape[-1] // 2
        return functional.conv2d(x, weight, bias, self.stride, padding, groups=groups)


def pointwise(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, activation: Activation | None = None
) -> Tensor:
    """A 1x1 convolution as a matrix product over the channels, which come last in memory.

    With an activation, no gradient reaches weight and bias.
    """
    last = x.permute(0, 2, 3, 1)
    if activation == "relu6":
        found = cast(Tensor, _Clipped.apply(last, weight[:, :, 0, 0], bias))
        return found.permute(0, 3, 1, 2)
    product = functional.linear(last, weight[:, :, 0, 0], bias)
    if activation is not None:
        # Before the axes are named as usual: a view that is overwritten costs copies.
        product = activate(product, activation)
    return product.permute(0, 3, 1, 2)


class _Clipped(torch.autograd.Function):
    """ReLU6 of a matrix product; a gradient for the input alone, from the result alone."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        found = fused.linear(x, weight, bias, "relu6")
        ctx.save_for_backward(found, weight)
        return found

    @staticmethod
    def backward(ctx: Any, *outputs: Tensor) -> tuple[Tensor | None, ...]:
        found, weight = ctx.saved_tensors
        if not ctx.needs_input_grad[0]:
            return None, None, None
        return fused.undone(outputs[0].contiguous(), found, "relu6") @ weight, None, None
