"""The trained network that an export is compared with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias, final

import numpy as np

from sgnas_deploy import files, spaces
from sgnas_deploy.emitter.weights import Array, Weights
from sgnas_deploy.errors import BadInput, EnvironmentProblem
from sgnas_deploy.models import ModelFile

if TYPE_CHECKING:
    from torch import nn

Shape: TypeAlias = tuple[int, ...]
_BATCH: Final = 32


@final
class Trained:
    """A network in PyTorch.

    Attributes:
        weights: of its convolutions, batch normalisation folded in.
    """

    def __init__(self, network: nn.Module, weights: Weights) -> None:
        self._network = network
        self.weights = weights

    def logits(self, images: Array) -> Array:
        """Its own logits (n, classes) of images (n, channels, height, width)."""
        import torch

        with torch.inference_mode():
            parts = [
                self._network(torch.from_numpy(images[start : start + _BATCH])).numpy()
                for start in range(0, len(images), _BATCH)
            ]
        found: Array = np.concatenate(parts)
        return found


def load(path: Path, model: ModelFile) -> Trained:
    """A trained network, after its weights were compared with its architecture.

    Raises:
        BadInput: a damaged file, or one of another architecture.
        EnvironmentProblem: PyTorch is missing.
    """
    try:
        import safetensors
        import safetensors.torch

        from sgnas_deploy.networks.deployed import DeployedNetwork, fold
    except ImportError as error:
        raise EnvironmentProblem(
            f"export needs PyTorch to compare with ({error})", "pip install 'sgnas-deploy[train]'"
        ) from error

    cure = "make it anew with: sgnas retrain"
    architecture = model.architecture.architecture
    space = spaces.load(architecture.space)
    if len(model.classes) != space.classes or model.preprocessing.resolution != space.resolution:
        raise BadInput(
            f"the description of {path} has {len(model.classes)} classes at "
            f"{model.preprocessing.resolution} pixels, its space {space.id} has {space.classes} "
            f"at {space.resolution}",
            cure,
        )
    network = DeployedNetwork(space, architecture.options)
    try:
        state = safetensors.torch.load(files.read_bytes(path, "model"))
    except safetensors.SafetensorError as error:
        raise BadInput(f"{path} is damaged: {error}", cure) from error
    wrong = _difference(
        {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()},
        {name: tuple(tensor.shape) for name, tensor in state.items()},
    )
    if wrong:
        raise BadInput(f"{path} does not hold the weights of its architecture: {wrong}", cure)
    network.load_state_dict(state)
    network.eval()
    return Trained(network, fold(network))


def _difference(expected: Mapping[str, Shape], found: Mapping[str, Shape]) -> str:
    """The first thing in which two sets of tensors differ, empty where they agree."""
    for name, shape in expected.items():
        if name not in found:
            return f"{name} is missing"
        if found[name] != shape:
            return f"{name} has shape {found[name]}, expected {shape}"
    extra = [name for name in found if name not in expected]
    return f"{extra[0]} belongs to another network" if extra else ""
