"""A workspace as the commands leave it, measured on the fake device, without torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from sgnas_deploy import architectures, files
from sgnas_deploy.architectures import Architecture, Budgeted
from sgnas_deploy.events import NullReporter
from sgnas_deploy.models import ModelFile, read_export_file
from sgnas_deploy.pipeline.profile import ProfileRequest, profile
from sgnas_deploy.pipeline.validate import ValidateRequest, validate
from sgnas_deploy.workspace import Workspace
from tests.fakes.device import Disturbance, FakeDevice
from tests.verdict import exported

NAMES = ("small", "middle", "large")
HOSTILE = '<script>alert("1")</script>\'"&<img src=x onerror=alert(1)>'


def build(root: Path) -> Workspace:
    """Table, three networks that PASS, FAIL and stay UNDECIDED, and the curves of a training."""
    workspace = Workspace(root)
    table = profile(
        ProfileRequest(device="cpu", workdir=root, space="tiny", quality="quick", form="concat"),
        NullReporter(),
        transport=FakeDevice(),
    ).table
    budgets_s = []
    for name, choice, share in zip(NAMES, (0, 5, 20), (1.1, 0.9, 1.0), strict=True):
        path = exported.put(workspace, name, choice=choice)
        budgets_s.append(share * FakeDevice().true_s(path.read_bytes()))
        path = exported.put(workspace, name, table=table, budget_s=budgets_s[-1], choice=choice)
        described = read_export_file(path).model.architecture
        files.write_model(
            workspace.architectures / f"{name}.json",
            described.model_copy(update={"supernet_accuracy": 0.5 + choice / 100}),
        )
    workspace.remember("export", NAMES)
    device = FakeDevice(disturbance=Disturbance(sigma=0.02, process_sigma=0.005), seed=1)
    validate(
        ValidateRequest(workdir=root, models=NAMES, max_seconds=15),
        NullReporter(),
        transport=device,
        clock=lambda: device.time_s,
    )
    put_model(workspace, "small")
    put_history(workspace.supernet / "tiny.history.jsonl", learning_rate=0.1)
    put_history(workspace.generator / f"{table.stem}.history.jsonl", expected_s=1e-3, target_s=2e-3)
    put_history(workspace.models / "small.history.jsonl", learning_rate=0.1)
    put_history(workspace.models / "middle.history.jsonl", learning_rate=0.1)
    return workspace


def put_model(workspace: Workspace, name: str, **changes: Any) -> ModelFile:
    """A trained model's description beside an empty weights file."""
    found = read_export_file(workspace.models / f"{name}.onnx").model
    model = found.model_copy(update=changes)
    files.write_bytes(workspace.models / f"{name}.safetensors", b"")
    files.write_model(workspace.models / f"{name}.json", model)
    return model


def put_history(path: Path, **readings: float) -> None:
    """Twelve lines of an invented training."""
    lines = [
        {"epoch": (1 + i) / 4, "loss": 2 * 0.9**i, **{k: v / (1 + i) for k, v in readings.items()}}
        for i in range(12)
    ]
    files.write_text(path, "".join(json.dumps(line) + "\n" for line in lines))


def put_hostile(workspace: Workspace) -> None:
    """A network whose every free text wants to be markup."""
    rng = np.random.default_rng(0)
    found = Architecture("tiny", exported.SPACE.sample(rng))
    described = architectures.describe(
        "evil",
        found,
        Budgeted(
            budget_s=1e-3, percentile=50, predicted_s=9e-4, margin=0.05, scores="macs", score=1,
            table_sha256="f" * 64,
        ),
    )  # fmt: skip
    evil = described.model_copy(update={"labels": (HOSTILE,) * len(found.options)})
    files.write_model(workspace.architectures / "<b onclick=alert(1)>&.json", evil)
