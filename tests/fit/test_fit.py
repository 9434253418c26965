"""`fit` over a workspace, on a fake device whose speed wanders."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sgnas_deploy import architectures, files, tables
from sgnas_deploy.emitter import emit_network
from sgnas_deploy.errors import BadInput, EnvironmentProblem, TooNoisy
from sgnas_deploy.fitting import artefact
from sgnas_deploy.pipeline.fit import FitRequest, FitResult, Fitted, fit
from sgnas_deploy.pipeline.validate import ValidateRequest, VerdictReport, validate
from sgnas_deploy.spaces import load
from sgnas_deploy.tables.measuring import network_model
from sgnas_deploy.verdict import sittings
from sgnas_deploy.workspace import Workspace
from tests.fakes.device import Disturbance, FakeDevice
from tests.fakes.reporters import Listener
from tests.fit.conftest import device
from tests.fit.wandering import WanderingDevice

SPACE = load("tiny")
LATER = 0.06


def run(
    workspace: Workspace,
    transport: WanderingDevice | FakeDevice | None = None,
    listener: Listener | None = None,
    **fields: Any,
) -> FitResult:
    fields = {"scores": "macs", **fields}
    return fit(
        FitRequest(workdir=workspace.root, **fields),
        listener or Listener(),
        transport=transport or device(),
    )


def truth_s(one: Fitted) -> float:
    """What the network takes by the device's law, undisturbed."""
    assert one.artefact is not None
    return FakeDevice().true_s(one.artefact.read_bytes())


@pytest.fixture(scope="session")
def fitted(profiled: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, FitResult]:
    """Four budgets, once for all tests that only look."""
    workspace = Workspace(tmp_path_factory.mktemp("fitted"))
    for path in (profiled / "luts").glob("*.json"):
        files.write_bytes(workspace.luts / path.name, path.read_bytes())
    return workspace, run(workspace, count=4)


def test_every_budget_is_kept_and_used(fitted: tuple[Workspace, FitResult]) -> None:
    _, result = fitted
    assert result.verdict == "PASS"
    for one in result.budgets:
        assert one.verdict == "PASS"
        assert one.reason == ""
        assert one.measured_s is not None
        assert one.unused is not None
        assert one.measured_s < one.budget_s
        assert 0.005 < one.unused < 0.05
        assert one.launches >= 8
        assert one.runs == 40 * one.launches
        assert one.table_s is not None
        assert one.correction == pytest.approx(one.measured_s / one.table_s)
    assert result.unused is not None
    assert result.unused < 0.035


def test_the_networks_are_what_was_measured(fitted: tuple[Workspace, FitResult]) -> None:
    workspace, result = fitted
    table = tables.read(result.table)
    for one in result.budgets:
        assert one.path is not None
        assert one.artefact is not None
        found = architectures.read(one.path)
        model = emit_network(SPACE, found.options, table.form, table.batch).SerializeToString()
        assert one.artefact.read_bytes() == model
        described = artefact.read(one.artefact)
        assert described.weights == "arbitrary"
        assert described.architecture == found
        assert found.budgeted is not None
        assert found.budgeted.measured_s == one.measured_s
        assert found.budgeted.predicted_s <= one.budget_s * (1 - found.budgeted.margin) * 1.0001
        assert found.budgeted.table_sha256 == tables.sha256(result.table)
        assert one.p50_s == pytest.approx(truth_s(one), rel=0.05)
    assert workspace.last("generate") == tuple(one.name for one in result.budgets)


def test_the_result_stands_in_the_workspace(fitted: tuple[Workspace, FitResult]) -> None:
    workspace, result = fitted
    text = (workspace.reports / "fit.json").read_text()
    assert FitResult.model_validate_json(text) == result
    (sitting,) = sittings.read(workspace)
    assert sitting.latency_s == {
        one.artefact_sha256: one.measured_s for one in result.budgets if one.artefact_sha256
    }
    assert not list((workspace.root / "fit").glob("*.journal.jsonl"))


