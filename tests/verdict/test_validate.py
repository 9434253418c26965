"""`validate` over a workspace, on the fake device: verdicts, reports, settings, bad input."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sgnas_deploy import data, files, models
from sgnas_deploy.data.batches import to_array
from sgnas_deploy.emitter import DEFAULT_FORM, emit_network
from sgnas_deploy.errors import BadInput, EnvironmentProblem
from sgnas_deploy.events import NullReporter
from sgnas_deploy.pipeline.profile import ProfileRequest, profile
from sgnas_deploy.pipeline.validate import (
    Validated,
    ValidateRequest,
    ValidateResult,
    VerdictReport,
    overall,
    validate,
)
from sgnas_deploy.tables import predictor, read
from sgnas_deploy.workspace import Workspace
from tests.fakes.device import Disturbance, FakeDevice
from tests.fakes.reporters import Listener
from tests.verdict import exported

NOISE = Disturbance(sigma=0.02, process_sigma=0.005)


@pytest.fixture(scope="session")
def measured_table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of `tiny`, measured on the fake device with two threads."""
    result = profile(
        ProfileRequest(
            device="cpu",
            workdir=tmp_path_factory.mktemp("table"),
            space="tiny",
            quality="quick",
            form="concat",
            threads=2,
        ),
        NullReporter(),
        transport=FakeDevice(),
    )
    return result.table


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "work")


@pytest.fixture(autouse=True)
def no_registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


def put_table(workspace: Workspace, table: Path) -> Path:
    path = workspace.luts / table.name
    files.write_bytes(path, table.read_bytes())
    return path


def request(workspace: Workspace, *names: str, **fields: Any) -> ValidateRequest:
    return ValidateRequest(workdir=workspace.root, models=names, **fields)


def run(
    asked: ValidateRequest, device: FakeDevice | None = None, listener: Listener | None = None
) -> ValidateResult:
    device = device or FakeDevice(disturbance=NOISE, seed=1)
    return validate(asked, listener or Listener(), transport=device, clock=lambda: device.time_s)


def truth_s(path: Path) -> float:
    return FakeDevice().true_s(path.read_bytes())


def only(result: ValidateResult) -> Validated:
    (one,) = result.networks
    return one


def test_a_verdict_says_all_that_a_release_note_needs(workspace: Workspace) -> None:
    path = exported.put(workspace, "net")
    budget_s = 1.05 * truth_s(path)
    one = only(run(request(workspace, "net", budgets_s=(budget_s,))))
    assert one.verdict == "PASS"
    assert one.p50_s == pytest.approx(truth_s(path), rel=0.03)
    assert one.p50_s < one.p95_s
    assert one.unused == pytest.approx(1 - one.p50_s / budget_s)
    assert one.n == 60 * one.launches
    assert one.environment["machine.cpu"] == "fake"
    assert one.peak_rss_bytes == 1 << 20
    sha256 = models.read_export_file(path).artefact_sha256
    assert one.line.startswith(f"net: p50 {1e3 * one.p50_s:.3g} ms, p95 {1e3 * one.p95_s:.3g} ms, ")
    for part in (
        f"budget {1e3 * budget_s:g} ms (p50): PASS at 95 % confidence",
        f"n={one.n} in {one.launches} launches",
        "fake",
        "1 thread, batch 1, fp32",
        "0.1 load",
        f"sha256 {sha256[:8]}",
    ):
        assert part in one.line


def test_the_report_holds_every_sample(workspace: Workspace) -> None:
    path = exported.put(workspace, "net")
    one = only(run(request(workspace, "net", budgets_s=(1.05 * truth_s(path),))))
    report = files.read_model(one.report, VerdictReport, "verdict")
    assert report.result == one
    assert report.export == models.read_export_file(path)
    samples = np.concatenate([launch.samples_s for launch in report.launches])
    assert np.percentile(samples, 50) == pytest.approx(one.p50_s, abs=2e-9)
    assert len(samples) == one.n
    assert report.test.slower == pytest.approx((samples > one.budget_s).mean(), abs=1e-3)
    assert report.test.log_pass >= report.test.log_needed
    assert json.loads(one.report.read_text())["kind"] == "sgnas-verdict"


def test_each_network_is_held_against_its_own_budget(workspace: Workspace) -> None:
    small = exported.put(workspace, "small", choice=0)
    large = exported.put(workspace, "large", choice=5)
    budgets_s = (1.1 * truth_s(small), 0.9 * truth_s(large))
    result = run(request(workspace, "small", "large", budgets_s=budgets_s))
    assert [one.verdict for one in result.networks] == ["PASS", "FAIL"]
    assert [one.budget_s for one in result.networks] == list(budgets_s)
    assert result.verdict == "FAIL"
    result = run(request(workspace, "small", "large", budgets_s=(1.1 * truth_s(large),)))
    assert result.verdict == "PASS"


