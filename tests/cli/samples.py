"""One result of every kind. All figures are invented round numbers: nothing here was measured."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel

from sgnas_deploy.pipeline.demo import DemoResult, DemoRow
from sgnas_deploy.pipeline.devices import Device, DevicesResult, DeviceTest
from sgnas_deploy.pipeline.doctor import DoctorResult, Finding
from sgnas_deploy.pipeline.export import Exported, ExportResult
from sgnas_deploy.pipeline.fit import FitResult, Fitted
from sgnas_deploy.pipeline.generate import Generated, GenerateResult
from sgnas_deploy.pipeline.lut import (
    DiffResult,
    ExportedTable,
    MergeResult,
    MigrateResult,
    ShowResult,
    TableSummary,
)
from sgnas_deploy.pipeline.lut_check import Agreement, CheckResult, ReadingReport
from sgnas_deploy.pipeline.profile import ProfileResult
from sgnas_deploy.pipeline.report import HeatMap, MissingPart, NetworkPoint, ReportResult
from sgnas_deploy.pipeline.retrain import Retrained, RetrainResult
from sgnas_deploy.pipeline.run import Classified, Guess, RunResult
from sgnas_deploy.pipeline.train_generator import TrainGeneratorResult
from sgnas_deploy.pipeline.train_supernet import TrainSupernetResult
from sgnas_deploy.pipeline.validate import Validated, ValidateResult, overall
from sgnas_deploy.verdict import Verdict
from tests.cli.bench_samples import BENCH

SHA = "0123456789abcdef" * 4
TABLE = Path("sgnas-work/luts/tiny--cpu--null-fp32-b1-t1.json")

PROFILE = ProfileResult(
    table=TABLE,
    sha256=SHA,
    space="tiny",
    form="concat",
    blocks=500,
    resumed=100,
    networks=10,
    error=0.02,
    margin=0.05,
    fastest_s=0.001,
    slowest_s=0.004,
    noise=0.01,
    drift=0.03,
    warnings=("another process keeps [a core] busy",),
    seconds=61.0,
)

PROFILE_NOISY = PROFILE.model_copy(
    update={"blocks": 100, "estimated": 400, "estimate_error": 0.04, "too_noisy": True}
)

SUPERNET = TrainSupernetResult(
    checkpoint=Path("sgnas-work/supernet/tiny.safetensors"),
    sha256=SHA,
    space="tiny",
    epochs=20,
    resumed_at=5,
    accuracy=0.75,
    seconds=3700.0,
)

GENERATOR = TrainGeneratorResult(
    checkpoint=Path("sgnas-work/generator/tiny--cpu--null-fp32-b1-t1.safetensors"),
    sha256=SHA,
    table=TABLE,
    epochs=10,
    resumed_at=0,
    loss=0.5,
    budget_error=0.01,
    seconds=9.0,
)


def generated_one(number: int) -> Generated:
    """An invented architecture."""
    return Generated(
        name=f"tiny-{number}ms",
        path=Path(f"sgnas-work/architectures/tiny-{number}ms.json"),
        budget_s=number / 1000,
        predicted_s=number / 1100,
        unused=0.1,
        macs=number * 1_000_000,
        params=number * 50_000,
        labels=("3x1", "3x2 5x1"),
        supernet_accuracy=0.5 if number != 2 else None,
    )


GENERATE = GenerateResult(
    table=TABLE,
    percentile=50.0,
    margin=0.05,
    scores="generator",
    fastest_s=0.001,
    slowest_s=0.003,
    architectures=tuple(generated_one(number) for number in (1, 2, 3)),
    warnings=("3 ms is above the slowest network",),
    seconds=0.25,
)


def fit_result(*verdicts: Verdict) -> FitResult:
    """A budget for each verdict; a FAIL has no network."""
    reasons = {"PASS": "", "FAIL": "no network is that fast", "UNDECIDED": "too noisy"}
    budgets = []
    for number, verdict in enumerate(verdicts, start=1):
        one = Fitted(budget_s=number / 1000, verdict=verdict, reason=reasons[verdict])
        if verdict != "FAIL":
            made = generated_one(number)
            one = one.model_copy(
                update={
                    "name": made.name,
                    "path": made.path,
                    "artefact": Path(f"sgnas-work/fit/{made.name}.onnx"),
                    "artefact_sha256": SHA,
                    "table_s": number / 1050,
                    "predicted_s": number / 1040,
                    "measured_s": number / 1020,
                    "correction": 1.03,
                    "unused": 0.02,
                    "p50_s": number / 1020,
                    "p95_s": number / 1000,
                    "launches": 8,
                    "runs": 480,
                    "candidates": 3,
                    "macs": made.macs,
                    "params": made.params,
                    "labels": made.labels,
                }
            )
        budgets.append(one)
    return FitResult(
        verdict=overall(verdicts),
        space="tiny",
        table=TABLE,
        table_sha256=SHA,
        device="cpu",
        threads=1,
        batch=1,
        precision="fp32",
        form="concat",
        percentile=50.0,
        confidence=0.95,
        scores="macs",
        headroom=0.025,
        headroom_noise=0.005,
        headroom_shift=0.01,
        spread=0.01,
        moved=0.002,
        fastest_s=0.001,
        slowest_s=0.003,
        rounds=2,
        round_errors=(0.03, 0.01),
        networks=20,
        launches=300,
        budgets=tuple(budgets),
        unused=0.02,
        environment={"machine.cpu": "invented"},
        ended="2026-01-31T12:00:00Z",
        seconds=90.0,
    )


RETRAIN = RetrainResult(
    data="digits",
    models=tuple(
        Retrained(
            name=one.name,
            path=Path(f"sgnas-work/models/{one.name}.safetensors"),
            accuracy=0.9,
            supernet_accuracy=one.supernet_accuracy,
            epochs=30,
            resumed_at=0,
            seconds=20.0,
        )
        for one in GENERATE.architectures
    ),
)

EXPORT = ExportResult(
    format="onnx",
    precision="fp32",
    files=tuple(
        Exported(
            name=one.name,
            path=Path(f"sgnas-work/models/{one.name}.onnx"),
            sha256=SHA,
            size_bytes=200_000,
            form="concat",
            parity_max_abs=2e-6,
            parity_limit=1e-4,
        )
        for one in GENERATE.architectures
    ),
)


def validated_one(number: int, verdict: Verdict) -> Validated:
    """An invented measurement of the network of as many milliseconds."""
    measured_s = number / 1000 * {"PASS": 0.9, "FAIL": 1.2, "UNDECIDED": 1.0}[verdict]
    return Validated(
        name=f"tiny-{number}ms",
        verdict=verdict,
        reason="the time was up" if verdict == "UNDECIDED" else "",
        budget_s=number / 1000,
        percentile=50.0,
        confidence=0.95,
        predicted_s=None if verdict == "FAIL" else number / 1100,
        p50_s=measured_s,
        p95_s=measured_s * 1.1,
        unused=1 - measured_s * 1000 / number,
        n=1000,
        blocks=20,
        launches=5,
        environment={"device": "cpu"},
        artefact_sha256=SHA,
        artefact_bytes=200_000,
        accuracy=0.9,
        line=f"tiny-{number}ms: {verdict}: an invented line that is longer than any terminal that "
        "these tests pretend to have, and that nobody may wrap",
        report=Path(f"sgnas-work/reports/tiny-{number}ms.json"),
    )


def validate_result(*verdicts: Verdict) -> ValidateResult:
    """Invented measurements with these verdicts."""
    networks = tuple(validated_one(number, one) for number, one in enumerate(verdicts, start=1))
    overall: Verdict = "PASS"
    for one in ("UNDECIDED", "FAIL"):
        if one in verdicts:
            overall = one
    return ValidateResult(verdict=overall, networks=networks)


def summary(space: str) -> TableSummary:
    """An invented table."""
    return TableSummary(
        path=Path(f"sgnas-work/luts/{space}--cpu--null-fp32-b1-t1.json"),
        sha256=SHA,
        space=space,
        device="cpu",
        form="concat",
        created="2026-01-02T03:04:05Z",
        command=f"sgnas profile --device cpu --space {space} --backend null",
        blocks=500,
        networks=10,
        settings={"backend": "null", "precision": "fp32"},
        environment={"cpu": "an invented one"},
        error=0.02,
        margin=0.05,
        range_s=(0.001, 0.004),
    )


SHOW_ESTIMATED = ShowResult(
    tables=(
        summary("tiny").model_copy(
            update={
                "blocks": 12,
                "estimated": 488,
                "estimate_method": "transfer",
                "estimate_error": 0.04,
                "sources": ("tiny--shelf--null-fp32-b1-t1",),
            }
        ),
    )
)
SHOW_ONE = ShowResult(tables=(summary("tiny"),))
SHOW_MANY = ShowResult(tables=(summary("tiny"), summary("cifar")))
SHOW_NONE = ShowResult(tables=())

READING = ReadingReport(
    percentile=50.0,
    best_launch=False,
    model="affine",
    margin=0.05,
    leave_one_out=0.01,
    table=Agreement(mape=0.02, maximum=0.05, bias=-0.01, spearman=0.99),
    macs=Agreement(mape=0.2, maximum=0.5, bias=0.1, spearman=0.9),
    constant=Agreement(mape=0.4, maximum=0.9, bias=0.0, spearman=0.0),
    repeat=Agreement(mape=0.01, maximum=0.02, bias=0.0, spearman=1.0),
    table_less_macs=(-0.25, -0.1),
    macs_near_floor=False,
    points=((0.001, 0.0011), (0.002, 0.002), (0.004, 0.0039)),
    optimised=Agreement(mape=0.03, maximum=0.06, bias=-0.03, spearman=1.0),
    optimised_repeat=Agreement(mape=0.01, maximum=0.02, bias=0.0, spearman=1.0),
    optimised_over=1,
    optimised_points=((0.003, 0.0031),),
)
CHECK = CheckResult(
    path=TABLE,
    name=TABLE.stem,
    sha256=SHA,
    measured="2026-01-02T03:04:05Z",
    networks=((0,), (1,), (2,)),
    optimised=((3,),),
    launches=4,
    seed=1,
    low=READING.model_copy(
        update={
            "percentile": 10.0,
            "best_launch": True,
            "macs_near_floor": True,
            "missed": ("mean error 2.50% is above 2%",),
            "out_of_reach": ("largest error 9.0% is above 5%",),
        }
    ),
    asked=READING,
    conditions={"load_1min": "0.5..1.5"},
    warnings=("another process kept a core busy",),
    passed=True,
    too_noisy=False,
    seconds=61.0,
)
CHECK_FAILED = CHECK.model_copy(update={"passed": False})
CHECK_NOISY = CHECK.model_copy(
    update={
        "passed": False,
        "too_noisy": True,
        "low": READING.model_copy(update={"table_less_macs": (-0.01, 0.01)}),
        "asked": READING.model_copy(update={"optimised": None, "table_less_macs": (0.1, 0.2)}),
        "optimised": (),
    }
)

DIFF = DiffResult(
    first=Path("monday.json"),
    second=Path("tuesday.json"),
    settings=(("threads", "1", "2"),),
    common=500,
    only_first=1,
    only_second=0,
    ratios=(0.9, 0.95, 1.0, 1.05, 1.1),
)
DIFF_NOTHING = DIFF.model_copy(update={"settings": (), "common": 0, "ratios": None})

EXPORTED = ExportedTable(out=Path("costs.csv"), rows=499)
MIGRATED = MigrateResult(table=TABLE, sha256=SHA, before=1, now=2)

MERGE = MergeResult(table=Path("both.json"), sha256=SHA, blocks=500, networks=20)

CPU = Device(name="cpu", transport="local", backend="onnxruntime", builtin=True)
SHELF = Device(
    name="shelf",
    transport="ssh",
    host="me@shelf",
    backend="onnxruntime",
    power_mode="15W",
    notes="the quiet one",
)
DEVICES = DevicesResult(registry=Path("config/devices.json"), devices=(CPU, SHELF))
ANSWERS = DeviceTest(
    name="cpu",
    reachable=True,
    detail="a small block took 0.01 ms",
    environment={"backend": "null"},
    warnings=("the clock [is] not fixed",),
)
SILENT = DeviceTest(name="shelf", reachable=False, detail="no route to host", environment={})

HEALTHY = DoctorResult(
    healthy=True,
    findings=(
        Finding(name="onnxruntime", state="ok", detail="1.0"),
        Finding(
            name="torch",
            state="missing",
            detail="not installed",
            cure="pip install 'sgnas-deploy[train]'",
        ),
    ),
)
UNHEALTHY = DoctorResult(
    healthy=False,
    findings=(
        *HEALTHY.findings,
        Finding(name="disk", state="problem", detail="full", cure="free some space"),
    ),
)


def demo_row(number: int, verdict: Verdict) -> DemoRow:
    """An invented row."""
    asked, measured = generated_one(number), validated_one(number, verdict)
    return DemoRow(
        name=asked.name,
        budget_s=asked.budget_s,
        predicted_s=asked.predicted_s,
        p50_s=measured.p50_s,
        p95_s=measured.p95_s,
        unused=measured.unused,
        verdict=verdict,
        supernet_accuracy=asked.supernet_accuracy,
        accuracy=0.9,
        params=asked.params,
        macs=asked.macs,
    )


DEMO = DemoResult(
    margin=0.05,
    rows=(demo_row(1, "PASS"), demo_row(2, "UNDECIDED"), demo_row(3, "FAIL")),
    verdict="FAIL",
    stages=(("profile", 60.0), ("train supernet", 90.0), ("validate", 9.0)),
    workdir=Path("demo-work"),
)


def network_point(number: int, verdict: Verdict | None) -> NetworkPoint:
    """An invented network in a plot."""
    asked = generated_one(number)
    return NetworkPoint(
        letter="?ABC"[number],
        name=asked.name,
        verdict=verdict,
        budget_s=asked.budget_s,
        predicted_s=asked.predicted_s,
        measured_s=None if verdict is None else number / 1050,
        accuracy=0.7 + number / 20,
    )


REPORT = ReportResult(
    path=Path("sgnas-work/reports/report.html"),
    sha256=SHA,
    size_bytes=80_000,
    networks=(network_point(1, "PASS"), network_point(2, "FAIL"), network_point(3, None)),
    calibration=((0.001, 0.00101), (0.002, 0.0021), (0.003, 0.0029)),
    heat=HeatMap(labels=("3x1", "7x6"), costs_s=((1e-5, 2e-5, 4e-5), (2e-5, 5e-5, 9e-5))),
    missing=(MissingPart(what="verdicts", command="sgnas validate"),),
)

RUN = RunResult(
    model=Path("sgnas-work/models/tiny-1ms.onnx"),
    sha256=SHA,
    engine="onnxruntime 1.0",
    images=(
        Classified(
            image=Path("photo[1].png"),
            guesses=(
                Guess(label="[red] panda", probability=0.75, index=3),
                Guess(label="cat", probability=0.125, index=0),
            ),
        ),
    ),
)


RESULTS: dict[str, BaseModel] = {
    "profile": PROFILE,
    "train_supernet": SUPERNET,
    "train_generator": GENERATOR,
    "generate": GENERATE,
    "fit": fit_result("PASS", "PASS"),
    "retrain": RETRAIN,
    "export": EXPORT,
    "validate": validate_result("PASS", "PASS"),
    "report": REPORT,
    "run": RUN,
    "demo": DEMO,
    "doctor": HEALTHY,
    "bench": BENCH,
}
"""By pipeline file; its function has the same name."""
