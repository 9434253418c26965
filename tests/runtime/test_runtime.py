"""What was exported, used: any image in, classes out, and a clear no for files that do not fit."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from PIL import Image

from sgnas_deploy import artefacts, data, export, files, models, runtime
from sgnas_deploy.data import ArrayImages
from sgnas_deploy.data.batches import to_array
from sgnas_deploy.errors import BadInput
from sgnas_deploy.events import NullReporter
from sgnas_deploy.pipeline.run import RunRequest, run
from sgnas_deploy.workspace import Workspace
from tests.verdict import exported

pytest.importorskip("onnxruntime")


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    found = Workspace(tmp_path / "work")
    exported.put(found, "net", choice=3)
    return found


@pytest.fixture
def artefact(workspace: Workspace) -> Path:
    return workspace.models / "net.onnx"


def picture(seed: int = 0, size: tuple[int, int] = (40, 52)) -> Any:
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)


def change(artefact: Path, **fields: Any) -> None:
    """Change the description beside an artefact."""
    path = models.sidecar(artefact)
    files.write_text(path, json.dumps({**json.loads(path.read_text()), **fields}))


def reference(artefact: Path, inputs: Any) -> Any:
    import onnxruntime

    session = onnxruntime.InferenceSession(
        artefact.read_bytes(), providers=["CPUExecutionProvider"]
    )
    (source,) = session.get_inputs()
    return np.concatenate([session.run(None, {source.name: one[None]})[0] for one in inputs])


def test_an_image_gets_the_likeliest_classes(artefact: Path) -> None:
    image = picture()
    with runtime.load(artefact) as model:
        guesses = model.classify(image, top=3)
        everything = model.classify(image, top=99)
        assert model.engine.startswith("onnxruntime ")
        assert model.classes == exported.CLASSES
    prepared = to_array(ArrayImages(image[None], np.zeros(1, np.int64)), [0], model.preprocessing)
    logits = reference(artefact, prepared)[0].astype(np.float64)
    expected = np.exp(logits) / np.exp(logits).sum()
    assert [one.index for one in guesses] == list(np.argsort(-expected)[:3])
    assert guesses == everything[:3]
    assert len(everything) == 10
    assert sum(one.probability for one in everything) == pytest.approx(1)
    for one in everything:
        assert one.label == exported.CLASSES[one.index]
        assert one.probability == pytest.approx(expected[one.index], rel=1e-4)


def test_every_kind_of_image_is_the_same(artefact: Path, tmp_path: Path) -> None:
    pixels = picture()
    path = tmp_path / "image.png"
    Image.fromarray(pixels).save(path)
    with runtime.load(str(artefact)) as model:
        expected = model.classify(pixels)
        for image in (path, str(path), Image.fromarray(pixels)):
            assert model.classify(image) == expected
        grey = pixels[:, :, 0]
        assert model.classify(grey) == model.classify(Image.fromarray(grey))


def test_preprocessing_is_that_of_the_evaluation(artefact: Path) -> None:
    digits = data.load("digits", 32)
    preprocessing = models.read_export_file(artefact).model.preprocessing
    indices = np.arange(5)
    with runtime.load(artefact) as model:
        inputs = model.inputs([digits.val.image(int(index)) for index in indices])
        np.testing.assert_array_equal(inputs, to_array(digits.val, indices, preprocessing))
        found = model.logits(inputs)
    np.testing.assert_allclose(found, reference(artefact, inputs), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("count", [1, 3, 7])
def test_any_number_of_inputs_fills_the_file_s_batch(
    workspace: Workspace, batch: int, count: int
) -> None:
    path = exported.put(workspace, "batched", choice=3, batch=batch)
    inputs = np.random.default_rng(1).normal(size=(count, 3, 32, 32)).astype(np.float32)
    single = reference(workspace.models / "net.onnx", inputs)
    with runtime.load(path) as model:
        np.testing.assert_allclose(model.logits(inputs), single, rtol=1e-3, atol=1e-4)
        images = [picture(seed) for seed in range(count)]
        assert [one[0].index for one in model.classify_all(images)] == [
            model.classify(image)[0].index for image in images
        ]
        assert model.classify_all([]) == ()


@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 3, 32, 31), (1, 1, 32, 32), (0, 3, 32, 32)])
def test_inputs_of_another_shape_are_refused(artefact: Path, shape: tuple[int, ...]) -> None:
    with runtime.load(artefact) as model, pytest.raises(BadInput, match="wants"):
        model.logits(np.zeros(shape, np.float32))


@pytest.mark.parametrize(
    "image",
    [np.zeros((4, 4, 3)), np.zeros((4, 4, 4), np.uint8), np.zeros((0, 4, 3), np.uint8), 7],
    ids=["floats", "alpha", "empty", "number"],
)
def test_what_is_no_image_is_refused(artefact: Path, image: Any) -> None:
    with runtime.load(artefact) as model, pytest.raises(BadInput, match="an image array"):
        model.classify(image)


def test_a_file_that_is_no_image_is_named(artefact: Path, tmp_path: Path) -> None:
    path = tmp_path / "text.png"
    path.write_text("no image")
    with runtime.load(artefact) as model:
        for wrong in (path, tmp_path / "none.png"):
            with pytest.raises(BadInput, match=f"cannot read image .*{wrong.name}"):
                model.classify(wrong)
        with pytest.raises(BadInput, match="--top"):
            model.classify(picture(), top=0)


def test_a_changed_file_is_refused_before_it_is_opened(artefact: Path) -> None:
    with artefact.open("ab") as opened:
        opened.write(b"\0")
    with pytest.raises(BadInput, match="SHA-256 differs"):
        runtime.load(artefact)


def test_files_that_cannot_be_used(artefact: Path, workspace: Workspace) -> None:
    with pytest.raises(BadInput, match="there is no exported file"):
        runtime.load(workspace.models / "none.onnx")
    with pytest.raises(BadInput, match="1 thread or more"):
        runtime.load(artefact, threads=0)
    change(artefact, format="litert")
    with pytest.raises(BadInput, match="litert cannot be run here"):
        runtime.load(artefact)
    models.sidecar(artefact).unlink()
    with pytest.raises(BadInput, match="cannot read the export description"):
        runtime.load(artefact)


def test_a_file_that_the_runtime_refuses(artefact: Path) -> None:
    artefact.write_bytes(b"no graph")
    change(artefact, artefact_sha256=files.sha256_of(artefact))
    with pytest.raises(BadInput, match="onnxruntime cannot open net"):
        runtime.load(artefact)


def test_arbitrary_weights_are_refused(artefact: Path) -> None:
    change(artefact, kind="sgnas-untrained")
    with pytest.raises(BadInput, match="arbitrary weights"):
        runtime.load(artefact)


def test_half_precision_inputs_are_fed(artefact: Path, workspace: Workspace) -> None:
    """A graph that asks for float16 at its input gets it."""
    from onnx import TensorProto, helper

    node = helper.make_node("ReduceMean", ["x"], ["y"], axes=[2, 3], keepdims=0)
    graph = helper.make_graph(
        [node],
        "half",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT16, [1, 3, 32, 32])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT16, [1, 3])],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(proto)
    artefact.write_bytes(proto.SerializeToString())
    change(artefact, artefact_sha256=files.sha256_of(artefact), precision="fp16")
    with runtime.load(artefact) as model:
        found = model.logits(np.full((2, 3, 32, 32), 0.5, np.float32))
    np.testing.assert_allclose(found, 0.5)
    assert found.dtype == np.float32


def test_openvino_where_it_is_installed(artefact: Path, workspace: Workspace) -> None:
    pytest.importorskip("openvino")
    torch = pytest.importorskip("torch")
    try:
        _runs_in_openvino(artefact)
    finally:
        # OpenVINO leaves the thread flushing denormals; other tests must not inherit that.
        torch.set_flush_denormal(False)


def _runs_in_openvino(artefact: Path) -> None:
    inputs = np.random.default_rng(1).normal(size=(2, 3, 32, 32)).astype(np.float32)
    expected = reference(artefact, inputs)
    change(artefact, format="openvino")
    with runtime.load(artefact) as model:
        np.testing.assert_allclose(model.logits(inputs), expected, rtol=1e-3, atol=1e-4)
        assert model.engine.startswith("openvino ")


def test_run_finds_models_by_name(workspace: Workspace, tmp_path: Path) -> None:
    paths = []
    for seed in range(2):
        paths.append(tmp_path / f"{seed}.png")
        Image.fromarray(picture(seed)).save(paths[-1])
    for name in ("net", "net.onnx", str(workspace.models / "net.onnx")):
        result = run(RunRequest(name, tuple(paths), workspace.root, top=2), NullReporter())
        assert [one.image for one in result.images] == paths
        assert [len(one.guesses) for one in result.images] == [2, 2]
        assert result.sha256 == files.sha256_of(result.model)
    with pytest.raises(BadInput, match="there is no exported network 'other'"):
        run(RunRequest("other", tuple(paths), workspace.root), NullReporter())
    with pytest.raises(BadInput, match="no image was named"):
        run(RunRequest("net", (), workspace.root), NullReporter())
    (workspace.models / "net.plan").write_bytes(b"")
    with pytest.raises(BadInput, match=r"in several formats: net\.onnx, net\.plan"):
        run(RunRequest("net", tuple(paths), workspace.root), NullReporter())


def test_a_name_finds_one_file_whatever_its_format(workspace: Workspace) -> None:
    assert {export.load(name).SUFFIX for name in export.names()} == set(artefacts.SUFFIXES)
    folder = workspace.models
    for name, found in (("net", "net.onnx"), ("n.5ms", "n.5ms.plan"), ("ov", "ov.ov.onnx")):
        (folder / found).write_bytes(b"")
        assert artefacts.find(name, workspace) == folder / found
    assert artefacts.find("ov.ov", workspace) == folder / "ov.ov.onnx"
    for name in ("n", "n.5", "ne", ""):
        with pytest.raises(BadInput, match="there is no exported network"):
            artefacts.find(name, workspace)
    for suffix in (".ov.onnx", ".plan"):
        other = folder / f"net{suffix}"
        other.write_bytes(b"")
        with pytest.raises(BadInput, match=rf"several formats: net\.onnx, {other.name}"):
            artefacts.find("net", workspace)
        assert artefacts.find(other.name, workspace) == other
        other.unlink()


def test_the_command(
    workspace: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from sgnas_cli.main import run as sgnas

    path = tmp_path / "image.png"
    Image.fromarray(picture()).save(path)
    line = ["run", "net", str(path), "--workdir", str(workspace.root), "--top", "1"]
    assert sgnas([*line, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert len(told["images"][0]["guesses"]) == 1
    assert sgnas(line) == 0
    assert told["images"][0]["guesses"][0]["label"] in capsys.readouterr().out
    assert sgnas(["run", "net", str(tmp_path / "none.png"), "--workdir", str(workspace.root)]) == 2


def test_no_torch_is_imported(artefact: Path) -> None:
    code = (
        "import sys; from sgnas_deploy import runtime; import numpy as np; "
        f"print(runtime.load({str(artefact)!r}).classify(np.zeros((9, 9, 3), np.uint8))[0]); "
        "assert not {'torch', 'torchvision', 'timm', 'sklearn'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
