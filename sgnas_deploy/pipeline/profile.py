"""`sgnas profile`: measure the blocks of a space on a device and write the latency table."""

from __future__ import annotations

import re
import shlex
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal, TypeAlias

from sgnas_deploy import __version__, files, spaces, targets
from sgnas_deploy import precision as precisions
from sgnas_deploy.emitter import check_form
from sgnas_deploy.errors import BadInput
from sgnas_deploy.events import Note, Reporter, Warned
from sgnas_deploy.pipeline.unmeasured import (
    SAMPLES,
    TARGET_ERROR,
    alike,
    graph_form,
    known_tables,
    partial,
)
from sgnas_deploy.spaces import Space
from sgnas_deploy.tables.against import against_fp32
from sgnas_deploy.tables.assembly import assemble
from sgnas_deploy.tables.codec import write
from sgnas_deploy.tables.format import LatencyTable, table_name
from sgnas_deploy.tables.journal import BlockRecord, Journal
from sgnas_deploy.tables.measuring import Bench, Job, Sitting
from sgnas_deploy.tables.noise import drift, noise, too_noisy
from sgnas_deploy.tables.plans import EFFORTS, Effort, Quality
from sgnas_deploy.tables.predictor import predictor
from sgnas_deploy.tables.statistics import DEFAULT_STATISTIC
from sgnas_deploy.tables.transfer import transfer
from sgnas_deploy.targets import Target
from sgnas_deploy.workspace import DEFAULT_ROOT, Workspace
from sgnas_profilers.transports import ConnectionLost, Hello, Transport

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
        max_blocks: measure so many blocks at most and predict the others from them.
        transfer_from: tables of the same space from elsewhere, paths or names; what is not
            measured is predicted from them.
        samples: with `transfer_from`, so many blocks and networks are measured at most; None
            for `SAMPLES`.
        target_error: with `transfer_from`, stop as soon as predictions of networks err by no
            more, a share; None for `TARGET_ERROR`.
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
    max_blocks: int | None = None
    transfer_from: tuple[str, ...] = ()
    samples: int | None = None
    target_error: float | None = None
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
        estimated: how many were not, and have predicted costs.
        estimate_error: root mean square relative error of such predictions, of measured blocks
            that were left out of them; None without any.
        sources: names of the tables that they were predicted from.
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
        too_noisy: the table was written, and should be measured again in a quieter hour.
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
    estimated: int = 0
    estimate_error: float | None = None
    sources: tuple[str, ...] = ()
    too_noisy: bool = False


DEFAULT_SPACE: Final = "imagenet"
SEED: Final = 1
"""Of the order of measurement and the choice of networks; recorded in the table."""

RECONNECT_S: Final = (2.0, 5.0, 15.0, 60.0)
"""Pauses before a device whose connection was lost is tried again, in seconds."""


