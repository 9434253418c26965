"""`sgnas export --format tensorrt`, with engines that are really built by TensorRT for RTX."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from sgnas_cli.main import run as sgnas
from sgnas_deploy import models, targets
from sgnas_deploy.errors import BadInput, ClearNo, EnvironmentProblem, SgnasError
from sgnas_deploy.events import Event, NullReporter, StageAdvanced, StageStarted
from sgnas_deploy.export import onnx as onnx_format
from sgnas_deploy.pipeline.export import ExportRequest, ExportResult
from sgnas_deploy.pipeline.export import export as run_export
from sgnas_deploy.workspace import Workspace
from sgnas_profilers.backends import Option, RunOptions
from sgnas_profilers.backends.tensorrt import TensorRtBackend
from sgnas_profilers.transports import Built, Hello, OnProgress
from sgnas_profilers.trt import plans
from sgnas_profilers.trt.load import Runtime
from tests.fakes.halves import beyond_half
from tests.fakes.reporters import Listener
from tests.tensorrt import fake_trtexec
from tests.tensorrt.fake_trt import FakeTrt

pytest.importorskip("torch")
pytest.importorskip("onnxruntime")
safetensors_torch = pytest.importorskip("safetensors.torch")

from tests.tensorrt import trained  # noqa: E402


@pytest.fixture(scope="module")
def weights() -> bytes:
    return trained.weights()


@pytest.fixture
def workspace(tmp_path: Path, weights: bytes) -> Workspace:
    found = Workspace(tmp_path / "work")
    trained.put(found, weights)
    return found


def export(workspace: Workspace, listener: Listener | None = None, **flags: object) -> ExportResult:
    request = ExportRequest(workdir=workspace.root, format="tensorrt", **flags)  # type: ignore[arg-type]
    return run_export(request, listener or NullReporter())


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_an_engine_in_each_precision_and_its_manifest(
    rtx: Runtime, workspace: Workspace, precision: str
) -> None:
    pytest.importorskip("sklearn")
    listener = Listener()
    result = export(
        workspace,
        listener,
        flavour="rtx",
        precision=precision,
        calibration="digits",
        max_drop=1.0,
    )
    (one,) = result.files
    assert one.path.name == "net.plan"
    manifest = models.read_export_file(one.path)
    plan = one.path.read_bytes()
    facts = manifest.runtime
    assert manifest.format == "tensorrt"
    assert manifest.precision == facts["precision"] == precision
    share = facts["precision_audit"].split(" of ")[0]
    assert f" {precision}" in f" {share}"
    assert facts["flavour"] == "rtx"
    assert facts["version"] == rtx.version
    assert facts["plan_sha256"] == manifest.artefact_sha256 == hashlib.sha256(plan).hexdigest()
    assert facts["onnx_sha256"] == manifest.source_sha256
    assert facts["built_on"] == "this machine"
    here = {"flavour": "rtx", "version": rtx.version, "platform": facts["platform"]}
    plans.check(plan, facts, here)
    if not Path("/dev/nvidiactl").exists():
        assert manifest.checks is not None
        assert manifest.checks.of == "source"
    warned = listener.warnings
    assert any("not yet run on hardware" in text for text in warned)
    assert facts["engine_audit"].startswith("not made")
    (found,) = (text for text in warned if "asked for was" in text)
    assert f"asked for was {precision}: the network has {facts['precision_audit']}" in found
    assert facts["engine_audit"] in found
    assert any("the engine cannot run on this machine" in text for text in warned)
    started = [event for event in listener.events if isinstance(event, StageStarted)]
    assert ("building net", 100) in [(event.name, event.total) for event in started]
    told = [event for event in listener.events if isinstance(event, StageAdvanced)]
    assert max(event.done for event in told if event.name == "building net") == 100


def test_only_what_the_exporter_has_kept_may_be_in_single_precision(
    rtx: Runtime, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = workspace.models / "net.safetensors"
    state = safetensors_torch.load_file(path)
    beyond_half(state)
    trained.put(workspace, bytes(safetensors_torch.save(state)))
    export(workspace, flavour="rtx", precision="fp16")
    facts = models.read_export_file(workspace.models / "net.plan").runtime
    assert ", 2 fp32 of " in facts["precision_audit"]
    (workspace.models / "net.plan").unlink()

    build = onnx_format.build
    monkeypatch.setattr(onnx_format, "build", lambda job: replace(build(job), kept=()))
    with pytest.raises(BadInput, match=r"nobody has kept 'stem\.project' in fp32"):
        export(workspace, flavour="rtx", precision="fp16")
    assert not (workspace.models / "net.plan").exists()


def test_the_same_network_gives_the_same_engine(rtx: Runtime, workspace: Workspace) -> None:
    first, second = (export(workspace, flavour="rtx").files[0].sha256 for _ in range(2))
    assert first == second


def test_from_the_command_line(
    rtx: Runtime, workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["export", "--format", "tensorrt", "--flavour", "rtx", "--json"]
    more = ["--compute-capability", "8.6", "--workspace-mib", "512"]
    assert sgnas([*words, *more, "--workdir", str(workspace.root)]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["format"] == "tensorrt"
    facts = models.read_export_file(workspace.models / "net.plan").runtime
    assert facts["compute_capability"] == "8.6"
    assert facts["workspace_bytes"] == str(512 << 20)


def test_a_dynamic_batch(rtx: Runtime, workspace: Workspace) -> None:
    export(workspace, flavour="rtx", batch="dynamic")
    facts = models.read_export_file(workspace.models / "net.plan").runtime
    assert facts["inputs"] == "images:FLOAT:-1x3x16x16"
    assert facts["batch"] == "1,1,32"


def test_ctrl_c_leaves_nothing(rtx: Runtime, workspace: Workspace) -> None:
    class Impatient(Listener):
        def event(self, event: Event) -> None:
            if isinstance(event, StageAdvanced) and event.name == "building net":
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export(workspace, Impatient(), flavour="rtx")
    assert not list(workspace.models.glob("*.plan*"))


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"optimisation_level": 5}, "TensorRT for RTX ignores it"),
        ({"hardware_compatibility": "ampere_plus"}, "TensorRT for RTX ignores it"),
        ({"compute_capabilities": ("8.7",)}, r"no compute capability '8\.7'"),
        ({"host": "me@board"}, "does not say what device"),
        ({"device": "cpu"}, "builds no engines"),
        ({"device": "jetson"}, "this machine is no Jetson"),
    ],
)
def test_what_cannot_be_built_writes_nothing(
    rtx: Runtime, workspace: Workspace, flags: dict[str, object], message: str
) -> None:
    with pytest.raises(SgnasError, match=message):
        export(workspace, None, flavour="rtx", **flags)
    assert not list(workspace.models.glob("*.plan*"))


@pytest.mark.parametrize(
    ("flags", "flag"),
    [
        ({"flavour": "rtx"}, "--flavour"),
        ({"device": "gpu"}, "--device"),
        ({"compute_capabilities": ("8.6",)}, "--compute-capability"),
    ],
)
def test_other_formats_refuse_what_is_for_engines(
    workspace: Workspace, flags: dict[str, object], flag: str
) -> None:
    request = ExportRequest(workdir=workspace.root, **flags)  # type: ignore[arg-type]
    with pytest.raises(BadInput, match=f"{flag} is for engines, the format onnx has none"):
        run_export(request, NullReporter())


class FakeAgent:
    """An agent on a Jetson, by the real backend over a fake GPU."""

    hello = Hello(2, "0", {"model": "Orin", "power_mode": "MAXN", "python": "3.10"}, {})

    def __init__(self, trt: FakeTrt) -> None:
        self._backend = TensorRtBackend("auto", lambda: trt.gpu, trt.runtime)

    def build(
        self, model: bytes, options: Mapping[str, Option], on_progress: OnProgress = None
    ) -> Built:
        assert on_progress is not None
        assert json.loads(json.dumps(options)) == options, "it must travel as JSON"
        return Built(*self._backend.build(model, options, on_progress))


class Way:
    """A transport to it."""

    name = "ssh"

    def __init__(self, trt: FakeTrt) -> None:
        self._trt = trt
        self.started: list[tuple[str, RunOptions]] = []

    @contextmanager
    def start(self, backend: str, options: RunOptions) -> Iterator[FakeAgent]:
        self.started.append((backend, options))
        yield FakeAgent(self._trt)


def test_an_engine_of_a_device_is_built_there_and_comes_back(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    way = Way(FakeTrt())
    monkeypatch.setattr(targets, "transport", lambda target: way)
    listener = Listener()
    export(
        workspace,
        listener,
        device="jetson",
        host="me@board",
        precision="fp32",
        optimisation_level=4,
    )
    assert way.started == [("tensorrt", RunOptions(1))]
    manifest = models.read_export_file(workspace.models / "net.plan")
    facts = manifest.runtime
    assert facts["flavour"] == "tensorrt"
    assert facts["compute_capability"] == "8.7"
    assert facts["built_on"] == "jetson"
    assert facts["device_model"] == "Orin"
    assert facts["device_power_mode"] == "MAXN"
    assert facts["optimisation_level"] == "4"
    warned = listener.warnings
    assert any(f"by its inspector: {facts['engine_audit']}" in text for text in warned)
    assert " fp32 of " in facts["engine_audit"]
    assert manifest.checks is not None
    assert manifest.checks.of == "source"


def test_the_engine_itself_is_compared_where_its_gpu_is(
    workspace: Workspace, here: FakeTrt
) -> None:
    """The fake engine answers nothing but zeros: that is seen, and nothing is written."""
    with pytest.raises(ClearNo, match="exported net differs from the PyTorch network"):
        export(workspace, precision="fp32")
    here.room = False
    with pytest.raises(EnvironmentProblem, match="too little memory"):
        export(workspace, precision="fp32")
    assert not list(workspace.models.glob("*.plan*"))


def test_from_a_registered_board_to_a_verdict(
    workspace: Workspace,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The real agent and protocol, and a trtexec that only prints: 1.0 to 1.12 ms a run."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("SGNAS_TRTEXEC", str(fake_trtexec.install(tmp_path)))
    where = ["--workdir", str(workspace.root), "--json"]
    assert sgnas(["devices", "add", "board", "--backend", "trtexec", "--json"]) == 0
    wanted = ["--device", "board", "--precision", "fp32", "--optimisation-level", "2"]
    assert sgnas(["export", "--format", "tensorrt", *wanted, *where]) == 0
    facts = models.read_export_file(workspace.models / "net.plan").runtime
    assert facts["built_on"] == "board"
    assert facts["version"] == "10.3.0"
    capsys.readouterr()

    measured = ["validate", "net.plan", "--device", "board", "--max-seconds", "1", *where]
    assert sgnas([*measured, "--latency-ms", "0.9"]) in (1, 3), "as far as it came in a second"
    shown = json.loads(capsys.readouterr().out)
    assert shown["networks"][0]["verdict"] in ("FAIL", "UNDECIDED")
    assert shown["networks"][0]["p50_s"] == pytest.approx(1.06e-3, rel=0.05)

    monkeypatch.setenv("FAKE_TRTEXEC_VERSION", "110401")
    assert sgnas([*measured, "--latency-ms", "2"]) == 2
    told = capsys.readouterr().err
    assert "the engine is for TensorRT version 10.3.0, this device has 11.4.1" in told


@pytest.mark.parametrize("where", ["this machine", "a device"])
def test_an_fp32_engine_for_an_fp16_request_is_refused_wherever_it_is_built(
    workspace: Workspace, here: FakeTrt, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    monkeypatch.setattr(targets, "transport", lambda target: Way(here))
    flags: dict[str, object] = {}
    if where == "a device":
        flags = {"device": "jetson", "host": "me@board"}
    here.inspected = "FP32"
    with pytest.raises(BadInput, match=r"fp16 was asked for.*by its inspector.* \d+ fp32 of") as no:
        export(workspace, None, precision="fp16", **flags)
    assert no.value.exit_code == 2
    assert here.builds == 1
    assert not list(workspace.models.glob("*.plan*"))
