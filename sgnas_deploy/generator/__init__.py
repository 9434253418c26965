"""The architecture generator: budget in, scores of every option out, trained once for a table.

What fits a space is its family's affair: `build` finds the file of that name. A trained generator
is `TABLE.safetensors` with `TABLE.json` (`GeneratorFile`) beside it; it belongs to the one table
and the one supernet that it was trained on, and is refused for others. One that reads tables is
`SPACE--any-device.safetensors`; it belongs to a space and a supernet, and serves every table.

This file imports no torch, so that a description can be read where torch is missing.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, cast

from pydantic import Field

from sgnas_deploy import files
from sgnas_deploy.errors import BadInput, EnvironmentProblem
from sgnas_deploy.generator.recipe import Recipe
from sgnas_deploy.spaces import Space

if TYPE_CHECKING:
    from sgnas_deploy.generator.base import Generator

SCHEMA_VERSION: Final = 1


class TrainedOn(files.FrozenModel):
    """A further table that a generator was trained on.

    Attributes:
        table: its name.
        table_sha256: its file.
    """

    table: str
    table_sha256: str


class GeneratorFile(files.FrozenModel):
    """What stands beside a trained generator's weights.

    Attributes:
        space: identifier of the space.
        weights_sha256: the safetensors file.
        table: name of the latency table.
        table_sha256: the latency table's file.
        more_tables: those that a generator that reads tables was trained on beside it.
        supernet_sha256: the supernet's weights.
        percentile: of a hot run, what its budgets speak of.
        fastest_s: latency that the budget share 0 stands for, in that table.
        slowest_s: latency that the budget share 1 stands for, in that table.
        data: what the user called the data.
        data_fingerprint: SHA-256 of the data's content or listing.
        recipe: the settings of the training.
        seed: the seed of the training.
        epochs: trained in all.
        loss: cross-entropy of the last epoch; taught by probes, up to a constant.
        budget_error: mean relative distance of expected latency to its target, last epoch.
    """

    kind: Literal["sgnas-generator"] = "sgnas-generator"
    schema_version: Literal[1] = SCHEMA_VERSION
    space: str
    weights_sha256: str
    table: str
    table_sha256: str
    more_tables: tuple[TrainedOn, ...] = ()
    supernet_sha256: str
    percentile: float = Field(gt=0, lt=100)
    fastest_s: float = Field(gt=0)
    slowest_s: float = Field(gt=0)
    data: str
    data_fingerprint: str
    recipe: Recipe
    seed: int
    epochs: int = Field(ge=1)
    loss: float
    budget_error: float = Field(ge=0)

    def knows(self, table_sha256: str) -> bool:
        """Whether it was trained on that table."""
        return table_sha256 in (self.table_sha256, *(one.table_sha256 for one in self.more_tables))


def weights_path(folder: Path, table: str) -> Path:
    """Where the weights of a table's generator stand in the workspace's folder."""
    return folder / f"{table}.safetensors"


def any_device_path(folder: Path, space: str) -> Path:
    """Where the weights of a space's generator that reads tables stand."""
    return folder / f"{space}--any-device.safetensors"


def build(space: Space, recipe: Recipe) -> Generator:
    """A fresh generator, its weights drawn from torch's global random state.

    Raises:
        BadInput: the space's family has no generator.
        EnvironmentProblem: torch is not installed.
    """
    name = f"{__name__}.{space.family}"
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name == "torch":
            raise EnvironmentProblem(
                "generators need torch, which is not installed",
                "pip install 'sgnas-deploy[train]', or use: sgnas generate --scores macs",
            ) from error
        if error.name == name:
            raise BadInput(
                f"there is no generator for spaces of the family {space.family}",
                "use: sgnas generate --scores macs",
            ) from error
        raise
    return cast("Generator", module.build(space, recipe))


def read_file(weights: Path) -> GeneratorFile:
    """The description beside a generator's weights, after their hash was compared.

    Raises:
        BadInput: missing, malformed, or not the weights that it was written for.
    """
    description = weights.with_suffix(".json")
    if not weights.is_file() or not description.is_file():
        missing = description if weights.is_file() else weights
        raise BadInput(
            f"there is no trained generator: {missing} is missing",
            "run: sgnas train generator, or generate without one: sgnas generate --scores macs",
        )
    found = files.read_model(description, GeneratorFile, "generator description")
    if files.sha256_of(weights, "generator") != found.weights_sha256:
        raise BadInput(
            f"{weights} is not the file that its description was written for (SHA-256 differs)",
            "make both anew with: sgnas train generator --fresh",
        )
    return found


def check(
    found: GeneratorFile,
    *,
    space: str,
    table_sha256: str,
    percentile: float,
    supernet_sha256: str | None = None,
) -> None:
    """Refuse a generator that was trained for something else.

    One that reads tables serves every table and percentile, of the space and supernet it knows.

    Args:
        found: its description.
        space: the space that is generated for.
        table_sha256: the table that predicts.
        percentile: what the budgets speak of.
        supernet_sha256: the supernet that is there, None where none is.

    Raises:
        BadInput: it was trained on another space, table, percentile or supernet.
    """
    reads = found.recipe.reads_tables
    command = f"sgnas train generator {'--any-device' if reads else '--one-table'}"
    cure = f"train it for what is there now with: {command}"
    if found.space != space:
        raise BadInput(f"the generator is for the space {found.space}, not for {space}", cure)
    if not reads and found.table_sha256 != table_sha256:
        raise BadInput(
            f"the generator was trained on another table than {found.table} is now "
            "(SHA-256 differs)",
            cure,
        )
    if not reads and found.percentile != percentile:
        raise BadInput(
            f"the generator was trained on budgets for percentile {found.percentile:g}, "
            f"not {percentile:g}",
            f"{cure} --percentile {percentile:g}",
        )
    if supernet_sha256 is not None and found.supernet_sha256 != supernet_sha256:
        raise BadInput(
            "the generator was trained on another supernet than the workspace has now "
            "(SHA-256 differs)",
            cure,
        )


def load(weights: Path, space: Space, found: GeneratorFile) -> Generator:
    """A trained generator in eval mode.

    Args:
        weights: `TABLE.safetensors`.
        space: its space.
        found: its description, as `read_file` gave it.

    Raises:
        BadInput: corrupt, or other tensors than a generator of this space has.
        EnvironmentProblem: torch or safetensors is not installed.
    """
    network = build(space, found.recipe)
    from sgnas_deploy.training import checkpoint

    tensors = checkpoint.read_tensors(weights, "generator")
    checkpoint.load_into(network, tensors, weights, "sgnas train generator --fresh")
    network.eval()
    return network
