"""Put a verdict together from what was measured, and write its report and its page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Literal

import numpy as np

from sgnas_deploy import files, reporting
from sgnas_deploy.events import Reporter, Warned
from sgnas_deploy.fitting.artefact import Described, UntrainedFile
from sgnas_deploy.tables.statistics import spans
from sgnas_deploy.verdict import conditions, report, sittings
from sgnas_deploy.verdict.campaign import Outcome
from sgnas_deploy.verdict.conditions import State
from sgnas_deploy.verdict.jobs import Job
from sgnas_deploy.verdict.results import Validated, VerdictReport
from sgnas_deploy.verdict.settings import changed_since, untried
from sgnas_deploy.verdict.sittings import Sitting
from sgnas_deploy.verdict.undecided import reason
from sgnas_deploy.workspace import Workspace

_CLOCKS: Final = (("CPU", "cpu_mhz"), ("GPU", "gpu_mhz"))


def write(
    job: Job,
    outcome: Outcome,
    workspace: Workspace,
    reporter: Reporter,
    earlier: tuple[Sitting, ...] = (),
) -> Validated:
    """Put a verdict together and write its report.

    Args:
        job: what was asked.
        outcome: what was measured.
        workspace: where the report goes.
        reporter: hears the warnings.
        earlier: sittings before this one.
    """
    runs_s = np.concatenate([launch.samples_s for launch in outcome.launches])
    p50_s, p95_s, measured_s = (
        float(np.percentile(runs_s, q)) for q in (50, 95, job.test.percentile)
    )
    states = [launch.measurement.state for launch in outcome.launches]
    state = spans(states)
    warnings = [*job.settings.warnings, *untried(job.settings.backend)]
    told = len(warnings)
    if job.settings.table is not None:
        changed = changed_since(job.settings.table, outcome.hello)
        if changed:
            warnings.append(f"measured otherwise than its table: {'; '.join(changed)}")
    warnings += conditions.doubts(states)
    where = place_of(job, outcome)
    sha256 = job.export.artefact_sha256
    if news := sittings.moved(earlier, where, job.test.percentile, sha256, measured_s):
        warnings.append(news)
    for warning in warnings[told:]:
        reporter.event(Warned(f"{job.name}: {warning}"))
    verdict, why = outcome.judgement.verdict, ""
    slowed = conditions.slowed(states)
    if verdict == "UNDECIDED":
        why = reason(
            job.test,
            outcome.judgement,
            measured_s,
            np.array(outcome.levels),
            conditions.load(states),
            ", ".join(slowed),
        )
    facts = _facts(job, outcome, state, states)
    if verdict != "UNDECIDED":  # whose reason says it already
        facts += slowed
    path = workspace.reports / f"{job.name}.verdict.json"
    result = Validated(
        name=job.name,
        verdict=verdict,
        reason=why,
        budget_s=job.test.budget_s,
        percentile=job.test.percentile,
        confidence=job.test.confidence,
        predicted_s=job.predicted_s,
        p50_s=p50_s,
        p95_s=p95_s,
        measured_s=measured_s,
        unused=1 - measured_s / job.test.budget_s,
        n=len(runs_s),
        blocks=len(outcome.launches),
        launches=len(outcome.launches),
        environment=_environment(job, outcome, state),
        artefact_sha256=sha256,
        artefact_bytes=job.export.artefact_bytes,
        peak_rss_bytes=max(launch.measurement.peak_rss_bytes for launch in outcome.launches),
        accuracy=job.accuracy,
        parity_max_abs=_parity(job.export),
        parity_of=_parity_of(job.export),
        weights="arbitrary" if isinstance(job.export, UntrainedFile) else "trained",
        line=report.line(
            job.name,
            job.test,
            verdict,
            why,
            {50.0: p50_s, 95.0: p95_s, job.test.percentile: measured_s},
            len(runs_s),
            len(outcome.launches),
            facts,
            sha256,
        ),
        report=path,
    )
    plan = job.settings.plan
    whole = VerdictReport(
        result=result,
        export=job.export,
        settings={
            "device": job.settings.device,
            "backend": job.settings.backend,
            "threads": job.settings.threads,
            "warmup_runs": plan.warmup_runs,
            "warmup_s": plan.warmup_s,
            "samples": plan.samples,
        },
        test=report.test_record(job.test, outcome),
        launches=report.launch_records(job.test, outcome),
        warnings=tuple(warnings),
    )
    files.write_model(path, whole)
    files.write_text(path.with_suffix(".html"), reporting.verdict_page(whole))
    return result


def place_of(job: Job, outcome: Outcome) -> str:
    """Where it was measured: sittings at other places are not comparable."""
    settings = job.settings
    return sittings.place(settings.device, settings.backend, settings.threads, outcome.hello)


def _parity(export: Described) -> float | None:
    return None if isinstance(export, UntrainedFile) else export.parity_max_abs


def _parity_of(export: Described) -> Literal["artefact", "source"] | None:
    if isinstance(export, UntrainedFile) or export.checks is None:
        return None
    return export.checks.of


def _environment(job: Job, outcome: Outcome, state: Mapping[str, str]) -> dict[str, str]:
    """Device, runtime and the machine's state meanwhile, one flat list."""
    return {
        "device": job.settings.device,
        **conditions.environment_of(outcome.hello.machine, outcome.hello.backend),
        **{f"state.{name}": text for name, text in state.items()},
    }


def _facts(
    job: Job, outcome: Outcome, state: Mapping[str, str], states: Sequence[State]
) -> list[str]:
    """What a reader of the one line must know to compare it with another."""
    machine, backend = outcome.hello.machine, outcome.hello.backend
    threads = job.settings.threads
    facts = [
        machine.get("model") or machine.get("cpu") or job.settings.device,
        *([backend["gpu"]] if "gpu" in backend else []),
        f"{backend.get('runtime', job.settings.backend)} {backend.get('version', '')}".strip(),
        f"{threads} thread" if threads == 1 else f"{threads} threads",
        f"batch {job.export.batch}",
        job.export.precision,
    ]
    if isinstance(job.export, UntrainedFile):
        facts.append("arbitrary weights (latency only)")
    if "power_mode" in machine:
        facts.append(machine["power_mode"])
    clocks = [(who, state[name]) for who, name in _CLOCKS if name in state]
    for who, mhz in clocks:
        # A single clock needs no name where only a processor was at work.
        facts.append(f"{mhz} MHz" if who == "CPU" and len(clocks) == 1 else f"{who} {mhz} MHz")
    if "load_1min" in state:
        facts.append(f"{state['load_1min']} load")
    hottest = [float(value) for one in states for name, value in one.items() if name.endswith("_c")]
    if hottest:
        facts.append(f"up to {max(hottest):.0f} °C")
    return facts
