"""Accuracy on held-out images."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn

from sgnas_deploy.data import Images, Preprocessing
from sgnas_deploy.data.batches import ResizedImages, normalised
from sgnas_deploy.supernet.base import Choice, Supernet

BATCH: Final = 128


def held_out(images: Images, preprocessing: Preprocessing) -> ResizedImages:
    """Images that are decoded once for several evaluations (small sets only)."""
    return ResizedImages(images, preprocessing)


def batches(
    images: ResizedImages, preprocessing: Preprocessing, device: torch.device
) -> Iterator[tuple[Tensor, Tensor]]:
    """All images in order, with their labels."""
    for start in range(0, len(images), BATCH):
        own = np.arange(start, min(start + BATCH, len(images)))
        inputs = torch.from_numpy(normalised(images.pixels(own), preprocessing))
        yield inputs.to(device), torch.from_numpy(images.labels[own]).to(device)


def accuracy(
    forward: Callable[[Tensor], Tensor],
    images: ResizedImages,
    preprocessing: Preprocessing,
    device: torch.device,
) -> float:
    """Top-1, a share.

    Args:
        forward: inputs (B, 3, R, R) to logits (B, classes), in eval mode.
        images: what to look at.
        preprocessing: how they become inputs.
        device: where `forward` computes.
    """
    right = 0
    with torch.inference_mode():
        for inputs, labels in batches(images, preprocessing, device):
            right += int((forward(inputs).argmax(1) == labels).sum())
    return right / len(images)


def network_accuracy(
    network: nn.Module, images: ResizedImages, preprocessing: Preprocessing, device: torch.device
) -> float:
    """Top-1 of a network, which is put into eval mode."""
    network.eval()
    return accuracy(network, images, preprocessing, device)


def choice_accuracy(
    supernet: Supernet,
    choice: Choice,
    images: ResizedImages,
    preprocessing: Preprocessing,
    device: torch.device,
) -> float:
    """Top-1 of one sub-network; the supernet is put into eval mode."""
    supernet.eval()
    return accuracy(lambda x: supernet(x, choice), images, preprocessing, device)