def test_corrections_bring_the_predictions_nearer(workspace: Workspace) -> None:
    """The machine is 12 % slower than when the table was measured, small networks still more."""
    listener = Listener()
    slow = device(jump=0.12, unequal=0.0, wander=0.0)
    result = run(workspace, slow, listener, budgets_s=(0.3e-3, 0.5e-3, 0.7e-3))
    assert result.verdict == "PASS"
    for one in result.budgets:
        assert one.correction is not None
        assert one.unused is not None
        assert 1.08 < one.correction < 1.18
        assert one.unused < 0.05
        assert math.exp(0.12) * truth_s(one) < one.budget_s
    # The range was measured first, so not even the first round is off by the 12 %.
    assert max(result.round_errors) < 0.05
    assert any(
        note.startswith("round 1: 3 networks, predictions off by") for note in listener.notes
    )


def test_a_later_validate_passes(workspace: Workspace) -> None:
    transport = device(seed=3)
    result = run(workspace, transport, count=3)
    transport.device.time_s += 600
    again = validate(
        ValidateRequest(
            workdir=workspace.root, models=tuple(str(one.artefact) for one in result.budgets)
        ),
        transport=transport,
        clock=lambda: transport.device.time_s,
    )
    assert again.verdict == "PASS"
    for one, before in zip(again.networks, result.budgets, strict=True):
        assert before.artefact is not None
        assert one.name == f"{before.artefact.stem}.fit"
        assert one.weights == "arbitrary"
        assert one.parity_max_abs is None
        assert "arbitrary weights (latency only)" in one.line
        assert one.predicted_s == before.measured_s
        report = VerdictReport.model_validate_json(one.report.read_text())
        assert isinstance(report.export, artefact.UntrainedFile)
    first, second = sittings.read(workspace)
    assert set(first.latency_s) == set(second.latency_s)
    (shift,) = sittings.shifts((first, second), first.where, 50.0)
    assert 0 < shift < 0.05


def test_a_fail_for_the_machine_s_sake_says_so(workspace: Workspace) -> None:
    transport = device(seed=3)
    (one,) = run(workspace, transport, count=1).budgets
    transport.device.time_s += 600
    transport.jump = 0.06  # another hour, another speed
    listener = Listener()
    again = validate(
        ValidateRequest(workdir=workspace.root, models=(str(one.artefact),)),
        listener,
        transport=transport,
        clock=lambda: transport.device.time_s,
    )
    assert again.verdict == "FAIL"
    report = VerdictReport.model_validate_json(again.networks[0].report.read_text())
    (warning,) = [text for text in report.warnings if "the same file took" in text]
    assert warning.endswith("the machine is slower than it was then")
    assert any(warning in text for text in listener.warnings)


def test_accuracy_of_arbitrary_weights_is_refused(fitted: tuple[Workspace, FitResult]) -> None:
    workspace, result = fitted
    request = ValidateRequest(
        workdir=workspace.root, models=(str(result.budgets[0].artefact),), data="digits"
    )
    with pytest.raises(BadInput, match="arbitrary weights: there is no accuracy"):
        validate(request, transport=device())


def test_a_changed_artefact_is_refused(workspace: Workspace) -> None:
    result = run(workspace, budgets_s=(0.5e-3,))
    path = result.budgets[0].artefact
    assert path is not None
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(BadInput, match="not the file"):
        validate(ValidateRequest(workdir=workspace.root, models=(str(path),)))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_nothing_slower_than_its_budget_is_called_pass(workspace: Workspace, seed: int) -> None:
    """Processes differ so much, and so little is kept free, that choices are often wrong."""
    rough = WanderingDevice(
        FakeDevice(disturbance=Disturbance(sigma=0.02, process_sigma=0.02), seed=seed), own=0.01
    )
    result = run(workspace, rough, count=4, margin=0.0, rounds=1)
    for one in result.budgets:
        if one.verdict == "PASS":
            feels = rough.own_factor(one.artefact.read_bytes()) if one.artefact else 1.0
            assert truth_s(one) * feels < 1.003 * one.budget_s


