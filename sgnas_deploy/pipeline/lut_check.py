"""`sgnas lut check`: a table against freshly measured networks."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sgnas_deploy import files, spaces
from sgnas_deploy.errors import BadInput
from sgnas_deploy.events import Reporter
from sgnas_deploy.pipeline.lut import transport_of
from sgnas_deploy.tables.calibration import Options
from sgnas_deploy.tables.checking import (
    LAUNCHES,
    LOW,
    Check,
    Reading,
    compare,
    fresh_networks,
    optimised_networks,
    require_same_device,
)
from sgnas_deploy.tables.codec import read, sha256
from sgnas_deploy.tables.format import LatencyTable
from sgnas_deploy.tables.measuring import Bench, measure_networks, network_model
from sgnas_deploy.tables.noise import causes, unsteady
from sgnas_deploy.tables.predictor import predictor
from sgnas_deploy.tables.statistics import Errors
from sgnas_deploy.workspace import DEFAULT_ROOT, Workspace
from sgnas_profilers.transports import Transport


class Agreement(files.FrozenModel):
    """How well predictions agree with fresh measurements; errors are relative."""

    mape: float
    maximum: float
    bias: float
    spearman: float


class ReadingReport(files.FrozenModel):
    """Predictions beside measurements, by one reading of each network's launches.

    Attributes:
        percentile: of hot runs.
        best_launch: of the best launch alone; else of all launches together.
        model: form of the table's g.
        margin: share of a budget that the table keeps back at this reading.
        leave_one_out: mean error over the calibration networks, each left out once.
        table: the table's prediction.
        macs: the same calibration networks, with multiply-accumulates instead of the table.
        constant: their mean.
        repeat: the odd launches as a prediction of the even ones: the floor.
        table_less_macs: 95 % interval of the difference of the mean errors of table and
            multiply-accumulates, over the same networks (paired bootstrap).
        macs_near_floor: multiply-accumulates are within half a point of the floor.
        missed: targets of the project that the table misses, a few words each.
        out_of_reach: targets that the floor itself misses here, so that no prediction can be
            shown to meet them.
        points: (predicted_s, measured_s) of each test network.
        optimised: the table's prediction of networks optimised against it; None without any.
        optimised_repeat: their floor.
        optimised_over: how many of them are slower than the margin allows for.
        optimised_points: (predicted_s, measured_s) of each of them.
    """

    percentile: float
    best_launch: bool
    model: str
    margin: float
    leave_one_out: float
    table: Agreement
    macs: Agreement
    constant: Agreement
    repeat: Agreement
    table_less_macs: tuple[float, float]
    macs_near_floor: bool
    missed: tuple[str, ...] = ()
    out_of_reach: tuple[str, ...] = ()
    points: tuple[tuple[float, float], ...]
    optimised: Agreement | None = None
    optimised_repeat: Agreement | None = None
    optimised_over: int = 0
    optimised_points: tuple[tuple[float, float], ...] = ()


class CheckResult(files.FrozenModel):
    """A table against freshly measured networks that it was not fitted on.

    Attributes:
        path: the table.
        name: its name.
        sha256: of its file.
        measured: when the table was measured.
        networks: options of the test networks, in the order of the points.
        optimised: options of the networks optimised against the table.
        launches: fresh processes that each was timed in, at least.
        seed: of the choice of networks.
        low: the steadiest reading, a low percentile of the best launch.
        asked: the percentile that was asked for, of all launches.
        conditions: what was read of the machine meanwhile.
        warnings: what the user should know before trusting the report.
        passed: the table's mean error at the percentile asked for is within its margin.
        too_noisy: measuring twice differs by more than the margin: neither yes nor no.
        seconds: how long it took.
    """

    path: Path
    name: str
    sha256: str
    measured: str
    networks: tuple[tuple[int, ...], ...]
    optimised: tuple[tuple[int, ...], ...] = ()
    launches: int
    seed: int
    low: ReadingReport
    asked: ReadingReport
    conditions: dict[str, str]
    warnings: tuple[str, ...] = ()
    passed: bool
    too_noisy: bool
    seconds: float


@dataclass(frozen=True)
class CheckRequest:
    """Flags of `sgnas lut check`.

    Attributes:
        lut: None for the only table there is.
        host: `USER@HOST` of the table's device; None for where it is known to be.
        networks: how many fresh networks are measured.
        optimised: how many networks optimised against the table are measured too.
        percentile: of hot runs, beside the low one.
        seed: of the choice of networks.
    """

    workdir: Path = DEFAULT_ROOT
    lut: str | None = None
    host: str | None = None
    networks: int = 60
    optimised: int = 12
    percentile: float = 50.0
    seed: int = 1


def check(
    request: CheckRequest, reporter: Reporter, transport: Transport | None = None
) -> CheckResult:
    """Measure fresh networks with the table's settings and compare.

    Raises:
        BadInput: no such table, an impossible number, or a device that is not on another host.
        EnvironmentProblem: the table is of another machine or setting.
    """
    begin_s = time.monotonic()
    if not 2 <= request.networks <= 1000:
        raise BadInput(f"--networks must be between 2 and 1000, not {request.networks}")
    if not 0 <= request.optimised <= 1000:
        raise BadInput(f"--optimised must be between 0 and 1000, not {request.optimised}")
    path = Workspace(request.workdir).find_table(request.lut)
    table = read(path)
    asked = Reading(request.percentile)
    predictor(table, request.percentile)
    if transport is None:
        transport = transport_of(table, request.host)
    space = spaces.load(table.space)
    test = fresh_networks(table, request.networks, request.seed)
    optimised = optimised_networks(table, request.optimised, test) if request.optimised else ()

    def model(options: Options) -> bytes:
        return network_model(
            space, options, table.form, table.batch, table.precision, table.backend
        )

    with Bench(transport, table.backend, table.threads) as bench:
        require_same_device(table, bench)
        plan = table.network_plan.timing
        networks = (*test, *optimised)
        fresh = measure_networks(bench, model, networks, LAUNCHES, plan, request.seed, reporter)
    low = _reading_report(table, fresh.samples_s, test, optimised, LOW)
    found = _reading_report(table, fresh.samples_s, test, optimised, asked)
    noisy = sum(unsteady(fresh.samples_s[options]) for options in networks)
    warnings = list(table.warnings)
    if noisy:
        warnings.append(
            f"{noisy} of {len(networks)} networks stayed unsteady when measured once more"
        )
        if why := causes(fresh.conditions, table.environment):
            warnings.append("what may explain it: " + "; ".join(why))
    too_noisy = found.repeat.mape > found.margin
    return CheckResult(
        path=path,
        name=table.name,
        sha256=sha256(path),
        measured=table.created,
        networks=test,
        optimised=optimised,
        launches=LAUNCHES,
        seed=request.seed,
        low=low,
        asked=found,
        conditions=fresh.conditions,
        warnings=tuple(warnings),
        passed=not too_noisy and found.table.mape <= found.margin,
        too_noisy=too_noisy,
        seconds=time.monotonic() - begin_s,
    )


def _reading_report(
    table: LatencyTable,
    samples_s: Mapping[Options, Sequence[Sequence[float]]],
    test: Sequence[Options],
    optimised: Sequence[Options],
    reading: Reading,
) -> ReadingReport:
    found = compare(table, {options: samples_s[options] for options in test}, reading)
    report = ReadingReport(
        percentile=reading.percentile,
        best_launch=reading.best_launch,
        model=found.predictor.model,
        margin=found.predictor.margin,
        leave_one_out=found.predictor.error,
        table=_agreement(found.table_errors),
        macs=_agreement(found.macs_errors),
        constant=_agreement(found.constant_errors),
        repeat=_agreement(found.repeat_errors),
        table_less_macs=found.table_less_macs,
        macs_near_floor=found.macs_near_floor,
        missed=found.missed,
        out_of_reach=found.out_of_reach,
        points=_points(found),
    )
    if not optimised:
        return report
    solved = compare(table, {options: samples_s[options] for options in optimised}, reading)
    return report.model_copy(
        update={
            "optimised": _agreement(solved.table_errors),
            "optimised_repeat": _agreement(solved.repeat_errors),
            "optimised_over": solved.over_margin,
            "optimised_points": _points(solved),
        }
    )


def _points(found: Check) -> tuple[tuple[float, float], ...]:
    return tuple((float(p), float(m)) for p, m in zip(found.table, found.measured, strict=True))


def _agreement(errors: Errors) -> Agreement:
    return Agreement(
        mape=errors.mape, maximum=errors.maximum, bias=errors.bias, spearman=errors.spearman
    )
