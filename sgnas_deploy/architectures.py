"""Architectures: a frozen value, and the file that says where one came from."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, final

from pydantic import Field

from sgnas_deploy import files, spaces
from sgnas_deploy.blocks import macs, params
from sgnas_deploy.errors import BadInput

SCHEMA_VERSION: Final = 1


@final
@dataclass(frozen=True)
class Architecture:
    """A network of a space: one option index per decision.

    Attributes:
        space: identifier of the space in its one spelling.
        options: index of the chosen option of each decision.
    """

    space: str
    options: tuple[int, ...]

    def __post_init__(self) -> None:
        found = spaces.load(self.space)
        if found.id != self.space:
            raise BadInput(f"space {self.space!r} is spelled {found.id!r}")
        found.check(self.options)

    @property
    def id(self) -> str:
        """Ten hexadecimal digits that stand for the value."""
        text = json.dumps([self.space, list(self.options)])
        return hashlib.sha256(text.encode()).hexdigest()[:10]

    @property
    def macs(self) -> int:
        """Multiply-accumulate operations for one image."""
        blocks = spaces.load(self.space).network_blocks(self.options)
        return sum(macs(block) for _, block in blocks)

    @property
    def params(self) -> int:
        """Weights and biases of the deployed network."""
        blocks = spaces.load(self.space).network_blocks(self.options)
        return sum(params(block) for _, block in blocks)


class Budgeted(files.FrozenModel):
    """What a generated architecture was asked for, and what was promised.

    Attributes:
        budget_s: the latency budget.
        percentile: the percentile of a hot run that must keep it.
        predicted_s: the predicted latency at that percentile, margin not included.
        margin: the safety margin, a share of the budget: predicted_s <= budget_s * (1 - margin).
        scores: what the solver maximised, `generator` or `macs`.
        score: the sum of the chosen options' scores.
        table_sha256: the latency table's file.
        generator_sha256: the generator's weights, None for `macs`.
        measured_s: what `sgnas fit` measured at that percentile, with arbitrary weights; None
            where nothing was measured.
    """

    budget_s: float = Field(gt=0)
    percentile: float = Field(gt=0, lt=100)
    predicted_s: float = Field(gt=0)
    margin: float = Field(ge=0, lt=1)
    scores: Literal["generator", "macs"]
    score: float
    table_sha256: str
    generator_sha256: str | None = None
    measured_s: float | None = Field(default=None, gt=0)


class ArchitectureFile(files.FrozenModel):
    """An architecture on disk.

    Attributes:
        kind: `sgnas-architecture`.
        schema_version: version of this layout.
        name: its name in the workspace.
        space: identifier of the space.
        options: index of the chosen option of each decision.
        labels: the same for a reader, one text per decision.
        macs: multiply-accumulate operations for one image.
        params: weights and biases.
        budgeted: where it came from; None for one that a person wrote.
        supernet_accuracy: top-1 of the sub-network in the supernet, None where not measured.
    """

    kind: Literal["sgnas-architecture"] = "sgnas-architecture"
    schema_version: Literal[1] = SCHEMA_VERSION
    name: str = Field(min_length=1)
    space: str
    options: tuple[int, ...]
    labels: tuple[str, ...]
    macs: int
    params: int
    budgeted: Budgeted | None = None
    supernet_accuracy: float | None = Field(default=None, ge=0, le=1)

    @property
    def architecture(self) -> Architecture:
        """The value."""
        return Architecture(self.space, self.options)


def describe(
    name: str,
    architecture: Architecture,
    budgeted: Budgeted | None = None,
    supernet_accuracy: float | None = None,
) -> ArchitectureFile:
    """The file of an architecture."""
    space = spaces.load(architecture.space)
    return ArchitectureFile(
        name=name,
        space=architecture.space,
        options=architecture.options,
        labels=tuple(space.option_label(i, o) for i, o in enumerate(architecture.options)),
        macs=architecture.macs,
        params=architecture.params,
        budgeted=budgeted,
        supernet_accuracy=supernet_accuracy,
    )


def read(path: Path) -> ArchitectureFile:
    """Read an architecture file.

    Raises:
        BadInput: missing, malformed, or options that its space does not have.
    """
    found = files.read_model(path, ArchitectureFile, "architecture")
    try:
        found.architecture  # noqa: B018 - validates the options against the space
    except BadInput as error:
        raise BadInput(f"{path} is not a valid architecture: {error.message}", error.cure) from None
    return found
