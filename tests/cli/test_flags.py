"""Every flag arrives in the request, in SI units, and what is left out has the same default."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from sgnas_cli import options
from sgnas_cli.main import run
from sgnas_deploy import workspace
from sgnas_deploy.pipeline.bench import BenchRequest
from sgnas_deploy.pipeline.demo import DemoRequest
from sgnas_deploy.pipeline.devices import AddRequest
from sgnas_deploy.pipeline.export import ExportRequest
from sgnas_deploy.pipeline.fit import FitRequest
from sgnas_deploy.pipeline.generate import GenerateRequest
from sgnas_deploy.pipeline.lut_check import CheckRequest
from sgnas_deploy.pipeline.profile import ProfileRequest
from sgnas_deploy.pipeline.report import ReportRequest
from sgnas_deploy.pipeline.retrain import RetrainRequest
from sgnas_deploy.pipeline.run import RunRequest
from sgnas_deploy.pipeline.train_generator import TrainGeneratorRequest
from sgnas_deploy.pipeline.train_supernet import TrainSupernetRequest
from sgnas_deploy.pipeline.validate import ValidateRequest
from tests.cli.fakes import FakePipeline

W = Path("elsewhere")
REQUESTS: list[tuple[str, str, Any]] = [
    (
        "profile --device jetson --space imagenet+se --host me@there --backend trtexec "
        "--precision int8 --batch 8 --resolution 192 --threads 4 --form split --quality careful "
        "--max-blocks 99 --transfer-from a --transfer-from b --samples 12 --target-error 0.03 "
        "--out t.json --fresh --workdir elsewhere",
        "profile",
        ProfileRequest(
            device="jetson",
            workdir=W,
            space="imagenet+se",
            host="me@there",
            backend="trtexec",
            precision="int8",
            batch=8,
            resolution=192,
            threads=4,
            form="split",
            quality="careful",
            max_blocks=99,
            transfer_from=("a", "b"),
            samples=12,
            target_error=0.03,
            out=Path("t.json"),
            fresh=True,
        ),
    ),
    (
        "train supernet --data photos --space cifar --epochs 7 --batch 32 --seed 3 --fresh "
        "--precision bf16 --accumulate 4 --checkpoint-seconds 60 --recipe r.toml --log csv "
        "--log tensorboard --evaluate-every 2 --workers 3 --workdir elsewhere",
        "train_supernet",
        TrainSupernetRequest(
            data="photos",
            workdir=W,
            space="cifar",
            epochs=7,
            batch=32,
            precision="bf16",
            accumulate=4,
            checkpoint_s=60.0,
            recipe="r.toml",
            logs=("csv", "tensorboard"),
            evaluate_every=2,
            workers=3,
            seed=3,
            fresh=True,
        ),
    ),
    (
        "train generator --lut t --lut u --any-device --perturbed 9 --data photos --epochs 7 "
        "--batch 32 --percentile 95 --budgets 4 --precision bf16 --accumulate 4 "
        "--checkpoint-seconds 60 --recipe r.toml --log csv --workers 0 --seed 3 --fresh "
        "--workdir elsewhere",
        "train_generator",
        TrainGeneratorRequest(
            workdir=W,
            luts=("t", "u"),
            any_device=True,
            perturbed=9,
            data="photos",
            epochs=7,
            batch=32,
            percentile=95.0,
            budgets=4,
            precision="bf16",
            accumulate=4,
            checkpoint_s=60.0,
            recipe="r.toml",
            logs=("csv",),
            workers=0,
            seed=3,
            fresh=True,
        ),
    ),
    (
        "generate --latency-ms 10 --latency-ms 0.5 --percentile 95 --scores macs --margin 0 "
        "--lut t --workdir elsewhere",
        "generate",
        GenerateRequest(
            workdir=W,
            lut="t",
            budgets_s=(0.01, 0.0005),
            percentile=95.0,
            scores="macs",
            margin=0.0,
        ),
    ),
    (
        "fit --latency-ms 10 --latency-ms 0.5 --device shelf --host me@there --percentile 95 "
        "--scores macs --rounds 2 --confidence 0.99 --margin 0.02 --max-seconds 5 --fresh --lut t "
        "--workdir elsewhere",
        "fit",
        FitRequest(
            workdir=W,
            lut="t",
            budgets_s=(0.01, 0.0005),
            device="shelf",
            host="me@there",
            percentile=95.0,
            scores="macs",
            rounds=2,
            confidence=0.99,
            margin=0.02,
            max_seconds=5.0,
            fresh=True,
        ),
    ),
    (
        "retrain one two --data photos --epochs 7 --batch 32 --inherit --seed 3 --fresh "
        "--precision fp16 --accumulate 4 --compile --checkpoint-seconds 0 --recipe cifar "
        "--log csv --evaluate-every 0 --workers 3 --workdir elsewhere",
        "retrain",
        RetrainRequest(
            workdir=W,
            architectures=("one", "two"),
            data="photos",
            epochs=7,
            batch=32,
            precision="fp16",
            accumulate=4,
            compiled=True,
            checkpoint_s=0.0,
            recipe="cifar",
            logs=("csv",),
            evaluate_every=0,
            workers=3,
            inherit=True,
            seed=3,
            fresh=True,
        ),
    ),
    (
        "export one two --format tensorrt --precision fp16 --batch 4 --calibration photos "
        "--max-drop 0.01 --flavour tensorrt --device shelf --host me@there --workspace-mib 2 "
        "--optimisation-level 5 --hardware-compatibility ampere_plus --compute-capability 8.6 "
        "--compute-capability 8.9 --workdir elsewhere",
        "export",
        ExportRequest(
            workdir=W,
            models=("one", "two"),
            format="tensorrt",
            precision="fp16",
            batch=4,
            calibration="photos",
            max_drop=0.01,
            flavour="tensorrt",
            device="shelf",
            host="me@there",
            workspace_bytes=2 << 20,
            optimisation_level=5,
            hardware_compatibility="ampere_plus",
            compute_capabilities=("8.6", "8.9"),
        ),
    ),
    (
        "validate one two --latency-ms 10 --latency-ms 20 --device shelf --host me@shelf "
        "--percentile 95 --confidence 0.99 --data photos --max-seconds 5 --workdir elsewhere",
        "validate",
        ValidateRequest(
            workdir=W,
            models=("one", "two"),
            budgets_s=(0.01, 0.02),
            device="shelf",
            host="me@shelf",
            percentile=95.0,
            confidence=0.99,
            data="photos",
            max_seconds=5.0,
        ),
    ),
    (
        "lut check --lut t --host me@there --networks 5 --optimised 3 --percentile 95 --seed 9 "
        "--workdir elsewhere",
        "lut_check.check",
        CheckRequest(
            workdir=W,
            lut="t",
            host="me@there",
            networks=5,
            optimised=3,
            percentile=95.0,
            seed=9,
        ),
    ),
    (
        "devices add shelf --host me@shelf --backend null --power-mode 15W --python py3 "
        "--notes quiet",
        "devices.add",
        AddRequest(
            name="shelf",
            host="me@shelf",
            backend="null",
            power_mode="15W",
            notes="quiet",
            python="py3",
        ),
    ),
    (
        "demo --fresh --workdir elsewhere",
        "demo",
        DemoRequest(workdir=W, fresh=True),
    ),
    (
        "bench nasbench201 --accuracies a.csv --latencies l.csv --samples 20 --budgets 7 --seed 3 "
        "--trained elsewhere",
        "bench",
        BenchRequest(Path("a.csv"), Path("l.csv"), 20, 7, 3, W),
    ),
]

DEFAULTS: list[tuple[str, str, Any]] = [
    ("report", "report", ReportRequest()),
    (
        "report --out p.html --terminal --workdir elsewhere",
        "report",
        ReportRequest(W, Path("p.html")),
    ),
    ("run m a.png", "run", RunRequest("m", (Path("a.png"),))),
    (
        "run m a.png b.png --top 2 --threads 3 --workdir elsewhere",
        "run",
        RunRequest("m", (Path("a.png"), Path("b.png")), W, 2, 3),
    ),
    ("profile --device cpu", "profile", ProfileRequest(device="cpu")),
    ("train supernet --data digits", "train_supernet", TrainSupernetRequest(data="digits")),
    ("train generator", "train_generator", TrainGeneratorRequest()),
    ("generate --count 4", "generate", GenerateRequest(count=4)),
    ("generate --latency-ms max", "generate", GenerateRequest(maximum=True)),
    ("fit --count 4", "fit", FitRequest(count=4)),
    ("retrain", "retrain", RetrainRequest()),
    ("export", "export", ExportRequest()),
    ("validate", "validate", ValidateRequest()),
    ("lut check", "lut_check.check", CheckRequest()),
    ("demo", "demo", DemoRequest()),
    (
        "bench nasbench201 --accuracies a.csv --latencies l.csv",
        "bench",
        BenchRequest(Path("a.csv"), Path("l.csv")),
    ),
    (
        "devices add shelf",
        "devices.add",
        AddRequest(name="shelf", host=None, backend=None, power_mode=None, notes=""),
    ),
]


@pytest.mark.parametrize(("line", "function", "request_"), REQUESTS + DEFAULTS)
def test_flags_become_the_request(
    line: str, function: str, request_: Any, pipeline: FakePipeline
) -> None:
    assert run(line.split()) == 0
    assert pipeline.calls == [(function, (request_,))]


@pytest.mark.parametrize(("line", "function", "request_"), REQUESTS)
def test_every_field_of_a_request_has_a_flag(line: str, function: str, request_: Any) -> None:
    """A field that a flag set differs from its default; `generate` has exclusive ones."""
    del line
    exclusive = {"generate": {"count", "maximum"}, "fit": {"count"}}.get(function, set())
    same = {
        field.name
        for field in dataclasses.fields(request_)
        if getattr(request_, field.name) == field.default
    }
    assert same == exclusive


@pytest.mark.parametrize(
    ("line", "call"),
    [
        ("lut show", ("lut.show", (options.WORKDIR, None))),
        ("lut show t --workdir elsewhere", ("lut.show", (W, "t"))),
        ("lut show --lut t", ("lut.show", (options.WORKDIR, "t"))),
        ("lut check t", ("lut_check.check", (CheckRequest(lut="t"),))),
        ("lut diff a b --workdir elsewhere", ("lut.diff", (W, "a", "b"))),
        (
            "lut merge a b c --out d.json --workdir elsewhere",
            ("lut.merge", (W, ("a", "b", "c"), Path("d.json"))),
        ),
        (
            "lut export t --out c.json --what networks --format json --workdir elsewhere",
            ("lut.export", (W, "t", Path("c.json"), "networks", "json")),
        ),
        (
            "lut export --out c.csv",
            ("lut.export", (options.WORKDIR, None, Path("c.csv"), "layers", "csv")),
        ),
        ("lut migrate t", ("lut.migrate", (options.WORKDIR, "t", None))),
        ("lut migrate t --out n", ("lut.migrate", (options.WORKDIR, "t", Path("n")))),
        ("devices", ("devices.list_devices", ())),
        ("devices list", ("devices.list_devices", ())),
        ("devices remove shelf", ("devices.remove", ("shelf",))),
        ("devices test cpu", ("devices.test", ("cpu", None))),
        ("devices test jetson --host me@orin", ("devices.test", ("jetson", "me@orin"))),
        ("doctor", ("doctor", ())),
    ],
)
def test_arguments_become_the_call(
    line: str, call: tuple[str, tuple[Any, ...]], pipeline: FakePipeline
) -> None:
    assert run(line.split()) == 0
    assert pipeline.calls == [call]


def test_the_default_workspace_is_the_toolchain_s() -> None:
    assert options.WORKDIR == workspace.DEFAULT_ROOT
