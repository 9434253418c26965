"""`sgnas export` as a function: what it writes, and what it refuses."""

from __future__ import annotations

import functools
import hashlib
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from sgnas_deploy import architectures, emitter, export, files, models, spaces, tables
from sgnas_deploy import data as images
from sgnas_deploy.architectures import Architecture, Budgeted
from sgnas_deploy.blocks import macs
from sgnas_deploy.data import DataSet, Preprocessing
from sgnas_deploy.emitter.weights import Array
from sgnas_deploy.errors import BadInput, ClearNo, EnvironmentProblem, SgnasError
from sgnas_deploy.events import NullReporter
from sgnas_deploy.export import onnx as onnx_format_file
from sgnas_deploy.pipeline.export import ExportRequest, ExportResult
from sgnas_deploy.pipeline.export import export as run_export
from sgnas_deploy.tables.format import BlockEntry, LatencyTable, NetworkEntry, Plan, weight_bytes
from sgnas_deploy.workspace import Workspace
from tests.fakes.halves import beyond_half
from tests.fakes.reporters import Listener

torch = pytest.importorskip("torch")
ort = pytest.importorskip("onnxruntime")
safetensors_torch = pytest.importorskip("safetensors.torch")

from sgnas_deploy.networks.deployed import DeployedNetwork  # noqa: E402

SPACE = "tiny+r16"
OPTIONS = (5, 40, 0, 82, 17, 60)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "work")


@pytest.fixture(scope="module")
def digits() -> DataSet:
    pytest.importorskip("sklearn")
    return images.load("digits", 16)


def run(workspace: Workspace, **flags: object) -> ExportResult:
    request = ExportRequest(workdir=workspace.root, **flags)  # type: ignore[arg-type]
    return run_export(request, NullReporter())


def budgeted(table_sha256: str) -> Budgeted:
    return Budgeted(
        budget_s=0.001,
        percentile=50,
        predicted_s=0.0009,
        margin=0.03,
        scores="macs",
        score=1.0,
        table_sha256=table_sha256,
    )


