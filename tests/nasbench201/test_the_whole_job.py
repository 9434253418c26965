"""Every command of the job on the small variant of the space, on a fake device."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sgnas_deploy import architectures, spaces, tables
from sgnas_deploy.events import NullReporter
from sgnas_deploy.pipeline.export import ExportRequest, export
from sgnas_deploy.pipeline.generate import GenerateRequest, generate
from sgnas_deploy.pipeline.lut_check import CheckRequest, check
from sgnas_deploy.pipeline.profile import ProfileRequest, profile
from sgnas_deploy.pipeline.retrain import RetrainRequest, retrain
from sgnas_deploy.pipeline.train_generator import TrainGeneratorRequest, train_generator
from sgnas_deploy.pipeline.train_supernet import TrainSupernetRequest, train_supernet
from sgnas_deploy.spaces.cell import canonical, from_string
from tests.fakes.device import FakeDevice

pytest.importorskip("torch")
pytest.importorskip("onnxruntime")

SPACE = "nasbench201+r16+w4+n1"
SAY = NullReporter()


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with table, supernet and generator."""
    folder = tmp_path_factory.mktemp("cells")
    request = ProfileRequest(device="cpu", workdir=folder, space=SPACE, quality="quick")
    profile(request, SAY, FakeDevice())
    train_supernet(TrainSupernetRequest(data="digits", workdir=folder, epochs=1), SAY)
    train_generator(TrainGeneratorRequest(workdir=folder, epochs=1), SAY)
    return folder


def test_a_table_predicts_whole_networks(tmp_path: Path) -> None:
    request = ProfileRequest(device="cpu", workdir=tmp_path, space="nasbench201", quality="quick")
    table = tables.read(profile(request, SAY, FakeDevice()).table)
    model = tables.predictor(table)
    # The fake device's law is not additive on purpose: what is read from a cache is cheaper.
    assert model.error < 0.1
    low, high = model.range_s
    networks = spaces.load(table.space).networks()
    assert networks is not None
    every = [model.predict_s(tuple(o)) for o in networks[::50].tolist()]
    assert low <= min(every) <= max(every) <= high
    for network in table.networks:
        assert canonical(network.options) == network.options


@pytest.mark.parametrize("scores", ["macs", "generator"])
def test_every_budget_is_kept_by_a_cell_that_is_one(work: Path, scores: str) -> None:
    request = GenerateRequest(workdir=work, count=9, scores=scores)  # type: ignore[arg-type]
    result = generate(request, SAY)
    assert len(result.architectures) == 9
    for one in result.architectures:
        assert one.predicted_s <= one.budget_s * (1 - result.margin) * (1 + 1e-12)
        written = architectures.read(one.path)
        assert canonical(written.options) == written.options
        assert written.labels == one.labels
    if scores == "generator":
        accuracies = [one.supernet_accuracy for one in result.architectures]
        assert all(accuracy is not None for accuracy in accuracies)
    assert result.architectures[-1].labels == ("nor_conv_3x3~0",) * 2 + (
        "nor_conv_3x3~1",
        "nor_conv_3x3~0",
        "nor_conv_3x3~1",
        "nor_conv_3x3~2",
    )


def test_labels_put_together_are_the_benchmarks_string(work: Path) -> None:
    [one] = generate(GenerateRequest(workdir=work, count=1), SAY).architectures
    found = architectures.read(one.path)
    first, second, third, *rest = one.labels
    text = f"|{first}|+|{second}|{third}|+|{'|'.join(rest)}|"
    assert from_string(text) == found.options


def test_a_generated_cell_is_retrained_and_exported(work: Path) -> None:
    generate(GenerateRequest(workdir=work, count=1), SAY)
    [model] = retrain(RetrainRequest(workdir=work, data="digits", epochs=1), SAY).models
    assert np.isfinite(model.accuracy)
    [made] = export(ExportRequest(workdir=work), SAY).files
    assert made.path.is_file()


def test_the_table_is_checked_on_fresh_networks(work: Path) -> None:
    found = check(CheckRequest(workdir=work, networks=6, optimised=2), SAY, FakeDevice())
    assert len(found.networks) == 6
