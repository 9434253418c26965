"""A network in two formats: both verdicts stand, and what is told of an engine is true of it."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import pytest

from sgnas_cli import output, render
from sgnas_deploy import files, models
from sgnas_deploy.errors import BadInput
from sgnas_deploy.fitting import artefact
from sgnas_deploy.models import Checks
from sgnas_deploy.pipeline.fit import FitRequest, fit
from sgnas_deploy.pipeline.profile import ProfileRequest, profile
from sgnas_deploy.pipeline.report import ReportRequest, report
from sgnas_deploy.pipeline.validate import (
    ValidateRequest,
    ValidateResult,
    VerdictReport,
    validate,
)
from sgnas_deploy.reporting import gather, verdict_page
from sgnas_deploy.workspace import Workspace
from tests.fakes.device import Disturbance, FakeDevice
from tests.fakes.reporters import Listener
from tests.verdict import exported

HERE = {
    "flavour": "tensorrt",
    "version": "10.3.0",
    "platform": "linux-aarch64",
    "compute_capability": "8.7",
}
CHECKS = Checks(
    images=300,
    source="digits, held out",
    of="source",
    max_abs=3e-3,
    limit=0.1,
    cosine=0.99987,
    cosine_limit=0.999,
    agreement=0.99,
    accuracy=0.971,
    accuracy_fp32=0.974,
    max_drop=0.005,
)


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return Workspace(tmp_path / "work")


def put_plan(workspace: Workspace, name: str, of: str = "source") -> Path:
    """`name.plan` beside `name.onnx`, of a length that the fake device can tell."""
    found = models.read_export_file(exported.put(workspace, name))
    plan = exported.put(workspace, "other", choice=5).read_bytes()
    for path in workspace.models.glob("other*"):
        path.unlink()
    digest = hashlib.sha256(plan).hexdigest()
    path = workspace.models / f"{name}.plan"
    files.write_bytes(path, plan)
    described = found.model_copy(
        update={
            "format": "tensorrt",
            "artefact_sha256": digest,
            "runtime": {**HERE, "plan_sha256": digest},
            "parity_max_abs": CHECKS.max_abs,
            "checks": CHECKS.model_copy(update={"of": of}),
        }
    )
    files.write_model(models.sidecar(path), described)
    return path


def run(workspace: Workspace, *names: str, listener: Listener | None = None) -> ValidateResult:
    device = FakeDevice(
        disturbance=Disturbance(sigma=0.01),
        settings={"runtime": "fake", "provider": "CUDA", **HERE},
    )
    asked = ValidateRequest(workspace.root, names, (1.0,), max_seconds=15.0)
    return validate(asked, listener or Listener(), transport=device, clock=lambda: device.time_s)


def read(workspace: Workspace, name: str) -> VerdictReport:
    path = workspace.reports / f"{name}.verdict.json"
    return files.read_model(path, VerdictReport, "verdict")


@pytest.mark.parametrize("at_once", [False, True])
def test_an_engines_verdict_stands_beside_that_of_its_network(
    workspace: Workspace, at_once: bool
) -> None:
    plan = put_plan(workspace, "net")
    if at_once:
        run(workspace, "net.onnx", "net.plan")
    else:
        run(workspace, "net.onnx")
        run(workspace, "net.plan")
    assert sorted(path.name for path in workspace.reports.glob("*.html")) == [
        "net.plan.verdict.html",
        "net.verdict.html",
    ]
    assert read(workspace, "net").export.format == "onnx"
    assert read(workspace, "net.plan").export.format == "tensorrt"
    told = report(ReportRequest(workspace.root), Listener())
    assert [(one.name, one.verdict) for one in told.networks] == [
        ("net", "PASS"),
        ("net.plan", "PASS"),
    ]
    assert told.networks[0].measured_s != told.networks[1].measured_s
    page = told.path.read_text()
    for name in ("net", "net.plan"):
        assert read(workspace, name).result.line in page
        assert f"<h3>{name}</h3>" in page
    # A change of one file makes one verdict stale.
    plan.write_bytes(plan.read_bytes() + b" ")
    stale = {one.name: one.stale for one in gather(workspace).networks}
    assert stale == {"net": False, "net.plan": True}


def test_a_network_that_was_only_judged_as_an_engine_is_shown_once(workspace: Workspace) -> None:
    plan = put_plan(workspace, "net")
    trained = models.read_export_file(plan).model
    files.write_model(workspace.architectures / "net.json", trained.architecture)
    files.write_bytes(workspace.models / "net.safetensors", b"")
    files.write_model(workspace.models / "net.json", trained)
    history = workspace.models / "net.history.jsonl"
    files.write_text(history, '{"epoch": 1, "loss": 2}\n{"epoch": 2, "loss": 1}\n')
    run(workspace, "net.plan")
    contents = gather(workspace)
    (one,) = contents.networks
    assert (one.name, one.verdict, one.stale) == ("net.plan", "PASS", False)
    assert one.model == trained
    assert one.accuracy == (trained.accuracy, "trained network")
    assert [name for name, _ in contents.histories] == ["retrained A"]
    assert "some verdicts" not in {missing.what for missing in contents.missing}


def test_the_verdict_of_fit_stands_beside_that_of_the_trained_network(workspace: Workspace) -> None:
    trained = models.read_export_file(exported.put(workspace, "net"))
    model = (workspace.models / "net.onnx").read_bytes()
    measured, _ = artefact.write(
        workspace.fit,
        trained.model.architecture.model_copy(update={"name": "net"}),
        model,
        form=trained.form,
        batch=1,
        precision="fp32",
    )
    run(workspace, "net.onnx", str(measured))
    assert (read(workspace, "net").result.weights, read(workspace, "net.fit").result.weights) == (
        "trained",
        "arbitrary",
    )
    fresh = {one.name: (one.base, one.stale) for one in gather(workspace).networks}
    assert fresh == {"net": ("net", False), "net.fit": ("net", False)}
    # The next `fit` writes another file.
    measured.write_bytes(model + b" ")
    stale = {one.name: one.stale for one in gather(workspace).networks}
    assert stale == {"net": False, "net.fit": True}


def test_an_engines_report_of_an_older_version_is_still_read(workspace: Workspace) -> None:
    put_plan(workspace, "net")
    run(workspace, "net.plan")
    for path in workspace.reports.glob("net.plan.*"):
        path.rename(path.with_name(path.name.replace(".plan", "")))
    (one,) = gather(workspace).networks
    assert (one.name, one.verdict, one.stale) == ("net", "PASS", False)


def test_the_same_file_twice_is_refused(workspace: Workspace) -> None:
    put_plan(workspace, "net")
    with pytest.raises(BadInput, match=r"net\.plan is named twice"):
        run(workspace, "net.plan", str(workspace.models / "net.plan"))


def test_the_page_says_of_what_the_figures_are(workspace: Workspace) -> None:
    put_plan(workspace, "net")
    run(workspace, "net.plan")
    told = read(workspace, "net.plan")
    assert told.result.parity_of == "source"
    page = verdict_page(told)
    for row in (
        "<dt>largest difference</dt><dd>3.0e-03 in a logit, to PyTorch: of its ONNX source, not of "
        "the engine</dd>",
        "<dt>smallest cosine</dt><dd>0.999870, at least 0.999 allowed</dd>",
        "<dt>top-1 agreement</dt><dd>99.00 % of 300 images</dd>",
        "<dt>images</dt><dd>digits, held out</dd>",
        "<dt>accuracy drop</dt><dd>0.30 points, from 97.40 % to 97.10 %; 0.50 allowed</dd>",
        "all of these figures are of its ONNX source, not of the engine",
    ):
        assert row in page


def test_an_engine_that_ran_where_it_was_exported_speaks_for_itself(workspace: Workspace) -> None:
    put_plan(workspace, "net", of="artefact")
    run(workspace, "net.plan")
    told = read(workspace, "net.plan")
    assert told.result.parity_of == "artefact"
    page = verdict_page(told)
    assert "<dd>3.0e-03 in a logit, to PyTorch</dd>" in page
    assert "ONNX source" not in page


def test_without_labels_there_is_no_accuracy_to_lose(workspace: Workspace) -> None:
    put_plan(workspace, "net")
    run(workspace, "net.plan")
    told = read(workspace, "net.plan")
    unlabelled = CHECKS.model_copy(update={"accuracy": None, "accuracy_fp32": None})
    assert isinstance(told.export, models.ExportFile)
    page = verdict_page(
        told.model_copy(update={"export": told.export.model_copy(update={"checks": unlabelled})})
    )
    assert "top-1 agreement" in page
    assert "accuracy drop" not in page


def test_a_gpus_memory_is_not_said_to_be_measured(workspace: Workspace) -> None:
    put_plan(workspace, "net")
    result = run(workspace, "net.plan")
    said = "<dt>peak memory of the host, not the GPU&#x27;s</dt>"
    assert said in verdict_page(read(workspace, "net.plan"))
    assert said in report(ReportRequest(workspace.root), Listener()).path.read_text()
    screen = io.StringIO()
    output.console(screen, 200).print(render.validated(result))
    said = "peak memory of the process on the host, the GPU's not in it 1.05 MB"
    assert said in screen.getvalue()


def test_on_a_cpu_peak_memory_is_all_there_is(workspace: Workspace) -> None:
    exported.put(workspace, "net")
    device = FakeDevice(disturbance=Disturbance(sigma=0.01))
    asked = ValidateRequest(workspace.root, ("net",), (1.0,), max_seconds=15.0)
    validate(asked, Listener(), transport=device, clock=lambda: device.time_s)
    page = verdict_page(read(workspace, "net"))
    assert "<dt>peak memory</dt>" in page
    assert "GPU" not in page


def test_what_never_ran_on_hardware_is_told_once_and_stands_in_the_report(
    workspace: Workspace,
) -> None:
    put_plan(workspace, "net")
    put_plan(workspace, "more")
    listener = Listener()
    run(workspace, "net.plan", "more.plan", listener=listener)
    said = "tensorrt has not yet run on hardware with this version of sgnas"
    assert [text for text in listener.warnings if "hardware" in text] == [said]
    for name in ("net.plan", "more.plan"):
        assert said in read(workspace, name).warnings
    listener = Listener()
    run(workspace, "net.onnx", listener=listener)
    assert not any("hardware" in text for text in listener.warnings)
    assert not any("hardware" in text for text in read(workspace, "net").warnings)


def test_fit_says_so_too(workspace: Workspace) -> None:
    asked = ProfileRequest(
        "cpu", workspace.root, space="tiny", quality="quick", form="concat", backend="tensorrt"
    )
    profile(asked, Listener(), transport=FakeDevice())
    listener = Listener()
    result = fit(
        FitRequest(workspace.root, budgets_s=(0.5e-3,), scores="macs", rounds=1),
        listener,
        transport=FakeDevice(),
    )
    said = "tensorrt has not yet run on hardware with this version of sgnas"
    assert listener.warnings.count(said) == 1
    assert said in result.warnings
