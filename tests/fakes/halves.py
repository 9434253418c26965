"""Weights that half precision cannot hold, in networks that are what they were."""

from __future__ import annotations

from typing import Any


def beyond_half(state: dict[str, Any]) -> None:
    """Make the stem's second convolution a million times larger, and what reads it smaller.

    Args:
        state: of a `DeployedNetwork` whose first layer has a kernel of 7; changed in place.
    """
    for part in ("weight", "bias"):
        state[f"stem.project.bn.{part}"] *= 1e6
    state["layers.0.k7.expand.conv.weight"] *= 1e-6
