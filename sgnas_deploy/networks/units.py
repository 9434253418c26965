"""The unit of every network: convolution, batch normalisation, activation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, final

from torch import Tensor, nn
from torch.nn import functional

from sgnas_deploy.blocks import Conv, ConvActivation

BN_EPS: Final = 1e-5

# In place: a batch normalisation's gradient needs its input, not its output.
_ACTIVATIONS: Final[dict[ConvActivation, Callable[[Tensor], Tensor]]] = {
    "relu6": lambda x: functional.relu6(x, inplace=True),
    "relu": lambda x: functional.relu(x, inplace=True),
    "hswish": lambda x: functional.hardswish(x, inplace=True),
    "hsigmoid": lambda x: functional.hardsigmoid(x, inplace=True),
    "none": lambda x: x,
}


@final
class ConvUnit(nn.Module):
    """A described convolution, trained with batch normalisation or with a plain bias.

    Parameters are called `conv.weight`, then `bn.weight`, `bn.bias` and the running statistics,
    or `conv.bias`.
    """

    bn: nn.BatchNorm2d | None

    def __init__(self, conv: Conv) -> None:
        super().__init__()
        self.activation = conv.activation
        self.conv = nn.Conv2d(
            conv.c_in,
            conv.c_out,
            conv.kernel,
            conv.stride,
            conv.kernel // 2,
            groups=conv.groups,
            bias=not conv.normalised,
        )
        self.bn = nn.BatchNorm2d(conv.c_out, eps=BN_EPS) if conv.normalised else None
        # He et al. (2015), by fan-out as is usual for this family of networks.
        fan_out = conv.kernel**2 * conv.c_out // conv.groups
        nn.init.normal_(self.conv.weight, 0.0, (2.0 / fan_out) ** 0.5)
        if self.conv.bias is not None:
            nn.init.zeros_(self.conv.bias)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, c_in, height, width) to (batch, c_out, height / stride, width / stride)."""
        y: Tensor = self.conv(x)
        if self.bn is not None:
            y = self.bn(y)
        return _ACTIVATIONS[self.activation](y)
