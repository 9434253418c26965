"""The command from files to a result, with a generator that has learned nothing."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from sgnas_cli.main import run
from sgnas_deploy import files, generator, spaces
from sgnas_deploy.bench.scores import SupernetScores
from sgnas_deploy.errors import BadInput
from sgnas_deploy.events import NullReporter
from sgnas_deploy.generator import GeneratorFile
from sgnas_deploy.generator.recipe import Recipe
from sgnas_deploy.pipeline import bench
from sgnas_deploy.pipeline.bench import BenchRequest
from tests.nasbench201 import synthetic

torch = pytest.importorskip("torch")

from sgnas_deploy.training import checkpoint  # noqa: E402

SPACE = spaces.load("nasbench201")
SUPERNET = "nasbench201+r16+w4+n1"
SHA = "0" * 64


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    torch.manual_seed(0)
    network = generator.build(SPACE, Recipe())
    network.set_priors([SPACE.sample(np.random.default_rng(i)) for i in range(5)], [0.5] * 5)
    weights = folder / "generator.safetensors"
    checkpoint.write_tensors(weights, network.state_dict())
    described = GeneratorFile(
        space=SPACE.id,
        weights_sha256=files.sha256_of(weights),
        table="table",
        table_sha256=SHA,
        supernet_sha256=SHA,
        percentile=50,
        fastest_s=0.001,
        slowest_s=0.01,
        data="digits",
        data_fingerprint=SHA,
        recipe=Recipe(),
        seed=0,
        epochs=1,
        loss=1.0,
        budget_error=0.1,
    )
    files.write_model(folder / "generator.json", described)
    write_scores(folder, SHA)
    return folder


def write_scores(folder: Path, sha256: str, count: int | None = None) -> None:
    right = (synthetic.supernet_scores() * 256).round().astype(int).tolist()
    scores = SupernetScores(
        space=SUPERNET,
        supernet_sha256=sha256,
        data="invented",
        images=256,
        right=tuple(right[:count]),
    )
    files.write_model(folder / "scores.json", scores)


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    folder = tmp_path_factory.mktemp("tables")
    some = {o: v for i, (o, v) in enumerate(synthetic.latencies(True).items()) if i % 97}
    accuracies = synthetic.write_accuracies(folder / "a.csv", top1=synthetic.accuracies())
    latencies = synthetic.write_latencies(folder / "l.csv", some)
    return str(accuracies), str(latencies)


def test_the_command_reports_in_both_ways(
    tables: tuple[str, str], trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["bench", "nasbench201", "--accuracies", tables[0], "--latencies", tables[1]]
    line += ["--samples", "30", "--budgets", "3", "--trained", str(trained)]
    assert run([*line, "--json"]) == 0
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert found["looked_up"] == 30
    assert found["networks"] + 162 == 15625
    assert len(found["budgets"]) == 3
    assert "15,463 of 15,625 cells" in err
    assert run(line) == 0
    text = capsys.readouterr().out
    assert "generator, swept" in text
    assert "executed by the runtime" in text


def test_the_same_seed_gives_the_same_answer(tables: tuple[str, str], trained: Path) -> None:
    request = BenchRequest(Path(tables[0]), Path(tables[1]), 12, 2, trained=trained)
    first, second = (bench.bench(request, NullReporter()) for _ in range(2))
    assert first.model_copy(update={"seconds": 0}) == second.model_copy(update={"seconds": 0})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"samples": 3}, "3 samples are too few"),
        ({"budgets": 0}, "0 budgets"),
        ({"accuracies": Path("nothing.csv")}, "there is no file nothing.csv"),
        ({"latencies": Path("nothing.csv")}, "cannot read the latencies nothing.csv"),
        ({"trained": Path("nowhere")}, "cannot read the file of supernet scores"),
    ],
)
def test_what_cannot_be_done_is_said(
    changes: dict[str, object], message: str, tables: tuple[str, str], trained: Path
) -> None:
    usual = {"accuracies": Path(tables[0]), "latencies": Path(tables[1]), "trained": trained}
    with pytest.raises(BadInput, match=message) as caught:
        bench.bench(BenchRequest(**{**usual, **changes}), NullReporter())  # type: ignore[arg-type]
    if "nothing.csv" in message:
        assert caught.value.cure is not None
        assert "whose first line is such as: arch," in caught.value.cure


def test_scores_of_another_supernet_are_refused(
    tables: tuple[str, str], trained: Path, tmp_path: Path
) -> None:
    for path in trained.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    request = BenchRequest(Path(tables[0]), Path(tables[1]), trained=tmp_path)
    write_scores(tmp_path, "1" * 64)
    with pytest.raises(BadInput, match="different supernets"):
        bench.bench(request, NullReporter())
    write_scores(tmp_path, SHA, 5)
    with pytest.raises(BadInput, match="5 scores"):
        bench.bench(request, NullReporter())