def test_an_undecided_verdict_has_its_reason_in_the_line(workspace: Workspace) -> None:
    path = exported.put(workspace, "net")
    asked = request(workspace, "net", budgets_s=(truth_s(path),), max_seconds=15)
    one = only(run(asked))
    assert one.verdict == "UNDECIDED"
    assert one.reason.startswith("too close: p50 lies within")
    assert one.reason in one.line


@pytest.mark.parametrize(
    ("verdicts", "worst"),
    [
        (["PASS", "PASS"], "PASS"),
        (["PASS", "UNDECIDED"], "UNDECIDED"),
        (["UNDECIDED", "FAIL", "PASS"], "FAIL"),
    ],
)
def test_the_overall_verdict_is_the_worst(verdicts: list[Any], worst: str) -> None:
    assert overall(verdicts) == worst


def test_budget_percentile_settings_come_from_the_generation(
    workspace: Workspace, measured_table: Path
) -> None:
    table = put_table(workspace, measured_table)
    path = exported.put(workspace, "net")
    exported.put(workspace, "net", table=table, budget_s=1.2 * truth_s(path), percentile=60)
    workspace.remember("export", ["net"])
    listener = Listener()
    one = only(run(request(workspace), listener=listener))
    assert (one.percentile, one.verdict) == (60, "PASS")
    assert one.predicted_s == pytest.approx(0.97 * one.budget_s)
    assert one.measured_s == pytest.approx(one.p50_s, rel=0.02)
    assert "2 threads" in one.line
    report = files.read_model(one.report, VerdictReport, "verdict")
    assert report.settings["samples"] == read(table).network_plan.samples == 40
    assert [text for text in listener.warnings if "table" in text] == []


def test_another_percentile_is_predicted_anew(workspace: Workspace, measured_table: Path) -> None:
    table = put_table(workspace, measured_table)
    exported.put(workspace, "net", table=table, budget_s=1.0)
    one = only(run(request(workspace, "net", percentile=55.0)))
    expected = predictor(read(table), 55.0).predict_s(exported.options(0))
    assert one.predicted_s == pytest.approx(expected)


def test_a_changed_machine_is_told_and_measured(workspace: Workspace, measured_table: Path) -> None:
    table = put_table(workspace, measured_table)
    exported.put(workspace, "net", table=table, budget_s=1.0)
    device = FakeDevice(
        machine={"cpu": "fake", "kernel": "2"}, settings={"runtime": "fake", "version": "9"}
    )
    listener = Listener()
    one = only(run(request(workspace, "net"), device, listener))
    assert one.verdict == "PASS"
    (warning,) = (text for text in listener.warnings if "than its table" in text)
    assert "kernel was 1, is 2" in warning
    assert "version was unknown, is 9" in warning
    report = files.read_model(one.report, VerdictReport, "verdict")
    assert any("kernel was 1, is 2" in text for text in report.warnings)


def test_a_lost_table_is_told_and_its_promise_kept(workspace: Workspace) -> None:
    exported.put(workspace, "net", budget_s=1.0)
    listener = Listener()
    one = only(run(request(workspace, "net"), listener=listener))
    assert one.predicted_s == pytest.approx(0.97)
    assert any("table it was generated from is not there" in text for text in listener.warnings)


def test_a_network_that_does_not_fit_its_table_is_told(
    workspace: Workspace, measured_table: Path
) -> None:
    table = put_table(workspace, measured_table)
    exported.put(workspace, "net", table=table, budget_s=1.0, batch=3)
    listener = Listener()
    run(request(workspace, "net"), listener=listener)
    assert any("batch 3 instead of 1" in text for text in listener.warnings)


@pytest.mark.parametrize("budget_s", [0.0, -0.01, math.nan, math.inf])
def test_impossible_budgets_are_refused_before_anything_is_read(
    workspace: Workspace, budget_s: float
) -> None:
    with pytest.raises(BadInput, match="budget must be positive"):
        run(request(workspace, budgets_s=(budget_s,)))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"confidence": 0.5}, "confidence must lie"),
        ({"confidence": 1.0}, "confidence must lie"),
        ({"percentile": 0.0}, "percentile must lie"),
        ({"percentile": 100.0}, "percentile must lie"),
        ({"max_seconds": 0.0}, "time limit must be positive"),
        ({"max_seconds": math.nan}, "time limit must be positive"),
        ({"device": "toaster"}, "unknown device 'toaster'"),
        ({"budgets_s": (0.1, 0.1, 0.1)}, "3 budgets for 1 networks"),
        ({"budgets_s": ()}, "net was not generated for a budget"),
        ({"data": "nowhere"}, "no data folder 'nowhere'"),
    ],
)
def test_bad_input_is_one_sentence_and_measures_nothing(
    workspace: Workspace, fields: dict[str, Any], message: str
) -> None:
    exported.put(workspace, "net")
    device = FakeDevice()
    with pytest.raises(BadInput, match=message):
        run(replace(request(workspace, "net", budgets_s=(1.0,)), **fields), device)
    assert device.processes == 0
    assert not workspace.reports.exists()


