"""`sgnas profile`: measure the blocks of a space on a device and write the latency table."""

from __future__ import annotations

import re
import shlex
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias, final

from sgnas_deploy import __version__, devices, files, spaces
from sgnas_deploy.emitter import check_form
from sgnas_deploy.errors import BadInput, NotBuiltYet
from sgnas_deploy.events import Note, Reporter, Warned
from sgnas_deploy.spaces import Space
from sgnas_deploy.tables.assembly import assemble
from sgnas_deploy.tables.codec import write
from sgnas_deploy.tables.format import table_name
from sgnas_deploy.tables.journal import Journal
from sgnas_deploy.tables.measuring import Bench, Job, Sitting
from sgnas_deploy.tables.noise import drift, noise
from sgnas_deploy.tables.plans import EFFORTS, Effort, Quality
from sgnas_deploy.tables.predictor import predictor
from sgnas_deploy.tables.statistics import DEFAULT_STATISTIC
from sgnas_deploy.workspace import DEFAULT_ROOT, Workspace
from sgnas_profilers.transports import Hello, Transport

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


DEFAULT_SPACE: Final = "imagenet"
SEED: Final = 1
"""Of the order of measurement and the choice of networks; recorded in the table."""


def profile(
    request: ProfileRequest, reporter: Reporter, transport: Transport | None = None
) -> ProfileResult:
    """Measure a table; goes on where an interrupted run stopped.

    Args:
        request: what to measure.
        reporter: listens.
        transport: reaches the device; None for the one that the device needs.

    Raises:
        BadInput: an unknown device, backend, space or graph form, or an impossible number.
        NotBuiltYet: a device, backend or precision that the contract has and the code has not.
        EnvironmentProblem: missing runtime, full disk, settings that change meanwhile.
    """
    begin_s = time.monotonic()
    target = resolve(request)
    workspace = Workspace(request.workdir)
    space = _space(request, workspace)
    if request.form != "auto":
        check_form(request.form)
    name = table_name(
        space.id,
        target.device,
        target.backend,
        request.precision,
        request.batch,
        request.threads,
    )
    path = request.out or workspace.luts / f"{name}.json"
    effort = EFFORTS[request.quality]
    job = Job(
        space=space,
        batch=request.batch,
        form=None if request.form == "auto" else request.form,
        effort=effort,
        statistic=DEFAULT_STATISTIC,
        seed=SEED,
    )
    if transport is None:
        from sgnas_profilers.transports.local import LocalTransport

        transport = LocalTransport()
    with Bench(transport, target.backend, request.threads) as bench:
        conditions = _conditions(request, target, space, effort, bench.hello)
        journal_path = path.with_name(path.stem + ".journal.jsonl")
        with Journal(journal_path, conditions, request.fresh) as journal:
            if journal.differing:
                reporter.event(Warned(_dropped(journal.differing)))
            elif journal.records:
                reporter.event(Note(f"going on with {len(journal.records)} measurements made"))
            sitting = Sitting(job, bench, journal, reporter)
            form = sitting.run()
            table = assemble(
                sitting,
                bench.hello,
                device=target.device,
                backend=target.backend,
                precision=request.precision,
                threads=request.threads,
                form=form,
                quality=request.quality,
                command=command_of(request, target, space),
            )
            sha256 = write(path, table)
            workspace.remember("profile", [str(path) if request.out else path.stem], space=space.id)
            journal.remove()
    for text in table.warnings:
        reporter.event(Warned(text))
    found = predictor(table)
    fastest_s, slowest_s = found.range_s
    return ProfileResult(
        table=path,
        sha256=sha256,
        space=space.id,
        form=form,
        blocks=len(table.blocks),
        resumed=len(sitting.resumed),
        networks=len(table.networks),
        error=found.error,
        margin=found.margin,
        fastest_s=fastest_s,
        slowest_s=slowest_s,
        noise=noise(table),
        drift=drift(table),
        warnings=table.warnings,
        seconds=time.monotonic() - begin_s,
    )