@functools.cache
def weights() -> bytes:
    """A network's weights, with statistics from a few batches."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    network = DeployedNetwork(spaces.load(SPACE), OPTIONS).train()
    for _ in range(3):
        network(torch.randn(8, 3, 16, 16))
    state = network.state_dict()
    state["head.classifier.conv.bias"] += 1
    return bytes(safetensors_torch.save(state))


def trained(
    workspace: Workspace,
    name: str = "net",
    table_sha256: str | None = None,
    classes: int = 10,
    data: DataSet | None = None,
) -> Path:
    """A model as `retrain` leaves it."""
    path = workspace.models / f"{name}.safetensors"
    files.write_bytes(path, weights())
    found = architectures.describe(
        name,
        Architecture(SPACE, OPTIONS),
        budgeted(table_sha256) if table_sha256 else None,
    )
    describe(path, found, classes, data)
    return path


def describe(
    path: Path,
    found: architectures.ArchitectureFile,
    classes: int = 10,
    data: DataSet | None = None,
) -> None:
    model = models.ModelFile(
        name=path.stem,
        architecture=found,
        weights_sha256=files.sha256_of(path),
        classes=data.classes if data else tuple(f"é{i}" for i in range(classes)),
        preprocessing=Preprocessing(resolution=16, crop=1.0, mean=(0.5,) * 3, std=(0.2,) * 3),
        data="digits",
        data_fingerprint=data.fingerprint if data else "0" * 64,
        recipe={"epochs": 1},
        seed=0,
        accuracy=0.5,
        images=100,
    )
    files.write_model(path.with_suffix(".json"), model)


def rewrite(path: Path, state: dict[str, Any], data: DataSet | None) -> None:
    """Give a model other weights."""
    found = models.read_model_file(path).architecture
    path.write_bytes(safetensors_torch.save(state))
    describe(path, found, data=data)


def table(form: str, batch: int, precision: str = "fp32") -> LatencyTable:
    space = spaces.load(SPACE)
    blocks = {
        block.key: BlockEntry(
            samples_s=((1e-5, 1.1e-5),),
            inner_loops=(4,),
            warmup_runs=(8,),
            weight_bytes=weight_bytes(block, precision),
            macs=macs(block),
        )
        for block in spaces.all_blocks(space)
    }
    networks = tuple(
        NetworkEntry(options=(i,) * 6, samples_s=((1e-3, 1e-3),), warmup_runs=(20,))
        for i in range(4)
    )
    plan = Plan(warmup_runs=8, warmup_s=0.0, sample_s=0.0, samples=2)
    return LatencyTable.model_validate(
        {
            "space": SPACE,
            "device": "cpu",
            "backend": "onnxruntime",
            "precision": precision,
            "batch": batch,
            "threads": 1,
            "form": form,
            "quality": "quick",
            "seed": 0,
            "block_plan": plan,
            "network_plan": plan,
            "settings": {},
            "environment": {},
            "created": "2026-01-31T12:00:00Z",
            "command": "sgnas profile",
            "tool_version": "0",
            "blocks": blocks,
            "networks": networks,
        }
    )


def test_the_last_models_are_exported_with_all_they_need(workspace: Workspace) -> None:
    paths = [trained(workspace, "a"), trained(workspace, "b")]
    workspace.remember("retrain", ["a", "b"])
    result = run(workspace)
    assert (result.format, result.precision) == ("onnx", "fp32")
    assert [one.name for one in result.files] == ["a", "b"]
    assert workspace.last("export") == ("a", "b")
    assert workspace.find("export", ()) == tuple(one.path for one in result.files)
    for one, weights in zip(result.files, paths, strict=True):
        assert 0 < one.parity_max_abs < one.parity_limit / 10
        data = one.path.read_bytes()
        assert one.sha256 == hashlib.sha256(data).hexdigest()
        assert one.size_bytes == len(data)
        described = models.read_export_file(one.path)
        assert described.artefact_sha256 == one.sha256
        assert (described.form, described.batch, described.opset) == ("concat", 1, 17)
        assert described.model == models.read_model_file(weights)
        model = onnx.load_from_string(data)
        onnx.checker.check_model(model, full_check=True)
        metadata = {p.key: p.value for p in model.metadata_props}
        assert metadata["sgnas.space"] == SPACE
        assert tuple(json.loads(metadata["sgnas.options"])) == OPTIONS
        assert metadata["sgnas.architecture"] == Architecture(SPACE, OPTIONS).id
        assert json.loads(metadata["sgnas.classes"])[3] == "é3"
        assert metadata["sgnas.weights_sha256"] == files.sha256_of(weights)
        assert json.loads(metadata["sgnas.preprocessing"])["resolution"] == 16
        assert metadata["sgnas.form"] == "concat"


def test_the_exported_file_computes_the_trained_network(workspace: Workspace) -> None:
    path = trained(workspace)
    (one,) = run(workspace, models=(str(path),)).files
    network = DeployedNetwork(spaces.load(SPACE), OPTIONS)
    network.load_state_dict(safetensors_torch.load_file(path))
    images = torch.randn(1, 3, 16, 16)
    with torch.inference_mode():
        expected = network.eval()(images).numpy()
    session = ort.InferenceSession(one.path, providers=["CPUExecutionProvider"])
    (logits,) = session.run(None, {"images": images.numpy()})
    np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-5)


def test_the_same_model_gives_the_same_file(workspace: Workspace) -> None:
    trained(workspace)
    first = run(workspace, models=("net",)).files[0].sha256
    assert run(workspace, models=("net",)).files[0].sha256 == first


@pytest.mark.parametrize(("form", "batch"), [("sum", 1), ("padded", 3), ("split", 16)])
def test_form_and_batch_are_the_tables(workspace: Workspace, form: str, batch: int) -> None:
    sha256 = tables.write(workspace.luts / "t.json", table(form, batch))
    trained(workspace, table_sha256=sha256)
    (one,) = run(workspace, models=("net",)).files
    assert one.form == form
    assert models.read_export_file(one.path).batch == batch
    model = onnx.load(one.path)
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_value == batch


def refused(workspace: Workspace, kind: type[SgnasError], **flags: object) -> SgnasError:
    """Run, expect an error of that very kind, and that nothing was written."""
    before = sorted(workspace.root.rglob("*"))
    with pytest.raises(kind) as found:
        run(workspace, **flags)
    assert found.type is kind
    assert sorted(workspace.root.rglob("*")) == before
    assert not found.value.message.endswith(".")
    return found.value


def test_a_table_that_is_gone_is_named(workspace: Workspace) -> None:
    trained(workspace, table_sha256="ab" * 32)
    error = refused(workspace, BadInput, models=("net",))
    assert "latency table" in error.message
    assert "abababababab" in error.message
    assert error.cure is not None
    assert "copy it there" in error.cure


def test_nothing_to_export(workspace: Workspace) -> None:
    assert refused(workspace, BadInput).cure == "run first: sgnas retrain"
    assert "'other'" in refused(workspace, BadInput, models=("other",)).message


def test_an_unknown_format_or_precision_is_named(workspace: Workspace) -> None:
    trained(workspace)
    error = refused(workspace, BadInput, models=("net",), format="caffe")
    assert error.cure == "choose one of onnx, openvino, tensorrt"
    error = refused(workspace, BadInput, models=("net",), precision="fp8")
    assert error.cure == "choose one of fp32, fp16, int8"
    error = refused(workspace, BadInput, models=("net",), max_drop=1.5)
    assert "--max-drop" in error.message


def test_precision_is_the_tables(workspace: Workspace, digits: DataSet) -> None:
    sha256 = tables.write(workspace.luts / "t.json", table("concat", 1, "fp16"))
    trained(workspace, table_sha256=sha256, data=digits)
    assert run(workspace, models=("net",)).precision == "fp16"
    assert run(workspace, models=("net",), precision="fp32").precision == "fp32"


def test_weights_that_are_not_those_of_the_description(workspace: Workspace) -> None:
    path = trained(workspace)
    path.write_bytes(path.read_bytes()[:-100])
    error = refused(workspace, BadInput, models=("net",))
    assert "SHA-256 differs" in error.message


@pytest.mark.parametrize("damage", ["truncated", "garbage", "empty", "huge header"])
def test_a_damaged_file_is_named(workspace: Workspace, damage: str) -> None:
    path = trained(workspace)
    found = models.read_model_file(path).architecture
    whole = path.read_bytes()
    path.write_bytes(
        {
            "truncated": whole[:-100],
            "garbage": b"\x80\x04" + whole[2:],
            "empty": b"",
            "huge header": b"\xff" * 8 + whole[8:],
        }[damage]
    )
    describe(path, found)
    error = refused(workspace, BadInput, models=("net",))
    assert f"{path} is damaged" in error.message
    assert error.cure == "make it anew with: sgnas retrain"


def test_weights_of_another_architecture(workspace: Workspace) -> None:
    path = trained(workspace)
    for options, what in (
        ((6, *OPTIONS[1:]), "has shape|is missing|belongs to another"),
        ((5, 40, 0, 82, 17, 6), "has shape|is missing|belongs to another"),
    ):
        describe(path, architectures.describe("net", Architecture(SPACE, options)))
        error = refused(workspace, BadInput, models=("net",))
        assert "does not hold the weights of its architecture" in error.message
        assert any(word in error.message for word in what.split("|"))


def test_a_superfluous_tensor(workspace: Workspace) -> None:
    path = trained(workspace)
    found = models.read_model_file(path).architecture
    state = safetensors_torch.load_file(path)
    state["layers.9.project.conv.weight"] = torch.zeros(1)
    path.write_bytes(safetensors_torch.save(state))
    describe(path, found)
    error = refused(workspace, BadInput, models=("net",))
    assert "layers.9.project.conv.weight belongs to another network" in error.message


def test_a_description_of_other_data(workspace: Workspace) -> None:
    trained(workspace, classes=11)
    error = refused(workspace, BadInput, models=("net",))
    assert "11 classes" in error.message


def test_two_models_of_one_name(workspace: Workspace, tmp_path: Path) -> None:
    path = trained(workspace)
    other = trained(Workspace(tmp_path / "other"))
    error = refused(workspace, BadInput, models=(str(path), str(other)))
    assert "two of the models are called 'net'" in error.message


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 3e38])
def test_a_network_that_is_not_finite_is_a_clear_no(workspace: Workspace, value: float) -> None:
    path = trained(workspace)
    found = models.read_model_file(path).architecture
    state = safetensors_torch.load_file(path)
    state["layers.3.project.bn.weight"][:] = value
    state["layers.3.project.bn.running_var"][:] = 1e-6
    path.write_bytes(safetensors_torch.save(state))
    describe(path, found)
    refused(workspace, ClearNo, models=("net",))


def test_one_wrong_weight_is_a_clear_no_and_writes_nothing(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained(workspace, "a")
    trained(workspace, "b")
    original = emitter.emit_network

    def wrong(*args: object, **kwargs: object) -> onnx.ModelProto:
        model = original(*args, **kwargs)  # type: ignore[arg-type]
        if "b" in {p.value for p in model.metadata_props if p.key == "sgnas.name"}:
            (tensor,) = (t for t in model.graph.initializer if t.name == "stem.conv.weight")
            values = onnx.numpy_helper.to_array(tensor).copy()
            values[0, 0, 1, 1] += 1
            tensor.raw_data = values.tobytes()
        return model

    monkeypatch.setattr(emitter, "emit_network", wrong)
    error = refused(workspace, ClearNo, models=("a", "b"))
    assert "exported b differs" in error.message
    assert "limit" in error.message
    assert error.exit_code == 1


@pytest.mark.parametrize(("module", "extra"), [("onnxruntime", "cpu"), ("safetensors", "train")])
def test_a_missing_extra_is_named(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, module: str, extra: str
) -> None:
    trained(workspace)
    monkeypatch.setitem(sys.modules, module, None)
    error = refused(workspace, EnvironmentProblem, models=("net",))
    assert error.cure == f"pip install 'sgnas-deploy[{extra}]'"


def test_a_folder_that_cannot_be_written(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained(workspace)

    def full(self: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    error = refused(workspace, EnvironmentProblem, models=("net",))
    assert "No space left on device" in error.message


def test_formats_are_the_files_there_are() -> None:
    assert export.names() == ["onnx", "openvino", "tensorrt"]
    assert export.load("onnx").SUFFIX == ".onnx"
    assert export.load("openvino").SUFFIX == ".ov.onnx"


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_a_lower_precision_is_compared_on_held_out_images(
    workspace: Workspace, digits: DataSet, precision: str
) -> None:
    trained(workspace, data=digits)
    # A network that was hardly trained answers by a hair.
    (one,) = run(workspace, models=("net",), precision=precision, max_drop=0.2).files
    described = models.read_export_file(one.path)
    checks = described.checks
    assert checks is not None
    assert one.checks == checks
    assert (described.precision, checks.of, checks.max_drop) == (precision, "artefact", 0.2)
    assert checks.images == min(1000, len(digits.val))
    assert checks.source == f"{checks.images} held-out images of digits"
    assert 0 < checks.max_abs == described.parity_max_abs <= checks.limit
    assert checks.accuracy is not None
    assert checks.accuracy_fp32 is not None
    assert checks.drop == checks.accuracy_fp32 - checks.accuracy
    kinds = {t.data_type for t in onnx.load(one.path).graph.initializer}
    if precision == "fp16":
        assert onnx.TensorProto.FLOAT16 in kinds
        assert described.calibration is None
    else:
        assert onnx.TensorProto.INT8 in kinds
        assert described.calibration is not None
        assert described.calibration.data == "digits"
        assert described.calibration.data_fingerprint == digits.fingerprint
        assert described.calibration.images == 256
    # What was compared is what a user gets.
    again = run(workspace, models=("net",), precision=precision, max_drop=0.2).files[0]
    assert again.sha256 == one.sha256


@contextmanager
def answering(change: Callable[[Array], None]) -> Iterator[None]:
    """ONNX Runtime's logits, changed in place."""
    onnx_format = export.load("onnx")
    run_onnx = onnx_format.run

    def changed(artefact: bytes, shown: Array, runtime: object = None) -> Array:
        logits = run_onnx(artefact, shown)
        change(logits)
        return logits

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(onnx_format, "run", changed)
        yield


