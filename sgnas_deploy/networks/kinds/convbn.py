"""The stem of NAS-Bench-201 as a module."""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

from sgnas_deploy.blocks.convbn import ConvNormStem
from sgnas_deploy.networks.units import ConvUnit


def module(block: ConvNormStem, dropout: float) -> nn.Module:
    """Its one convolution, `conv`."""
    del dropout
    return nn.Sequential(OrderedDict((conv.name, ConvUnit(conv)) for conv in block.convs))