@final
@dataclass(frozen=True)
class Target:
    """What `--device` and `--backend` come to.

    Attributes:
        device: name in the table.
        backend: what executes.
    """

    device: str
    backend: str


def resolve(request: ProfileRequest) -> Target:
    """The device and backend of a request, after all its values were looked at.

    Raises:
        BadInput: an unknown device or backend, or an impossible number.
        NotBuiltYet: what the contract has and the code has not.
    """
    works = "what works today is: sgnas profile --device cpu [--backend onnxruntime|null]"
    device = devices.find(request.device)
    if request.host is not None or device.transport != "local":
        raise NotBuiltYet("measuring on another host over SSH is not built yet", works)
    if device.builtin and device.backend not in devices.BUILT_BACKENDS:
        raise NotBuiltYet(f"measuring on device {request.device!r} is not built yet", works)
    backend = request.backend or device.backend
    if backend in devices.PLANNED_BACKENDS:
        raise NotBuiltYet(f"the backend {backend!r} is not built yet", works)
    if backend not in devices.BUILT_BACKENDS:
        raise BadInput(f"unknown backend {backend!r}", works)
    if request.precision not in ("fp32", "fp16", "int8"):
        raise BadInput(f"unknown precision {request.precision!r}", "choose fp32")
    if request.precision != "fp32":
        raise NotBuiltYet(
            f"measuring in {request.precision} is not built yet", "leave out --precision (fp32)"
        )
    if request.quality not in EFFORTS:
        raise BadInput(
            f"unknown quality {request.quality!r}", f"choose one of {', '.join(EFFORTS)}"
        )
    for flag, value, most in (("batch", request.batch, 4096), ("threads", request.threads, 1024)):
        if not 1 <= value <= most:
            raise BadInput(f"--{flag} must be between 1 and {most}, not {value}")
    return Target(request.device, backend)


def _space(request: ProfileRequest, workspace: Workspace) -> Space:
    identifier = request.space or workspace.space or DEFAULT_SPACE
    if request.resolution is not None:
        if request.resolution < 1:
            raise BadInput(f"--resolution must be 16 or more, not {request.resolution}")
        name, *variants = identifier.split("+")
        kept = [variant for variant in variants if not re.fullmatch(r"r\d+", variant)]
        if len(kept) < len(variants) and request.space is not None:
            raise BadInput(
                f"--resolution {request.resolution} and the space {identifier} both set the "
                "resolution",
                "give one of the two",
            )
        identifier = "+".join([name, f"r{request.resolution}", *kept])
    return spaces.load(identifier)


def _conditions(
    request: ProfileRequest, target: Target, space: Space, effort: Effort, hello: Hello
) -> dict[str, str]:
    """All that must be the same for measurements to go into one table."""
    facts = {
        "space": space.id,
        "device": target.device,
        "backend": target.backend,
        "precision": request.precision,
        "batch": str(request.batch),
        "threads": str(request.threads),
        "form": request.form,
        "quality": request.quality,
        "effort": repr(effort),
        "seed": str(SEED),
        "tool version": __version__,
    }
    facts.update({f"settings.{name}": value for name, value in hello.backend.items()})
    facts.update({f"environment.{name}": value for name, value in hello.machine.items()})
    return facts


def _dropped(differing: Sequence[tuple[str, str, str]]) -> str:
    name, then, now = differing[0]
    more = f" and {len(differing) - 1} more" if len(differing) > 1 else ""
    return (
        f"an interrupted run had other conditions ({name}: {then} then, {now} now{more}); "
        "its measurements are dropped and everything is measured anew"
    )


def command_of(request: ProfileRequest, target: Target, space: Space) -> str:
    """The command that measures such a table."""
    words = ["sgnas", "profile", "--device", target.device, "--space", space.id]
    words += ["--backend", target.backend, "--precision", request.precision]
    words += ["--batch", str(request.batch), "--threads", str(request.threads)]
    words += ["--form", request.form, "--quality", request.quality]
    return shlex.join(words)