def test_a_budget_below_the_range_is_a_clear_no(workspace: Workspace) -> None:
    result = run(workspace, budgets_s=(0.05e-3, 0.5e-3))
    no, yes = result.budgets
    assert result.verdict == "FAIL"
    assert (no.verdict, no.name, no.path) == ("FAIL", None, None)
    assert "no network of tiny is that fast" in no.reason
    assert yes.verdict == "PASS"
    assert workspace.last("generate") == (yes.name,)


@dataclass
class _SlowerLater(WanderingDevice):
    """The fastest network's first launches are lucky ones; all others take `LATER` more."""

    fastest_s: float = 0.0
    left: int = 4

    def speed(self, model: bytes) -> float:
        later = 0.0
        if self.device.true_s(model) <= 1.001 * self.fastest_s:
            self.left -= 1
            later = LATER if self.left < 0 else 0.0
        return super().speed(model) * math.exp(later)


def lucky(workspace: Workspace) -> _SlowerLater:
    costs = tables.predictor(tables.read(workspace.find_table(None))).option_costs
    fastest = tuple(int(np.argmin(one)) for one in costs)
    fake = FakeDevice(disturbance=Disturbance(sigma=0.02), seed=2)
    return _SlowerLater(fake, fastest_s=fake.true_s(network_model(SPACE, fastest, "concat", 1)))


def test_the_lowest_budget_of_a_range_follows_the_fastest_network(workspace: Workspace) -> None:
    """A budget placed by the lucky launches would be a FAIL."""
    transport = lucky(workspace)
    lowest = run(workspace, transport, count=3).budgets[0]
    assert lowest.verdict == "PASS"
    slower_s = math.exp(LATER) * transport.fastest_s
    assert 1.02 * slower_s < lowest.budget_s < 1.06 * slower_s
    assert lowest.unused is not None
    assert 0.01 < lowest.unused < 0.05


def test_a_lowest_budget_that_was_asked_for_stays(workspace: Workspace) -> None:
    transport = lucky(workspace)
    asked_s = 1.03 * transport.fastest_s
    (one,) = run(workspace, transport, budgets_s=(asked_s,)).budgets
    assert (one.budget_s, one.verdict) == (asked_s, "FAIL")


def test_a_budget_above_the_range_gets_the_largest_network(workspace: Workspace) -> None:
    (one,) = run(workspace, budgets_s=(0.1,)).budgets
    assert one.verdict == "PASS"
    assert "the largest network needs no more" in one.reason
    assert one.macs is not None
    table = tables.predictor(tables.read(workspace.find_table(None)))
    largest = tuple(int(np.argmax(costs)) for costs in table.option_costs)
    assert one.macs >= 0.95 * architectures.Architecture(SPACE.id, largest).macs


def test_a_hopeless_machine_is_too_noisy(workspace: Workspace) -> None:
    wild = FakeDevice(disturbance=Disturbance(sigma=0.05, process_sigma=0.4))
    with pytest.raises(TooNoisy, match="launches of the same network differ by"):
        run(workspace, wild, count=3)
    # What was measured is kept for the same command.
    assert list((workspace.root / "fit").glob("*.journal.jsonl"))
    assert not (workspace.reports / "fit.json").exists()


class PowerCut(Exception):
    pass


def cut_after(number: int) -> Callable[[], None]:
    left = iter(range(number))

    def check() -> None:
        if next(left, None) is None:
            raise PowerCut

    return check


@pytest.mark.parametrize("launches", [1, 90])
def test_it_goes_on_where_it_was_stopped(workspace: Workspace, launches: int) -> None:
    transport = device(wander=0.0)
    transport.device.before_result = cut_after(launches)
    with pytest.raises(PowerCut):
        run(workspace, transport, count=3)
    (journal,) = (workspace.root / "fit").glob("*.journal.jsonl")
    assert len(journal.read_text().splitlines()) == 1 + launches
    transport.device.before_result = lambda: None
    listener = Listener()
    measured = transport.device.processes
    result = run(workspace, transport, listener, count=3)
    assert f"going on with {launches} launches made" in listener.notes
    # The first process of a run only introduces itself if its launch was made before.
    assert result.launches == transport.device.processes - measured + launches
    assert result.verdict == "PASS"