def test_accuracy_beyond_the_limit_is_a_clear_no(workspace: Workspace, digits: DataSet) -> None:
    def worse(logits: Array) -> None:
        """Every answer is the second best, by a hair."""
        rows = np.arange(len(logits))
        first, second = np.argsort(-logits, axis=1)[:, :2].T
        logits[rows, second] = logits[rows, first] + 1e-6

    flags = {"models": ("net",), "precision": "int8", "calibration": "digits"}
    # Without the names of its classes every changed answer counts.
    trained(workspace)
    with answering(worse):
        error = refused(workspace, ClearNo, **flags)
        allowed = run(workspace, **flags, max_drop=1.0)
    assert "exported net changes the answer for 100.00% of the images" in error.message
    assert "the limit is 2.00%" in error.message
    assert error.cure == "allow more with --max-drop, or give up int8 with --precision fp32"
    assert allowed.precision == "int8"


@pytest.mark.parametrize(("precision", "limit"), [("fp16", 0.02), ("int8", 0.3)])
def test_a_logit_beyond_the_limit_of_a_lower_precision_is_a_clear_no(
    workspace: Workspace, digits: DataSet, precision: str, limit: float
) -> None:
    def off(logits: Array) -> None:
        """One logit of one image is wrong, the answer stays as it is."""
        logits[3, logits[3].argmin()] -= (2 * limit) * np.abs(logits).max()

    trained(workspace, data=digits)
    flags = {"models": ("net",), "precision": precision, "max_drop": 1.0}
    with answering(off):
        error = refused(workspace, ClearNo, **flags)
    assert "exported net differs from the PyTorch network by" in error.message
    assert error.cure == "calibrate on other images with --calibration, or take --precision fp32"
    assert run(workspace, **flags).precision == precision


