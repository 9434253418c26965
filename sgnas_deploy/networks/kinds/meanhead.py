"""The head of NAS-Bench-201 as a module."""

from __future__ import annotations

from typing import Final, final

from torch import Tensor, nn
from torch.nn import functional

from sgnas_deploy.blocks.meanhead import MeanHead
from sgnas_deploy.networks.units import ConvUnit

_CLASSIFIER_STD: Final = 0.01


def module(block: MeanHead, dropout: float) -> nn.Module:
    """The block."""
    return MeanHeadModule(block, dropout)


@final
class MeanHeadModule(nn.Module):
    """Normalisation with ReLU, global average pooling, dropout, linear classifier."""

    def __init__(self, block: MeanHead, dropout: float) -> None:
        super().__init__()
        norm, classifier = block.convs
        self.norm = ConvUnit(norm)
        # The description's convolution is only there to fold into: it is, and stays, the identity.
        nn.init.ones_(self.norm.conv.weight)
        self.norm.conv.weight.requires_grad_(False)
        self.classifier = ConvUnit(classifier)
        nn.init.normal_(self.classifier.conv.weight, 0.0, _CLASSIFIER_STD)
        self.dropout = dropout

    def forward(self, x: Tensor) -> Tensor:
        """(batch, c_in, size, size) to logits, (batch, classes)."""
        y: Tensor = self.norm(x).mean((2, 3), keepdim=True)
        y = functional.dropout(y, self.dropout, self.training)
        logits: Tensor = self.classifier(y)
        return logits.flatten(1)
