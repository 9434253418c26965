"""The whole benchmark, at a size that says nothing of quality."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("sklearn")

from benchmarks import quality, spare_budget
from benchmarks.quality_parts import proposals, setting
from sgnas_deploy.errors import BadInput
from sgnas_deploy.events import NullReporter
from sgnas_deploy.generator.recipe import Recipe

FLAGS = [
    *("--data", "digits", "--space", "tiny+r16", "--lut", "TABLE", "--budgets", "3"),
    *("--images", "60", "--population", "6", "--generations", "2", "--epochs", "1"),
    *("--generator-epochs", "1", "--also", "paper", "--probes", "12", "--retrain", "5"),
    *("--retrain-epochs", "1", "--workers", "1"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("quality")


@pytest.fixture(scope="module")
def flags(folder: Path) -> list[str]:
    from sgnas_deploy import tables
    from tests.tables import synthetic

    table = synthetic.table("tiny+r16")
    path = folder / f"{table.name}.json"
    tables.write(path, table)
    own = [str(path) if flag == "TABLE" else flag for flag in FLAGS]
    return [*own, "--workdir", str(folder / "work"), "--out", str(folder / "result.json")]


@pytest.fixture(scope="module")
def result(flags: list[str]) -> dict[str, Any]:
    return quality.main(flags)


def test_every_method_keeps_every_budget(result: dict[str, Any]) -> None:
    methods = result["methods"]
    assert {"generator", "generator, paper", "argmax", "free", "macs"} <= methods.keys()
    assert {"random", "evolution", "probes alone", "nothing spent"} <= methods.keys()
    assert len(result["budgets_ms"]) == 3
    for name, method in methods.items():
        for row, budget_ms in zip(method["rows"], result["budgets_ms"], strict=True):
            assert row["budget_ms"] == budget_ms
            assert name == "argmax" or row["predicted_ms"] <= budget_ms
            assert set(row["accuracy"]) == {"looked_at", "unseen"}
            assert all(0 <= share <= 1 for share in row["accuracy"].values())
    assert result["images"] == {"looked_at": 60, "unseen": 299}


def test_searches_report_what_they_looked_at(result: dict[str, Any]) -> None:
    for name in ("random", "evolution"):
        for row, own in zip(result["methods"][name]["rows"], result["searches"][name], strict=True):
            assert own["looked"] == 18
            # The journal's count is what the judge of the final networks finds.
            assert row["accuracy"]["looked_at"] == own["history"][-1] / 60


def test_costs_are_counted(result: dict[str, Any]) -> None:
    methods = result["methods"]
    # 288 images are kept apart: four batches of 64, forward and backward.
    assert methods["generator, paper"]["cost"]["images"] == 3 * 4 * 64
    assert methods["free"]["cost"]["images"] == 3 * 4 * 64
    assert methods["generator"]["cost"]["images"] == 12 * 64
    assert methods["evolution"]["cost"]["images"] == 18 * 60
    assert methods["evolution"]["cost"]["images_all_budgets"] == 3 * 18 * 60
    assert methods["macs"]["cost"]["images"] == 0
    assert result["cost_ratio"]["images"] == 12 * 64 / (18 * 60)
    # 17 batches of 64, one epoch, two sub-networks a step.
    recipe = result["supernet"]["recipe"]
    steps = 1150 // recipe["batch"]
    assert result["supernet"]["cost"]["images"] == 3 * recipe["passes"] * steps * recipe["batch"]


def test_retrained_networks_are_compared(result: dict[str, Any]) -> None:
    networks = result["retrained"]["networks"]
    assert len(networks) == 5
    assert len({tuple(one["options"]) for one in networks}) == 5
    assert {one["band"] for one in networks} == {0, 1, 2}
    for name in ("supernet_ranks_retrained", "macs_rank_retrained"):
        low, high = result["retrained"][name]["kendall_interval"]
        assert -1 <= low <= high <= 1


def test_what_is_written_is_what_is_returned(result: dict[str, Any], folder: Path) -> None:
    written = json.loads((folder / "result.json").read_text())
    assert written == json.loads(json.dumps(result))
    for images in ("looked_at", "unseen"):
        assert (folder / f"result-{images}.svg").read_text().startswith("<svg")
    page = (folder / "README.md").read_text()
    assert "## digits, `tiny+r16`, seed 0" in page
    assert all(f"| {name} |" in page for name in result["methods"])


def test_going_on_ends_with_the_same(
    result: dict[str, Any],
    flags: list[str],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def untouched(*_: object) -> None:
        raise AssertionError("trained again")

    monkeypatch.setattr("sgnas_deploy.training.jobs.generator_job.run", untouched)
    # As if it had been killed while it searched.
    [journal] = (folder / "work").glob("*/right-*.jsonl")
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:2]) + lines[2][:20])
    again = quality.main([*flags, "--out", str(folder / "again" / "result.json")])
    for name, method in result["methods"].items():
        assert again["methods"][name]["rows"] == method["rows"]
    assert again["retrained"] == result["retrained"]
    assert again["searches"] == result["searches"]


def test_what_spare_budget_is_spent_on_is_compared(
    result: dict[str, Any], flags: list[str], folder: Path
) -> None:
    out = folder / "spare.json"
    found = spare_budget.main([*flags, "--out", str(out)])
    assert json.loads(out.read_text()) == found
    assert found["budgets_ms"] == result["budgets_ms"]
    ways = found["ways"]
    assert set(ways) == {"nothing", "operations", "latency"}
    assert ways["nothing"]["used"] <= ways["latency"]["used"] <= 1
    assert ways["nothing"]["macs"] <= ways["operations"]["macs"]
    assert ways["operations"]["minus_operations"]["points"] == 0
    pairs = zip(ways["operations"]["networks"], ways["latency"]["networks"], strict=True)
    rows = found["retrained"]["rows"]
    assert [row["budget"] for row in rows] == [i for i, (a, b) in enumerate(pairs) if a != b]
    assert all(0 <= row["operations_percent"] <= 100 for row in rows)


def test_a_quarter_of_an_evolution_pays_for_so_many_epochs() -> None:
    # CIFAR-10: 1,050 networks of 1,000 images; 10,000 images apart, in batches of 64.
    assert proposals.affordable_epochs(10_000, 64, 1_050_000) == 8
    assert proposals.images_of(Recipe(epochs=8), 10_000) == 8 * 3 * 156 * 64 <= 1_050_000 / 4
    assert proposals.affordable_epochs(288, 64, 1050 * 359) == 50
    assert proposals.affordable_epochs(10_000, 64, 1000) == 1
    assert proposals.images_of(Recipe(taught_by="probes"), 10_000) == 1024 * 64
    assert proposals.images_of(Recipe(taught_by="probes"), 40) == 1024 * 40


def test_only_mixed_spaces() -> None:
    with pytest.raises(BadInput, match="no mixed-kernel space"):
        setting.mixed("nasbench201")


def test_unseen_images_are_those_that_were_not_looked_at(
    result: dict[str, Any], flags: list[str]
) -> None:
    del result
    asked = quality.flags().parse_args(flags)
    own = setting.Setting(
        spec="digits",
        name="digits",
        space=setting.mixed("tiny+r16"),
        workdir=asked.workdir,
        lut=None,
        seed=0,
        budgets=3,
        images=60,
        epochs=1,
        batch=None,
        workers=1,
        reporter=NullReporter(),
    )
    assert len(own.looked_at) == 60
    both = np.concatenate([own.looked_at, own.unseen])
    assert sorted(both.tolist()) == list(range(359))