def test_a_cosine_below_the_limit_is_a_clear_no(workspace: Workspace, digits: DataSet) -> None:
    def turned(logits: Array) -> None:
        """The logits of the image with the smallest ones are turned, all within their limit."""
        row = logits[np.linalg.norm(logits, axis=1).argmin()]
        row -= 0.2 * np.abs(logits).max() * np.sign(row)

    path = trained(workspace, data=digits)
    state = safetensors_torch.load_file(path)
    state["head.classifier.conv.bias"] -= 1  # which makes the logits of all images alike
    rewrite(path, state, digits)
    with answering(turned):
        error = refused(workspace, ClearNo, models=("net",), precision="int8", max_drop=1.0)
    assert "exported net gives an image logits at a cosine of" in error.message
    assert "the limit is 0.9" in error.message
    assert error.cure == "calibrate on other images with --calibration, or take --precision fp32"


@pytest.mark.parametrize("with_data", [True, False])
def test_what_half_precision_cannot_hold_stays_in_single_and_is_named(
    workspace: Workspace, digits: DataSet, with_data: bool
) -> None:
    """The same function, with a convolution a million times larger and the next one smaller."""
    data = digits if with_data else None
    path = trained(workspace, data=data)
    state = safetensors_torch.load_file(path)
    beyond_half(state)
    rewrite(path, state, data)
    listener = Listener()
    request = ExportRequest(
        workdir=workspace.root, models=("net",), precision="fp16", max_drop=0.05
    )
    (one,) = run_export(request, listener).files
    assert one.checks is not None
    assert one.checks.max_abs <= one.checks.limit
    graph = onnx.load(one.path).graph
    single = {t.name for t in graph.initializer if t.data_type == onnx.TensorProto.FLOAT}
    kept = ("stem.project", "layers.0.k7.expand")
    assert single == {f"{name}.{part}.single" for name in kept for part in ("weight", "bias")}
    casts = {node.input[0] for node in graph.node if node.op_type == "Cast"}
    # From half to single before the two, and back behind them; the images, the logits.
    assert {"stem.depthwise.relu6", "layers.0.k7.expand", "images"} < casts
    assert len(casts) == 4
    (note,) = (text for text in listener.warnings if "half precision" in text)
    assert note.startswith(f"net: 2 of {len(graph.node) - len(casts)} nodes leave the range")
    assert "first layers.0.k7.expand: slower than its table says" in note


