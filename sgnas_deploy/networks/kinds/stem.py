"""The stem as a module."""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

from sgnas_deploy.blocks.stem import Stem
from sgnas_deploy.networks.units import ConvUnit


def module(block: Stem, dropout: float) -> nn.Module:
    """Its convolutions, one after another."""
    del dropout
    return nn.Sequential(OrderedDict((conv.name, ConvUnit(conv)) for conv in block.convs))