def profile(
    request: ProfileRequest,
    reporter: Reporter,
    transport: Transport | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> ProfileResult:
    """Measure a table; goes on where an interrupted run stopped.

    A connection that is lost meanwhile is made again a few times; what was measured is kept.

    Args:
        request: what to measure.
        reporter: listens.
        transport: reaches the device; None for the one that the device needs.
        sleep: waits so many seconds.

    Raises:
        BadInput: an unknown device, backend, space or graph form, or an impossible number.
        EnvironmentProblem: missing runtime, full disk, settings that change meanwhile; a device
            that cannot be reached, or not any more.
    """
    begin_s = time.monotonic()
    target = resolve(request)
    transport = transport or targets.transport(target)
    for pause_s in RECONNECT_S:
        found = _until_lost(request, reporter, target, transport, begin_s)
        if isinstance(found, ProfileResult):
            return found
        reporter.event(Warned(f"{found.message}: trying again in {pause_s:g} s"))
        sleep(pause_s)
        request = replace(request, fresh=False)
    return _profile(request, reporter, target, transport, begin_s)


def _until_lost(
    request: ProfileRequest,
    reporter: Reporter,
    target: Target,
    transport: Transport,
    begin_s: float,
) -> ProfileResult | ConnectionLost:
    try:
        return _profile(request, reporter, target, transport, begin_s)
    except ConnectionLost as lost:
        return lost


def _profile(
    request: ProfileRequest,
    reporter: Reporter,
    target: Target,
    transport: Transport,
    begin_s: float,
) -> ProfileResult:
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
    known = known_tables(request, workspace, space)
    form = graph_form(request, known, reporter)
    job = Job(
        space=space,
        batch=request.batch,
        form=form,
        effort=effort,
        statistic=DEFAULT_STATISTIC,
        seed=SEED,
        precision=request.precision,
        backend=target.backend,
        partial=partial(request, space, alike(known, form, reporter)),
    )
    with Bench(transport, target.backend, request.threads) as bench:
        conditions = _conditions(request, target, space, effort, bench.hello)
        journal_path = path.with_name(path.stem + ".journal.jsonl")
        with Journal(journal_path, conditions, request.fresh) as journal:
            if journal.differing:
                reporter.event(Warned(_dropped(journal.differing)))
            elif journal.records:
                reporter.event(Note(f"going on with {len(journal.records)} measurements made"))
            resumed = {r.key for r in journal.records if isinstance(r, BlockRecord)}

            def finish(sitting: Sitting, form: str) -> LatencyTable:
                return assemble(
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

            if known:
                table = transfer(
                    job,
                    bench,
                    journal,
                    reporter,
                    samples=request.samples or SAMPLES,
                    target_error=request.target_error or TARGET_ERROR,
                    finish=finish,
                )
            else:
                sitting = Sitting(job, bench, journal, reporter)
                table = finish(sitting, sitting.run())
            sha256 = write(path, table)
            workspace.remember("profile", [str(path) if request.out else path.stem], space=space.id)
            journal.remove()
        # What executes nothing takes as long in any precision.
        if request.precision != "fp32" and target.backend != "null":
            middle = table.networks[len(table.networks) // 2].options
            against_fp32(bench, job, table.form, middle, reporter)
    for text in table.warnings:
        reporter.event(Warned(text))
    found = predictor(table)
    fastest_s, slowest_s = found.range_s
    return ProfileResult(
        table=path,
        sha256=sha256,
        space=space.id,
        form=table.form,
        blocks=len(table.blocks),
        resumed=len(resumed & set(table.blocks)),
        networks=len(table.networks),
        error=found.error,
        margin=found.margin,
        fastest_s=fastest_s,
        slowest_s=slowest_s,
        noise=noise(table),
        drift=drift(table),
        warnings=table.warnings,
        seconds=time.monotonic() - begin_s,
        estimated=len(table.estimates),
        estimate_error=table.estimation.error if table.estimation else None,
        sources=tuple(s.table for s in table.estimation.sources) if table.estimation else (),
        # What executes nothing has only the harness's noise.
        too_noisy=table.backend != "null" and too_noisy(table),
    )


def resolve(request: ProfileRequest) -> Target:
    """The device and backend of a request, after all its values were looked at.

    Raises:
        BadInput: an unknown device or backend, or an impossible number.
    """
    target = targets.resolve(request.device, request.backend, request.host)
    precisions.check(request.precision)
    if request.quality not in EFFORTS:
        raise BadInput(
            f"unknown quality {request.quality!r}", f"choose one of {', '.join(EFFORTS)}"
        )
    for flag, value, most in (("batch", request.batch, 4096), ("threads", request.threads, 1024)):
        if not 1 <= value <= most:
            raise BadInput(f"--{flag} must be between 1 and {most}, not {value}")
    return target


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
    if target.host is not None:
        # Two boards of one kind say the same of themselves.
        facts["host"] = target.host
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
    if request.host is not None:
        # Whose machine it is stands in no table.
        words += ["--host", "HOST"]
    words += ["--backend", target.backend, "--precision", request.precision]
    words += ["--batch", str(request.batch), "--threads", str(request.threads)]
    words += ["--form", request.form, "--quality", request.quality]
    if request.max_blocks is not None:
        words += ["--max-blocks", str(request.max_blocks)]
    for name in request.transfer_from:
        words += ["--transfer-from", name]
    if request.samples is not None:
        words += ["--samples", str(request.samples)]
    if request.target_error is not None:
        words += ["--target-error", f"{request.target_error:g}"]
    return shlex.join(words)
