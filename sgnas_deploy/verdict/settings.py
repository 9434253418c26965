"""With which settings an exported network is measured: those of the table it came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import final

from sgnas_deploy import artefacts, tables
from sgnas_deploy.fitting.artefact import Described, architecture_of
from sgnas_deploy.tables import LatencyTable
from sgnas_deploy.tables.plans import EFFORTS
from sgnas_deploy.verdict import engine
from sgnas_profilers.timing import TimingPlan
from sgnas_profilers.transports import Hello

CPU_BACKEND = "onnxruntime"


@final
@dataclass(frozen=True)
class Settings:
    """How to measure.

    Attributes:
        device: name of the device.
        backend: what executes.
        threads: threads that a run may use.
        plan: how a launch is timed, as the table's networks were.
        table: the table, None where there is none any more.
        warnings: what does not fit together.
    """

    device: str
    backend: str
    threads: int
    plan: TimingPlan
    table: LatencyTable | None
    warnings: tuple[str, ...] = ()


def settings_of(export: Described, table: Path | None) -> Settings:
    """Settings for an exported network.

    Args:
        export: its description.
        table: the latency table it came from, None where there is none to be found.
    """
    if table is None:
        plan = EFFORTS["normal"].network
        warning = (
            "the latency table it was generated from is not there: measured with "
            f"{CPU_BACKEND}, 1 thread, and not compared with the table's machine"
        )
        # A network that a person wrote never had a table; nothing is missing then.
        had_one = architecture_of(export).budgeted is not None
        return Settings("cpu", CPU_BACKEND, 1, plan, None, (warning,) if had_one else ())
    found = tables.read(table)
    made, wanted = _key(export), _key(found)
    odd = [
        f"{name} {made[name]} instead of {wanted[name]}"
        for name in wanted
        if made[name] != wanted[name]
    ]
    warnings = (f"exported unlike its table: {', '.join(odd)}",) if odd else ()
    return Settings(
        found.device, found.backend, found.threads, found.network_plan.timing, found, warnings
    )


def with_runtime(settings: Settings, export: Described) -> Settings:
    """The same, with the runtime that the file was made for: the format decides, not the table."""
    runs_it = engine.BACKENDS if export.format == engine.FORMAT else (export.format,)
    if export.format == "onnx" or settings.backend in runs_it:
        return settings
    warnings = settings.warnings
    if settings.table is not None:
        said = f"runs with {export.format}, its table was measured with {settings.backend}"
        warnings = (*warnings, said)
    return replace(settings, backend=export.format, warnings=warnings)


def untried(backend: str) -> tuple[str, ...]:
    """What must be said of a backend that nobody has run on its hardware; empty for the others."""
    if backend not in engine.BACKENDS:
        return ()
    return (f"{backend} has {artefacts.UNTRIED}",)


def _key(source: Described | LatencyTable) -> dict[str, str]:
    return {
        "precision": source.precision,
        "batch": str(source.batch),
        "graph form": source.form,
    }


def changed_since(table: LatencyTable, hello: Hello) -> tuple[str, ...]:
    """What the table's machine and runtime said otherwise, one text each."""
    return (
        *_differences(table.environment, hello.machine),
        *_differences(table.settings, hello.backend),
    )


def _differences(then: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    return [
        f"{name} was {then.get(name, 'unknown')}, is {now.get(name, 'unknown')}"
        for name in sorted({*then, *now})
        if then.get(name) != now.get(name)
    ]