def test_an_empty_workspace_names_the_command(workspace: Workspace) -> None:
    with pytest.raises(BadInput, match="run first: sgnas export"):
        run(request(workspace))


def test_a_network_named_twice_is_refused(workspace: Workspace) -> None:
    exported.put(workspace, "net")
    with pytest.raises(BadInput, match="net is named twice"):
        run(request(workspace, "net", "net.onnx", budgets_s=(1.0,)))


def test_a_changed_file_is_refused(workspace: Workspace) -> None:
    path = exported.put(workspace, "net")
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(BadInput, match="SHA-256 differs"):
        run(request(workspace, "net", budgets_s=(1.0,)))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"device": "jetson"}, "this machine is no Jetson"),
        ({"device": "cpu", "host": "me@there"}, "it is not on another host"),
        ({"host": "me@there"}, "no device was named"),
    ],
)
def test_devices_that_are_not_here_say_so(
    workspace: Workspace, fields: dict[str, str], message: str
) -> None:
    exported.put(workspace, "net")
    with pytest.raises(BadInput, match=message):
        run(request(workspace, "net", budgets_s=(1.0,), **fields))


def test_an_engine_that_does_not_say_what_it_is_for_is_refused(workspace: Workspace) -> None:
    exported.put(workspace, "net", format="tensorrt")
    with pytest.raises(BadInput, match="manifest does not say its TensorRT flavour"):
        run(request(workspace, "net", budgets_s=(1.0,)))


def test_a_stop_keeps_the_verdicts_that_are_there(workspace: Workspace) -> None:
    small = exported.put(workspace, "small", choice=0)
    large = exported.put(workspace, "large", choice=5)
    device = FakeDevice(disturbance=NOISE, seed=1)

    def stop() -> None:
        if device.time_s > 30:
            raise KeyboardInterrupt

    device.before_result = stop
    budgets_s = (2 * truth_s(small), truth_s(large))
    with pytest.raises(KeyboardInterrupt):
        run(request(workspace, "small", "large", budgets_s=budgets_s), device)
    left = sorted(path.name for path in workspace.reports.iterdir())
    assert left == ["small.verdict.html", "small.verdict.json"]


def test_a_report_folder_that_cannot_be_written_is_an_environment_problem(
    workspace: Workspace,
) -> None:
    exported.put(workspace, "net")
    workspace.reports.write_text("in the way")
    with pytest.raises(EnvironmentProblem, match="cannot write"):
        run(request(workspace, "net", budgets_s=(1.0,)))


@pytest.mark.parametrize("batch", [1, 7])
def test_accuracy_is_that_of_the_exported_graph(workspace: Workspace, batch: int) -> None:
    """Compared with all images in one batch, for which the graph is emitted anew."""
    onnxruntime = pytest.importorskip("onnxruntime")
    path = exported.put(workspace, "net", batch=batch)
    one = only(run(request(workspace, "net", budgets_s=(1.0,), data="digits")))
    digits = data.load("digits", exported.SPACE.resolution)
    session = onnxruntime.InferenceSession(
        emit_network(
            exported.SPACE, exported.options(0), DEFAULT_FORM, len(digits.val)
        ).SerializeToString(),
        providers=["CPUExecutionProvider"],
    )
    preprocessing = models.read_export_file(path).model.preprocessing
    images = to_array(digits.val, range(len(digits.val)), preprocessing)
    (logits,) = session.run(None, {session.get_inputs()[0].name: images})
    expected = (logits.argmax(axis=1) == digits.val.labels).mean()
    assert one.accuracy == pytest.approx(expected, abs=1.5 / len(digits.val))


def test_other_classes_than_the_networks_are_refused(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    exported.put(workspace, "net")
    digits = data.load("digits", exported.SPACE.resolution)
    other = replace(digits, classes=("zero", *digits.classes[1:]))
    monkeypatch.setattr(data, "load", lambda spec, resolution: other)
    with pytest.raises(BadInput, match="class 0 is '0' there and 'zero' in the data"):
        run(request(workspace, "net", budgets_s=(1.0,), data="digits"))


def test_the_real_runtime_gives_a_verdict_without_torch(workspace: Workspace) -> None:
    """A fresh process: nothing that `validate` needs may import torch."""
    pytest.importorskip("onnxruntime")
    exported.put(workspace, "net")
    code = """
import json, sys
from pathlib import Path
from sgnas_deploy.pipeline import devices, doctor, validate
asked = validate.ValidateRequest(
    workdir=Path(sys.argv[1]), models=("net",), budgets_s=(5.0,), data="digits"
)
result = validate.validate(asked, min_period_s=0)
doctor.doctor()
devices.list_devices()
assert "torch" not in sys.modules
print(result.model_dump_json())
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(workspace.root)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    one = only(ValidateResult.model_validate_json(done.stdout))
    assert one.verdict == "PASS"
    assert 0 < one.p50_s < 5
    assert one.environment["backend.runtime"] == "onnxruntime"
    assert one.accuracy is not None
