"""What comes with the toolchain fits together and is at hand without images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sgnas_deploy import files, generator, shipped, spaces, supernet, tables
from sgnas_deploy.bench import scores
from sgnas_deploy.events import NullReporter
from sgnas_deploy.pipeline import bench
from tests.nasbench201 import synthetic

pytest.importorskip("torch")

SUPERNET = Path(__file__).parents[2] / "docs/results/nasbench201/supernet.safetensors"


def test_scores_generator_supernet_and_table_belong_together() -> None:
    found = scores.read(bench.SHIPPED / "scores.json")
    assert files.sha256_of(SUPERNET) == found.supernet_sha256
    supernet.load(SUPERNET, spaces.load(found.space))
    described = generator.read_file(bench.SHIPPED / "generator.safetensors")
    assert described.supernet_sha256 == found.supernet_sha256
    assert described.table_sha256 in {tables.sha256(path) for path in shipped.tables()}


def test_they_are_small() -> None:
    paths = [SUPERNET, *bench.SHIPPED.iterdir()]
    assert sum(path.stat().st_size for path in paths) < 5e6


def test_the_benchmark_runs_at_once(tmp_path: Path) -> None:
    truth = {o: v for i, (o, v) in enumerate(synthetic.latencies(False).items()) if i % 3}
    request = bench.BenchRequest(
        synthetic.write_accuracies(tmp_path / "a.csv", top1=synthetic.accuracies()),
        synthetic.write_latencies(tmp_path / "l.csv", truth),
        budgets=3,
    )
    result = bench.bench(request, NullReporter())
    assert result.looked_up == 50
    assert all(np.isfinite(method.evaluations) for method in result.methods)
