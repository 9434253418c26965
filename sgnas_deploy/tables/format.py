"""The latency table: raw samples of every block of a space, and of a few whole networks.

Nothing is stored that follows from the samples: costs, the fit and its margin are computed when a
table is used, so a better estimator needs no new measurement. The one exception are blocks that
were not measured (`--max-blocks`, `--transfer-from`): their costs stand in the table, marked as
estimates, with their error and with how they came about.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Final, Literal, final

from pydantic import ConfigDict, Field, model_validator

from sgnas_deploy import files, spaces
from sgnas_deploy.blocks import Block, macs, params
from sgnas_deploy.errors import BadInput
from sgnas_deploy.spaces import Space
from sgnas_deploy.tables.plans import Quality
from sgnas_deploy.tables.statistics import DEFAULT_STATISTIC, Statistic
from sgnas_profilers.timing import TimingPlan

# History: 1 - first version. 2 - `estimates` and `estimation`: blocks that were not measured.
SCHEMA_VERSION: Final = 2

KIND: Final = "sgnas-latency-table"
MIN_NETWORKS: Final = 4
"""Fewer calibration networks could not tell a good prediction from a bad one."""

BYTES_PER_WEIGHT: Final = {"fp32": 4, "fp16": 2, "int8": 1}

# An hour a run is no latency; a bound also keeps sums of sums finite.
Seconds = Annotated[float, Field(gt=0, lt=3600)]
Samples = Annotated[tuple[Seconds, ...], Field(min_length=1)]
Count = Annotated[int, Field(ge=1)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=64)]


class _Strict(files.FrozenModel):
    model_config = ConfigDict(strict=True)


@final
class Plan(_Strict):
    """A `TimingPlan` on disk."""

    warmup_runs: int = Field(ge=0)
    warmup_s: float = Field(ge=0)
    sample_s: float = Field(ge=0)
    samples: Count

    @property
    def timing(self) -> TimingPlan:
        """The plan for the profilers."""
        return TimingPlan(self.warmup_runs, self.warmup_s, self.sample_s, self.samples)

    @staticmethod
    def of(plan: TimingPlan) -> Plan:
        """The plan for a file."""
        return Plan(
            warmup_runs=plan.warmup_runs,
            warmup_s=float(plan.warmup_s),
            sample_s=float(plan.sample_s),
            samples=plan.samples,
        )


@final
class BlockEntry(_Strict):
    """What was measured of one block; lists run over the passes.

    Attributes:
        samples_s: seconds a run, of each sample of each pass.
        inner_loops: runs that one sample of the pass is the mean of.
        warmup_runs: runs before the pass's first sample.
        weight_bytes: size of its weights and biases in the table's precision.
        macs: multiply-accumulate operations for one image.
    """

    samples_s: tuple[Samples, ...] = Field(min_length=1)
    inner_loops: tuple[Count, ...]
    warmup_runs: tuple[int, ...]
    weight_bytes: int = Field(ge=0)
    macs: int = Field(ge=0)

    @model_validator(mode="after")
    def _aligned(self) -> BlockEntry:
        if not len(self.samples_s) == len(self.inner_loops) == len(self.warmup_runs):
            raise ValueError("samples_s, inner_loops and warmup_runs differ in length")
        return self


@final
class Estimate(_Strict):
    """Cost of a block that was not measured.

    Attributes:
        cost_s: seconds a run.
        error: standard deviation of its relative error, as cross-validation says it.
    """

    cost_s: Seconds
    error: float = Field(ge=0, lt=10)


@final
class Source(_Strict):
    """A table that another was predicted from."""

    table: str
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


@final
class Estimation(_Strict):
    """Where estimates come from.

    Attributes:
        method: `features`: from measured blocks alike; `transfer`: from tables of other devices.
        sources: the tables that were used, of those that were offered.
        measured: how many measured blocks the estimates rest on.
        error: root mean square relative error of measured blocks, each predicted without itself.
        largest: the largest of these errors.
    """

    method: Literal["features", "transfer"]
    sources: tuple[Source, ...] = ()
    measured: Count
    error: float = Field(ge=0, lt=10)
    largest: float = Field(ge=0)


@final
class NetworkEntry(_Strict):
    """What was measured of one calibration network; lists run over the launches.

    Attributes:
        options: index of the chosen option of each decision.
        samples_s: seconds of single hot runs; each launch is a fresh process.
        warmup_runs: runs before the launch's first sample.
    """

    options: tuple[int, ...]
    samples_s: tuple[Samples, ...] = Field(min_length=1)
    warmup_runs: tuple[int, ...]

    @model_validator(mode="after")
    def _aligned(self) -> NetworkEntry:
        if len(self.samples_s) != len(self.warmup_runs):
            raise ValueError("samples_s and warmup_runs differ in length")
        return self


@final
class FormTrial(_Strict):
    """Trial runs of one network in one graph form; lists run over the rounds."""

    form: Name
    options: tuple[int, ...]
    samples_s: tuple[Samples, ...] = Field(min_length=1)


@final
class LatencyTable(_Strict):
    """A measured table.

    Attributes:
        kind: `sgnas-latency-table`.
        schema_version: version of this layout.
        space: identifier of the search space in its one spelling.
        device: what `--device` named.
        backend: what executed.
        precision: of weights and activations.
        batch: images a run.
        threads: threads that a run may use.
        form: graph form of blocks and networks.
        quality: how much was measured.
        statistic: how a block's samples become its cost.
        seed: of the order of measurement and the choice of networks.
        block_plan: timing of a block in a pass.
        network_plan: timing of a network in a launch.
        settings: what the backend says of itself; must not differ within a table.
        environment: the machine; must not differ within a table.
        conditions: what was read of the machine's state meanwhile (load, clocks, temperatures).
        created: when the last measurement ended, UTC, ISO 8601.
        command: the command that measures such a table.
        tool_version: version of sgnas-deploy.
        warnings: what was found wrong with the measurement.
        blocks: by key; with the estimates every block of the space.
        estimates: by key; the blocks that were not measured.
        estimation: how the estimates came about; None without any.
        networks: the calibration networks.
        form_trials: what `--form auto` saw; empty where the form was named.
    """

    kind: Literal["sgnas-latency-table"] = KIND
    schema_version: Literal[2] = SCHEMA_VERSION
    space: str
    device: Name
    backend: Name
    precision: Literal["fp32", "fp16", "int8"]
    batch: Count
    threads: Count
    form: Name
    quality: Quality
    statistic: Statistic = DEFAULT_STATISTIC
    seed: int = Field(ge=0)
    block_plan: Plan
    network_plan: Plan
    settings: dict[str, str]
    environment: dict[str, str]
    conditions: dict[str, str] = Field(default_factory=dict)
    created: str
    command: str
    tool_version: str
    warnings: tuple[str, ...] = ()
    blocks: dict[str, BlockEntry] = Field(min_length=1)
    estimates: dict[str, Estimate] = Field(default_factory=dict)
    estimation: Estimation | None = None
    networks: tuple[NetworkEntry, ...] = Field(min_length=MIN_NETWORKS)
    form_trials: tuple[FormTrial, ...] = ()

    @property
    def name(self) -> str:
        """Its name in a workspace."""
        return table_name(
            self.space, self.device, self.backend, self.precision, self.batch, self.threads
        )

    @model_validator(mode="after")
    def _consistent(self) -> LatencyTable:
        if not re.fullmatch(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z", self.created):
            raise ValueError("created is no UTC time such as 2026-01-31T12:00:00Z")
        datetime.strptime(self.created, "%Y-%m-%dT%H:%M:%S%z")
        try:
            space = spaces.load(self.space)
            for options in (
                *(network.options for network in self.networks),
                *(trial.options for trial in self.form_trials),
            ):
                spaces.check_options(space, options)
        except BadInput as error:
            raise ValueError(str(error)) from error
        if space.id != self.space:
            raise ValueError(f"space {self.space!r} is spelled {space.id!r}")
        if len({network.options for network in self.networks}) != len(self.networks):
            raise ValueError("a calibration network stands twice")
        self._check_blocks(space)
        return self

    def _check_blocks(self, space: Space) -> None:
        expected = {block.key: block for block in spaces.all_blocks(space)}
        known = (*self.blocks, *self.estimates)
        if missing := [key for key in expected if key not in set(known)]:
            raise ValueError(f"{len(missing)} blocks are missing, the first is {missing[0]}")
        if foreign := [key for key in known if key not in expected]:
            raise ValueError(f"{len(foreign)} blocks are not the space's, such as {foreign[0]!r}")
        if twice := [key for key in self.estimates if key in self.blocks]:
            raise ValueError(f"{len(twice)} blocks are measured and estimated, such as {twice[0]}")
        if bool(self.estimates) != (self.estimation is not None):
            raise ValueError("estimates and estimation go together")
        for key, entry in self.blocks.items():
            block = expected[key]
            if entry.macs != macs(block):
                raise ValueError(f"macs of {key} are {macs(block)}, not {entry.macs}")
            size = weight_bytes(block, self.precision)
            if entry.weight_bytes != size:
                raise ValueError(f"weight_bytes of {key} are {size}, not {entry.weight_bytes}")


def weight_bytes(block: Block, precision: str) -> int:
    """Size of a block's weights and biases, in bytes."""
    return params(block) * BYTES_PER_WEIGHT[precision]


def table_name(
    space: str, device: str, backend: str, precision: str, batch: int, threads: int
) -> str:
    """Name of a table in a workspace: SPACE--DEVICE--BACKEND-PRECISION-bN-tN."""
    return f"{space}--{device}--{backend}-{precision}-b{batch}-t{threads}"
