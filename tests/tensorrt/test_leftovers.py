"""What `sgnas export` really leaves beside an engine, and what a later training makes of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from sgnas_deploy import artefacts, models
from sgnas_deploy.errors import BadInput
from sgnas_deploy.events import NullReporter
from sgnas_deploy.pipeline.export import ExportRequest, export
from sgnas_deploy.workspace import Workspace
from sgnas_profilers.trt.load import Runtime

pytest.importorskip("torch")
pytest.importorskip("onnxruntime")
pytest.importorskip("sklearn")

from tests.tensorrt import trained


def train(workspace: Workspace, seed: int) -> None:
    """Leave what `sgnas retrain` leaves: weights and their description."""
    trained.put(workspace, trained.weights(seed, batches=10), seed)


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_an_engine_is_fresh_until_the_network_is_trained_anew(
    rtx: Runtime, tmp_path: Path, precision: str
) -> None:
    workspace = Workspace(tmp_path / "work")
    plan = workspace.models / "net.plan"

    def write(format_name: str) -> None:
        flavour = {"flavour": "rtx"} if format_name == "tensorrt" else {}
        request = ExportRequest(
            workdir=workspace.root,
            format=format_name,
            precision=precision,  # type: ignore[arg-type]
            calibration=None if precision == "fp32" else "digits",
            max_drop=1.0,
            **flavour,  # type: ignore[arg-type]
        )
        export(request, NullReporter())

    def check() -> None:
        artefacts.check_fresh(plan, models.read_export_file(plan))

    train(workspace, 0)
    write("tensorrt")
    check()
    write("onnx")
    check()
    before = models.read_export_file(plan).model.weights_sha256
    train(workspace, 1)
    with pytest.raises(BadInput, match=rf"is stale: .* weights {before[:12]}\.\.\.") as no:
        check()
    assert no.value.cure is not None
    assert (
        f"sgnas export --format tensorrt --flavour rtx --precision {precision} net" in no.value.cure
    )
    write("onnx")
    with pytest.raises(BadInput, match="is stale"):
        check()
    train(workspace, 2)
    write("tensorrt")
    check()  # the ONNX file is the older one
