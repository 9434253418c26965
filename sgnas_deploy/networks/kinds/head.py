"""The head as a module."""

from __future__ import annotations

from typing import Final, final

from torch import Tensor, nn
from torch.nn import functional

from sgnas_deploy.blocks.head import Head
from sgnas_deploy.networks.units import ConvUnit

_CLASSIFIER_STD: Final = 0.01


def module(block: Head, dropout: float) -> nn.Module:
    """The block."""
    return HeadModule(block, dropout)


@final
class HeadModule(nn.Module):
    """Convolution, global average pooling, dropout, linear classifier (as a 1x1 convolution)."""

    def __init__(self, block: Head, dropout: float) -> None:
        super().__init__()
        conv, classifier = block.convs
        self.conv = ConvUnit(conv)
        self.classifier = ConvUnit(classifier)
        nn.init.normal_(self.classifier.conv.weight, 0.0, _CLASSIFIER_STD)
        self.dropout = dropout

    def forward(self, x: Tensor) -> Tensor:
        """(batch, c_in, size, size) to logits, (batch, classes)."""
        y: Tensor = self.conv(x).mean((2, 3), keepdim=True)
        y = functional.dropout(y, self.dropout, self.training)
        logits: Tensor = self.classifier(y)
        return logits.flatten(1)
