"""`sgnas export` as a function: what it writes, and what it refuses."""

from __future__ import annotations

import functools
import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

from sgnas_deploy import architectures, emitter, export, files, models, spaces, tables
from sgnas_deploy.architectures import Architecture, Budgeted
from sgnas_deploy.blocks import macs
from sgnas_deploy.data import Preprocessing
from sgnas_deploy.errors import BadInput, ClearNo, EnvironmentProblem, NotBuiltYet, SgnasError
from sgnas_deploy.events import NullReporter
from sgnas_deploy.pipeline.export import ExportRequest, ExportResult
from sgnas_deploy.pipeline.export import export as run_export
from sgnas_deploy.tables.format import BlockEntry, LatencyTable, NetworkEntry, Plan, weight_bytes
from sgnas_deploy.workspace import Workspace

torch = pytest.importorskip("torch")
ort = pytest.importorskip("onnxruntime")
safetensors_torch = pytest.importorskip("safetensors.torch")

from sgnas_deploy.networks.deployed import DeployedNetwork  # noqa: E402

SPACE = "tiny+r16"
OPTIONS = (5, 40, 0, 82, 17, 60)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "work")


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
) -> Path:
    """A model as `retrain` leaves it."""
    path = workspace.models / f"{name}.safetensors"
    files.write_bytes(path, weights())
    found = architectures.describe(
        name,
        Architecture(SPACE, OPTIONS),
        budgeted(table_sha256) if table_sha256 else None,
    )
    describe(path, found, classes)
    return path


def describe(path: Path, found: architectures.ArchitectureFile, classes: int = 10) -> None:
    model = models.ModelFile(
        name=path.stem,
        architecture=found,
        weights_sha256=files.sha256_of(path),
        classes=tuple(f"é{i}" for i in range(classes)),
        preprocessing=Preprocessing(resolution=16, crop=1.0, mean=(0.5,) * 3, std=(0.2,) * 3),
        data="digits",
        data_fingerprint="0" * 64,
        recipe={"epochs": 1},
        seed=0,
        accuracy=0.5,
        images=100,
    )
    files.write_model(path.with_suffix(".json"), model)


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


def test_what_is_not_built_yet_says_so(workspace: Workspace) -> None:
    trained(workspace)
    error = refused(workspace, NotBuiltYet, models=("net",), format="tensorrt")
    assert "tensorrt is not built yet" in error.message
    assert error.exit_code == 2
    for precision in ("fp16", "int8"):
        error = refused(workspace, NotBuiltYet, models=("net",), precision=precision)
        assert f"precision {precision} is not built yet" in error.message
    error = refused(workspace, BadInput, models=("net",), format="caffe")
    assert error.cure == "choose one of onnx"


def test_a_table_in_another_precision_is_not_built_yet(workspace: Workspace) -> None:
    sha256 = tables.write(workspace.luts / "t.json", table("concat", 1, "fp16"))
    trained(workspace, table_sha256=sha256)
    refused(workspace, NotBuiltYet, models=("net",))
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
    assert export.names() == ["onnx"]
    assert export.load("onnx").SUFFIX == ".onnx"
