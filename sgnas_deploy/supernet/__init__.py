"""Supernets: one network that holds every network of a space, trained once.

Which supernet fits a space is its family's affair: `build` finds the file of that name. A trained
supernet is `SPACE.safetensors` with `SPACE.json` (`SupernetFile`) beside it. Its SPACE is the
space without the variant `se`: the supernet never has squeeze-and-excitation, so that both spaces
share one.

This file imports no torch, so that a description can be read where torch is missing.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, cast

from pydantic import Field

from sgnas_deploy import files, spaces
from sgnas_deploy.errors import BadInput, EnvironmentProblem
from sgnas_deploy.spaces import Space

if TYPE_CHECKING:
    from sgnas_deploy.supernet.base import Supernet

SCHEMA_VERSION: Final = 1


class SupernetFile(files.FrozenModel):
    """What stands beside a trained supernet's weights.

    Attributes:
        space: identifier of the space, without the variant `se`.
        weights_sha256: the safetensors file.
        data: what `data.load` takes to find the data again.
        data_fingerprint: SHA-256 of the data's content or listing.
        classes: names of the classes.
        held_apart: share of the training images that were kept for the generator.
        split_seed: the seed of that split.
        recipe: the settings of the training.
        seed: the seed of the training.
        epochs: trained in all.
        accuracy: mean top-1 of a few random sub-networks on images that nothing is trained on.
        accuracies: top-1 of each of them.
        images: how many images those are.
    """

    kind: Literal["sgnas-supernet"] = "sgnas-supernet"
    schema_version: Literal[1] = SCHEMA_VERSION
    space: str
    weights_sha256: str
    data: str
    data_fingerprint: str
    classes: tuple[str, ...]
    held_apart: float = Field(ge=0, lt=1)
    split_seed: int
    recipe: dict[str, str | int | float | bool | None]
    seed: int
    epochs: int
    accuracy: float = Field(ge=0, le=1)
    accuracies: tuple[float, ...]
    images: int


def space_of(space: Space) -> Space:
    """The space whose supernet a space uses: itself without the variant `se`."""
    return spaces.load("+".join(word for word in space.id.split("+") if word != "se"))


def weights_path(folder: Path, space: Space) -> Path:
    """Where the weights of a space's supernet stand in the workspace's folder."""
    return folder / f"{space_of(space).id}.safetensors"


def build(space: Space) -> Supernet:
    """A fresh supernet, its weights drawn from torch's global random state.

    Raises:
        EnvironmentProblem: torch is not installed.
    """
    try:
        module = importlib.import_module(f"{__name__}.{space.family}")
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise EnvironmentProblem(
            "supernets need torch, which is not installed", "pip install 'sgnas-deploy[train]'"
        ) from error
    return cast("Supernet", module.build(space_of(space)))


def read_file(weights: Path, space: Space | None = None) -> SupernetFile:
    """The description beside a supernet's weights, after space and hash were compared.

    Args:
        weights: `SPACE.safetensors`.
        space: the space it must be for, None for any.

    Raises:
        BadInput: missing, malformed, of another space, or not the weights it was written for.
    """
    command = "sgnas train supernet"
    if space is not None:
        command += f" --space {space_of(space).id}"
    description = weights.with_suffix(".json")
    if not weights.is_file() or not description.is_file():
        missing = description if weights.is_file() else weights
        raise BadInput(f"there is no trained supernet: {missing} is missing", f"run: {command}")
    found = files.read_model(description, SupernetFile, "supernet description")
    if space is not None and found.space != space_of(space).id:
        raise BadInput(
            f"{weights} is a supernet of space {found.space}, not of {space_of(space).id}",
            f"run: {command}",
        )
    if files.sha256_of(weights, "supernet") != found.weights_sha256:
        raise BadInput(
            f"{weights} is not the file that its description was written for (SHA-256 differs)",
            f"make both anew with: {command} --fresh",
        )
    return found


def load(weights: Path, space: Space) -> tuple[Supernet, SupernetFile]:
    """A trained supernet, frozen and in eval mode.

    Raises:
        BadInput: missing, corrupt, or of another space.
        EnvironmentProblem: torch or safetensors is not installed.
    """
    found = read_file(weights, space)
    network = build(space)
    from sgnas_deploy.training import checkpoint

    tensors = checkpoint.read_tensors(weights, "supernet")
    checkpoint.load_into(network, tensors, weights, "sgnas train supernet --fresh")
    network.freeze()
    return network, found
