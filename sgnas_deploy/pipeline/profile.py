"""`sgnas profile`: measure the blocks of a space on a device and write the latency table."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from sgnas_deploy import files
from sgnas_deploy.errors import NotBuiltYet
from sgnas_deploy.events import Reporter
from sgnas_deploy.workspace import DEFAULT_ROOT

Quality: TypeAlias = Literal["quick", "normal", "careful"]
Precision: TypeAlias = Literal["fp32", "fp16", "int8"]


@dataclass(frozen=True)
class ProfileRequest:
    """Flags of `sgnas profile`; None means the default that the docs name.

    Attributes:
        device: `cpu`, `gpu`, `jetson` or a registered name.
        space: identifier; None for the workspace's, else `imagenet`.
        host: `USER@HOST` to reach the device over SSH.
        backend: what executes; None for the device's usual one.
        resolution: shorthand for the space's variant `rN`.
        form: a graph form, or `auto` to try a few networks.
        out: where to write the table; None for its name in the workspace.
        fresh: forget what an interrupted run has measured.
    """

    device: str
    workdir: Path = DEFAULT_ROOT
    space: str | None = None
    host: str | None = None
    backend: str | None = None
    precision: Precision = "fp32"
    batch: int = 1
    resolution: int | None = None
    threads: int = 1
    form: str = "auto"
    quality: Quality = "normal"
    out: Path | None = None
    fresh: bool = False


class ProfileResult(files.FrozenModel):
    """What was measured.

    Attributes:
        table: path of the table.
        sha256: of the table's file.
        space: identifier.
        form: the chosen graph form.
        blocks: how many blocks were measured in all.
        resumed: how many of them came from an interrupted run.
        networks: how many whole networks calibrate the prediction.
        error: mean absolute relative error over the calibration networks, each left out once.
        margin: the safety margin that follows, a share of the budget.
        fastest_s: predicted latency of the space's fastest network.
        slowest_s: of its slowest.
        noise: median coefficient of variation of the samples.
        drift: largest relative change of a re-timed network.
        warnings: what the user should know before trusting the table.
        seconds: how long it took.
    """

    table: Path
    sha256: str
    space: str
    form: str
    blocks: int
    resumed: int
    networks: int
    error: float
    margin: float
    fastest_s: float
    slowest_s: float
    noise: float
    drift: float
    warnings: tuple[str, ...] = ()
    seconds: float


def profile(request: ProfileRequest, reporter: Reporter) -> ProfileResult:
    """Measure a table; goes on where an interrupted run stopped."""
    raise NotBuiltYet("sgnas profile is not built yet")