def test_int8_needs_images(workspace: Workspace) -> None:
    trained(workspace)  # Its fingerprint is nobody's.
    error = refused(workspace, BadInput, models=("net",), precision="int8")
    assert "not what net was trained on any more" in error.message
    assert error.cure == "name a folder with images of the same kind: --calibration DATA"
    error = refused(
        workspace, BadInput, models=("net",), precision="int8", calibration="no-such-folder"
    )
    assert "no-such-folder" in error.message


def test_named_images_calibrate_and_compare(workspace: Workspace, digits: DataSet) -> None:
    trained(workspace)  # Classes of another name: no accuracy, the share of changed answers.
    flags = {"models": ("net",), "precision": "int8", "calibration": "digits", "max_drop": 0.3}
    (one,) = run(workspace, **flags).files
    assert one.checks is not None
    assert one.checks.accuracy is None
    assert one.checks.drop == 1 - one.checks.agreement


def test_fp16_without_its_data_is_compared_on_noise_and_says_so(workspace: Workspace) -> None:
    trained(workspace)
    listener = Listener()
    request = ExportRequest(workdir=workspace.root, models=("net",), precision="fp16")
    (one,) = run_export(request, listener).files
    assert one.checks is not None
    assert one.checks.source == "noise and extremes"
    assert any("noise" in text for text in listener.warnings)


