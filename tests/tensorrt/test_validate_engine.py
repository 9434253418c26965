"""`sgnas validate` on an engine: on the device that it is for, and refused elsewhere."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from sgnas_deploy import files, models
from sgnas_deploy.errors import BadInput
from sgnas_deploy.events import NullReporter
from sgnas_deploy.pipeline.validate import ValidateRequest, validate
from sgnas_deploy.verdict.jobs import jobs_of
from sgnas_deploy.workspace import Workspace
from sgnas_profilers.backends import RunOptions
from sgnas_profilers.backends.tensorrt import TensorRtBackend
from sgnas_profilers.timing import MonotonicClock, TimingPlan, measure
from sgnas_profilers.transports import Hello, Measurement
from tests.tensorrt import trt_models
from tests.tensorrt.fake_cuda import RUN_S, FakeCuda
from tests.tensorrt.fake_trt import FakeTrt
from tests.tensorrt.leftovers import FRESH, STALE, Beside
from tests.verdict import exported


@dataclass
class Board:
    """A transport and its agent: the real backend, a fake GPU."""

    version: str = "10.3.0.26"
    name: str = "ssh"
    opened: list[RunOptions] = field(default_factory=list)

    def __post_init__(self) -> None:
        gpu = FakeCuda()
        self.trt = FakeTrt(gpu)
        self.trt.__version__ = self.version
        self.backend = TensorRtBackend("auto", lambda: gpu, self.trt.runtime)

    def start(self, backend: str, options: RunOptions) -> Board:
        assert backend == "tensorrt"
        self.options = options
        self.hello = Hello(2, "0", {"model": "Orin"}, self.backend.describe(options))
        return self

    def __enter__(self) -> Board:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def measure(self, model: bytes, plan: TimingPlan) -> Measurement:
        self.opened.append(self.options)
        session = self.backend.open(model, self.options)
        quick = TimingPlan(1, 0, 0, plan.samples)
        timing = measure(session, quick, MonotonicClock())
        session.close()
        return Measurement(timing, {}, 1 << 20)


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return Workspace(tmp_path / "work")


SOURCE = trt_models.network()


def put(workspace: Workspace, board: Board, batch: models.Batch = 1) -> Path:
    """An engine that was built on the board, as `sgnas export` leaves it."""
    plan, facts = board.backend.build(SOURCE, {}, lambda *_: None)
    source = exported.put(workspace, "source")
    found = models.read_export_file(source)
    path = workspace.models / "net.plan"
    files.write_bytes(path, plan)
    description = found.model_copy(
        update={
            "name": "net",
            "format": "tensorrt",
            "batch": batch,
            "artefact_sha256": hashlib.sha256(plan).hexdigest(),
            "artefact_bytes": len(plan),
            "source_sha256": hashlib.sha256(SOURCE).hexdigest(),
            "runtime": {**facts, "built_on": "shelf"},
        }
    )
    files.write_model(models.sidecar(path), description)
    return path


def request(workspace: Workspace, path: Path, **fields: object) -> ValidateRequest:
    return ValidateRequest(
        workdir=workspace.root,
        models=(str(path),),
        budgets_s=(2 * RUN_S,),
        max_seconds=60.0,
        **fields,  # type: ignore[arg-type]
    )


def test_an_engine_is_judged_as_a_plan_on_its_device(workspace: Workspace) -> None:
    board = Board()
    path = put(workspace, board)
    builds = board.trt.builds
    result = validate(request(workspace, path), transport=board, min_period_s=0)  # type: ignore[arg-type]
    (one,) = result.networks
    assert one.verdict == "PASS"
    assert one.p50_s == pytest.approx(RUN_S)
    assert set(board.opened) == {RunOptions(1, "plan")}
    assert board.trt.builds == builds


def test_a_foreign_engine_is_refused_before_it_is_sent(workspace: Workspace) -> None:
    path = put(workspace, Board())
    elsewhere = Board(version="10.7.0.23")
    with pytest.raises(BadInput, match=r"version 10\.3\.0\.26, this device has 10\.7\.0") as no:
        validate(request(workspace, path), transport=elsewhere)  # type: ignore[arg-type]
    assert no.value.cure is not None
    assert "sgnas export --format tensorrt --device shelf" in no.value.cure
    assert not elsewhere.opened


def test_a_dynamic_engine_and_its_accuracy_are_refused(workspace: Workspace) -> None:
    board = Board()
    with pytest.raises(BadInput, match="dynamic batch"):
        validate(request(workspace, put(workspace, board, "dynamic")))
    with pytest.raises(BadInput, match="its accuracy is not measured"):
        validate(request(workspace, put(workspace, board), data="digits"))


@pytest.mark.parametrize("beside", STALE.values(), ids=STALE)
def test_a_stale_engine_is_refused_before_the_device_is_asked(
    workspace: Workspace, beside: Beside
) -> None:
    board = Board()
    path = put(workspace, board)
    beside.put(path, SOURCE)
    with pytest.raises(BadInput, match=beside.refusal) as no:
        validate(request(workspace, path), transport=board)  # type: ignore[arg-type]
    assert no.value.cure is not None
    assert "export --format tensorrt --device shelf --precision fp32 net" in no.value.cure
    assert not hasattr(board, "hello"), "started"


@pytest.mark.parametrize("beside", FRESH.values(), ids=FRESH)
def test_an_engine_of_what_lies_beside_it_is_judged(workspace: Workspace, beside: Beside) -> None:
    board = Board()
    path = put(workspace, board)
    beside.put(path, SOURCE)
    result = validate(request(workspace, path), transport=board, min_period_s=0)  # type: ignore[arg-type]
    assert result.verdict == "PASS"


def test_a_name_of_two_formats_is_asked_about(workspace: Workspace) -> None:
    path = put(workspace, Board())
    Beside(onnx="").put(path, SOURCE)
    with pytest.raises(BadInput, match=r"in several formats: net\.onnx, net\.plan"):
        validate(request(workspace, Path("net")))


@pytest.mark.parametrize(("noted", "format"), [("net", "onnx"), ("net.plan", "tensorrt")])
def test_without_names_it_is_what_export_made_last(
    workspace: Workspace, noted: str, format: str
) -> None:
    """No name is ambiguous then: `export` notes the ONNX file as `net`, an engine in full."""
    path = put(workspace, Board())
    Beside(onnx="").put(path, SOURCE)
    workspace.remember("export", [noted])
    asked = replace(request(workspace, path), models=())
    (job,) = jobs_of(asked, workspace, NullReporter())
    assert job.export.format == format
