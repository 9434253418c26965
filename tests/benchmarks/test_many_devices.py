from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import many_devices
from sgnas_deploy import data, supernet, tables
from sgnas_deploy.errors import BadInput
from sgnas_deploy.generator import perturbed
from sgnas_deploy.spaces import load
from sgnas_deploy.training.jobs import generator_job
from tests.generator import trained
from tests.tables import synthetic

TINY = load("tiny")


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "load", lambda spec, resolution: trained.small_data())
    monkeypatch.setattr(torch, "set_flush_denormal", lambda _: True)


def table(folder: Path, device: str, seed: int) -> Path:
    made = synthetic.table("tiny", seed=seed).model_copy(update={"device": device})
    path = folder / f"{made.name}.json"
    tables.write(path, made)
    return path


def flags(folder: Path, *more: str) -> list[str]:
    made = trained.ready(folder / "work")
    weights = supernet.weights_path(made.supernet, TINY)
    paths = [table(folder, name, seed) for seed, name in enumerate(("a", "b", "c"))]
    return [
        *("--train", str(paths[0]), str(paths[1]), "--held-out", str(paths[2])),
        *("--supernet", str(weights), "--data", "small", "--workdir", str(folder / "kept")),
        *("--epochs", "1", "--budgets", "3", "--random", "1", "--perturbed", "4"),
        *("--out", str(folder / "out"), *more),
    ]


def test_a_seed_from_tables_to_regrets(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = flags(tmp_path)
    many_devices.main(asked)
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert [one["kind"] for one in told["points_beside_own"]] == ["measured", "random"]
    assert {one["seeds"] for one in told["means"]} == {1}
    (result,) = (tmp_path / "out").glob("*.json")
    found = json.loads(result.read_text())
    assert [row["device"] for row in found["rows"]] == [
        "tiny--c--onnxruntime-fp32-b1-t1",
        "random-0",
    ]
    assert [one["table"] for one in found["trained_on"]] == [
        "tiny--a--onnxruntime-fp32-b1-t1",
        "tiny--b--onnxruntime-fp32-b1-t1",
    ]
    held_out = many_devices.measured(tmp_path / "tiny--c--onnxruntime-fp32-b1-t1.json")
    row = found["rows"][0]
    for method in many_devices.METHODS:
        assert len(row["by_budget"][method]) == 3
        assert row["accuracy"][method] == pytest.approx(np.mean(row["by_budget"][method]))
        assert 0 <= row["unused"][method] < 0.05
        for budget, options in zip(row["budgets_ms"], row["networks"][method], strict=True):
            assert held_out.model.predict_s(options) <= budget / 1e3
    assert row["same_network_as_own"]["own"] == 1
    page = (tmp_path / "out" / "README.md").read_text()
    assert "| random-0 |" in page
    assert "all measured" in page

    # Nothing is trained twice.
    monkeypatch.setattr(generator_job, "run", lambda *_: pytest.fail("trained again"))
    many_devices.main(asked)
    again = json.loads(result.read_text())
    assert again == found


def test_held_out_tables_are_not_trained_on(tmp_path: Path) -> None:
    asked = flags(tmp_path)
    asked[asked.index("--held-out") + 1] = asked[1]
    with pytest.raises(BadInput, match="trained on and held out"):
        many_devices.main(asked)


def test_held_out_devices_are_not_those_of_a_training(tmp_path: Path) -> None:
    known = [many_devices.measured(table(tmp_path, "a", 0))]
    held_out = many_devices.invented(TINY, known, 3)
    for seed in range(3):
        drawn, _ = perturbed.draw(TINY, [known[0].model], 50, seed)
        for device in held_out:
            costs = np.stack(device.model.option_costs)
            assert not any(np.array_equal(costs, np.stack(one.option_costs)) for one in drawn)
    assert len({device.sha256 for device in held_out}) == 3


def test_differences_are_joined_over_devices() -> None:
    rng = np.random.default_rng(0)
    one, two = (
        {method: rng.random((3, 50)) < 0.5 for method in many_devices.METHODS} for _ in range(2)
    )
    found = many_devices.together([one, two])
    assert found is not None
    own = np.concatenate([one["own"], two["own"]])
    reading = np.concatenate([one["reading"], two["reading"]])
    assert found["accuracy"]["own"] == pytest.approx(100 * own.mean())
    points = found["beside_own"]["reading"]["points"]
    assert points == pytest.approx(100 * (reading.mean() - own.mean()))
    assert many_devices.together([]) is None