def test_what_is_so_for_all_models_is_said_once(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "abcd":
        trained(workspace, name)
    real = export.load("onnx")

    class Elsewhere:
        SUFFIX = ".onnx"

        def build(self, job: export.Job) -> export.Artefact:
            made = real.build(job)
            return export.Artefact(made.data, source=made.data, notes=("it is slow",))

        def run(self, artefact: bytes, images: Array, runtime: object = None) -> Array:
            raise export.NotRunHere("there is no GPU")

    loads = iter([Elsewhere()])  # for the models; then for their source, and to write
    monkeypatch.setattr(export, "load", lambda name: next(loads, real))
    listener = Listener()
    result = run_export(ExportRequest(workdir=workspace.root, models=tuple("abcd")), listener)
    assert len(result.files) == 4
    assert [one.checks.of for one in result.files if one.checks] == ["source"] * 4
    slow, not_run = listener.warnings
    assert slow == "a, b and 2 more: it is slow"
    assert not_run.startswith("a, b and 2 more: not run on this machine (there is no GPU)")


def test_a_dynamic_batch_takes_any_number_of_images(workspace: Workspace) -> None:
    trained(workspace)
    (one,) = run(workspace, models=("net",), batch="dynamic").files
    assert one.batch == "dynamic"
    assert models.read_export_file(one.path).batch == "dynamic"
    session = ort.InferenceSession(one.path, providers=["CPUExecutionProvider"])
    shown = np.random.default_rng(0).standard_normal((5, 3, 16, 16)).astype(np.float32)
    (five,) = session.run(None, {"images": shown})
    (two,) = session.run(None, {"images": shown[:2]})
    np.testing.assert_allclose(five[:2], two, rtol=0, atol=1e-5)
    fixed = onnx.load_from_string(onnx_format_file.with_batch(one.path.read_bytes(), 5))
    onnx.checker.check_model(fixed, full_check=True)
    assert fixed.graph.input[0].type.tensor_type.shape.dim[0].dim_value == 5
    (three,) = run(workspace, models=("net",), batch=3).files
    assert onnx_format_file.with_batch(three.path.read_bytes(), 9) == three.path.read_bytes()


def test_a_description_of_an_older_version_is_read(workspace: Workspace) -> None:
    trained(workspace)
    (one,) = run(workspace, models=("net",)).files
    beside = models.sidecar(one.path)
    found = json.loads(beside.read_text())
    for name in ("runtime", "source_sha256", "checks", "calibration"):
        del found[name]
    beside.write_text(json.dumps(found))
    assert models.read_export_file(one.path).checks is None


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_openvino_runs_what_is_written(
    workspace: Workspace, digits: DataSet, precision: str
) -> None:
    pytest.importorskip("openvino")
    trained(workspace, data=digits)
    flags = {"models": ("net",), "format": "openvino", "precision": precision, "max_drop": 0.3}
    (one,) = run(workspace, **flags).files
    assert one.path.name == "net.ov.onnx"
    assert workspace.find("export", ()) == (one.path,)
    described = models.read_export_file(one.path)
    assert described.runtime["runtime"] == "openvino"
    if precision == "int8":
        # Signed integers around zero.
        graph = onnx.load(one.path).graph
        assert {t.data_type for t in graph.initializer if t.name.startswith("zero.")} == {
            onnx.TensorProto.INT8
        }


def test_without_openvino_its_extra_is_named(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained(workspace)
    monkeypatch.setitem(sys.modules, "openvino", None)
    error = refused(workspace, EnvironmentProblem, models=("net",), format="openvino")
    assert error.cure == "pip install 'sgnas-deploy[openvino]'"