def test_another_question_leaves_the_journal_of_the_first(workspace: Workspace) -> None:
    transport = device()
    transport.device.before_result = cut_after(5)
    with pytest.raises(PowerCut):
        run(workspace, transport, count=3)
    transport.device.before_result = lambda: None
    listener = Listener()
    run(workspace, transport, listener, budgets_s=(0.5e-3,))
    assert not any("going on" in note for note in listener.notes)
    assert len(list((workspace.root / "fit").glob("*.journal.jsonl"))) == 1


def test_a_device_that_changes_ends_the_run(workspace: Workspace) -> None:
    inner = FakeDevice()
    left = cut_after(30)

    def change() -> None:
        try:
            left()
        except PowerCut:
            inner.machine = {"cpu": "another", "kernel": "1"}

    inner.before_result = change
    with pytest.raises(EnvironmentProblem, match="environment changed while it was measured"):
        run(workspace, inner, count=3)


def test_another_machine_than_the_table_s_is_said(workspace: Workspace) -> None:
    listener = Listener()
    other = FakeDevice(machine={"cpu": "other", "kernel": "1"})
    run(workspace, other, listener, budgets_s=(0.5e-3,))
    assert any("the table was measured otherwise: cpu was fake" in w for w in listener.warnings)


def test_settings_are_the_table_s(workspace: Workspace) -> None:
    result = run(workspace, budgets_s=(0.5e-3,))
    assert (result.threads, result.batch, result.precision) == (1, 1, "fp32")
    assert result.environment["backend.threads"] == "1"
    assert result.environment["backend.backend"] == "onnxruntime"


def test_the_head_room_may_be_given(workspace: Workspace) -> None:
    (one,) = run(workspace, budgets_s=(0.5e-3,), margin=0.04).budgets
    assert one.unused is not None
    assert 0.02 < one.unused < 0.06


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "either latency budgets, or a count"),
        ({"count": 3, "budgets_s": (0.01,)}, "either latency budgets, or a count"),
        ({"budgets_s": (-1.0,)}, "is not possible"),
        ({"budgets_s": (math.nan,)}, "is not possible"),
        ({"count": 1000}, "take too long"),
        ({"count": 3, "rounds": 0}, "0 rounds"),
        ({"count": 3, "confidence": 1.0}, "confidence"),
        ({"count": 3, "percentile": 100.0}, "percentile"),
        ({"count": 3, "margin": 1.0}, "margin"),
        ({"count": 3, "max_seconds": 0.0}, "time limit"),
        ({"count": 3, "device": "nothing"}, "nothing"),
        ({"count": 3, "host": "me@there"}, "not on another host"),
        ({"count": 3, "lut": "nothing"}, "there is no table"),
    ],
)
def test_bad_input(workspace: Workspace, fields: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        run(workspace, **fields)
    assert not (workspace.root / "fit").exists()


def test_a_generator_that_is_not_there(workspace: Workspace) -> None:
    with pytest.raises(BadInput, match="generator"):
        run(workspace, count=3, scores="generator")


def test_scores_of_a_trained_generator(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch = pytest.importorskip("torch")
    from sgnas_deploy import data
    from sgnas_deploy.pipeline.train_generator import train_generator
    from tests.generator import trained

    monkeypatch.setattr(data, "load", lambda spec, resolution: trained.small_data())
    trained.write_supernet(workspace)
    train_generator(trained.request(workspace, epochs=1, budgets=2), Listener())
    torch.set_flush_denormal(False)
    result = run(workspace, budgets_s=(0.4e-3, 0.6e-3), scores="generator")
    assert result.verdict == "PASS"
    for one in result.budgets:
        assert one.path is not None
        assert one.unused is not None
        assert one.unused < 0.05
        assert one.supernet_accuracy is not None
        budgeted = architectures.read(one.path).budgeted
        assert budgeted is not None
        assert budgeted.generator_sha256 is not None


def test_a_broken_record_of_sittings_harms_nothing(workspace: Workspace) -> None:
    files.write_text(workspace.root / "sittings.json", json.dumps({"kind": "other"}))
    assert run(workspace, budgets_s=(0.5e-3,)).verdict == "PASS"
    assert len(sittings.read(workspace)) == 1
