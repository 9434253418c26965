from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from sgnas_deploy import shipped, spaces, tables
from sgnas_deploy.blocks import macs as block_macs
from sgnas_deploy.errors import BadInput
from sgnas_deploy.pipeline import lut
from sgnas_deploy.tables.exporting import FileForm
from tests.tables import synthetic
from tests.tables.conftest import Profiled

OLD = Path(__file__).parent / "old"
NAME = "tiny--cpu--onnxruntime-fp32-b1-t1"


@pytest.fixture
def workdir(tmp_path: Path) -> Path:
    tables.write(tmp_path / "luts" / f"{NAME}.json", synthetic.table())
    return tmp_path


# --- show


def test_show_summarises_a_named_table(workdir: Path) -> None:
    (found,) = lut.show(workdir, NAME).tables
    assert found.path == workdir / "luts" / f"{NAME}.json"
    assert found.sha256 == tables.sha256(found.path)
    assert (found.space, found.form, found.blocks, found.networks) == ("tiny", "concat", 500, 9)
    assert found.range_s == tables.predictor(synthetic.table()).range_s
    assert 0.005 < found.noise < 0.02


def test_show_lists_the_workspace_and_what_is_shipped(
    workdir: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    here = tmp_path_factory.mktemp("shipped") / "here.json"
    tables.write(here, synthetic.table(seed=1))
    monkeypatch.setattr(shipped, "tables", lambda: (here,))
    (workdir / "luts" / "broken.json").write_text("{}")
    (workdir / "luts" / "other.journal.jsonl").write_text("")
    found = lut.show(workdir, None)
    assert [table.path for table in found.tables] == [workdir / "luts" / f"{NAME}.json", here]
    assert len(found.warnings) == 1
    assert "broken.json" in found.warnings[0]
    (named,) = lut.show(workdir, "here").tables
    assert named.path == here


def test_show_of_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shipped, "tables", tuple)
    assert lut.show(tmp_path, None).tables == ()
    with pytest.raises(BadInput, match="there is no table"):
        lut.show(tmp_path, "nothing")


def test_every_shipped_table_can_be_used() -> None:
    for path in shipped.tables():
        table = tables.read(path)
        assert path.name == f"{table.name}.json"
        assert tables.predictor(table).margin < 0.25


# --- diff


def test_diff_names_settings_and_compares_blocks(workdir: Path) -> None:
    a = synthetic.table(noise=0.0)
    slower = {
        key: entry.model_copy(
            update={"samples_s": tuple(tuple(2 * s for s in p) for p in entry.samples_s)}
        )
        for key, entry in a.blocks.items()
    }
    b = a.model_copy(update={"blocks": slower, "form": "sum", "settings": {"runtime": "x"}})
    tables.write(workdir / "a.json", a)
    tables.write(workdir / "b.json", b)
    found = lut.diff(workdir, str(workdir / "a.json"), str(workdir / "b.json"))
    assert found.ratios == pytest.approx((2, 2, 2, 2, 2))
    assert (found.common, found.only_first, found.only_second) == (500, 0, 0)
    assert found.settings == (
        ("form", "concat", "sum"),
        ("settings.runtime", "fake", "x"),
        ("settings.threads", "1", "(nothing)"),
    )


def test_diff_of_different_spaces(workdir: Path) -> None:
    tables.write(workdir / "b.json", synthetic.table("tiny+r64"))
    found = lut.diff(workdir, NAME, str(workdir / "b.json"))
    assert found.common + found.only_first == 500
    assert found.common + found.only_second == 500
    assert ("space", "tiny", "tiny+r64") in found.settings
    assert (found.ratios is None) == (found.common == 0)


# --- merge


def test_merge_pools_samples(workdir: Path) -> None:
    first, second = synthetic.table(seed=0), synthetic.table(seed=3)
    # Same networks, other samples.
    networks = tuple(
        n.model_copy(update={"options": m.options})
        for n, m in zip(second.networks[:5], first.networks[:5], strict=True)
    ) + tuple(second.networks[5:8])
    second = second.model_copy(update={"networks": networks, "created": "2026-02-01T00:00:00Z"})
    tables.write(workdir / "b.json", second)
    out = workdir / "out.json"
    result = lut.merge(workdir, (NAME, str(workdir / "b.json")), out)
    merged = tables.read(out)
    assert result.sha256 == tables.sha256(out)
    assert (result.blocks, result.networks) == (500, len(merged.networks))
    for key, entry in merged.blocks.items():
        assert entry.samples_s == first.blocks[key].samples_s + second.blocks[key].samples_s
    assert merged.networks[0].samples_s == (
        first.networks[0].samples_s + second.networks[0].samples_s
    )
    expected = {n.options for n in first.networks} | {n.options for n in second.networks}
    assert {n.options for n in merged.networks} == expected
    assert merged.created == "2026-02-01T00:00:00Z"


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"form": "sum"}, "form (concat / sum)"),
        ({"threads": 2}, "threads (1 / 2)"),
        ({"batch": 2}, "batch (1 / 2)"),
        ({"backend": "null"}, "backend (onnxruntime / null)"),
        ({"environment": {"cpu": "x"}}, "environment.cpu (fake / x)"),
        (
            {"settings": {"runtime": "y"}},
            "settings.runtime (fake / y), settings.threads (1 / (nothing))",
        ),
    ],
)
def test_merge_refuses_what_does_not_compare(
    workdir: Path, changes: dict[str, object], named: str
) -> None:
    tables.write(workdir / "b.json", synthetic.table(seed=3).model_copy(update=changes))
    with pytest.raises(BadInput, match="cannot be merged") as caught:
        lut.merge(workdir, (NAME, str(workdir / "b.json")), workdir / "out.json")
    assert named in caught.value.message
    assert not (workdir / "out.json").exists()


def test_merge_refuses_one_table_and_the_same_twice(workdir: Path) -> None:
    with pytest.raises(BadInput, match="two tables"):
        lut.merge(workdir, (NAME,), workdir / "out.json")
    shutil.copy(workdir / "luts" / f"{NAME}.json", workdir / "copy.json")
    with pytest.raises(BadInput, match="twice"):
        lut.merge(workdir, (NAME, str(workdir / "copy.json")), workdir / "out.json")


def test_merge_refuses_estimates(workdir: Path) -> None:
    tables.write(workdir / "b.json", synthetic.part(synthetic.table(seed=3), 100))
    with pytest.raises(BadInput, match="not measured"):
        lut.merge(workdir, (NAME, str(workdir / "b.json")), workdir / "out.json")


def test_estimates_are_summarised_and_not_compared(workdir: Path) -> None:
    path = workdir / "b.json"
    tables.write(path, synthetic.part(synthetic.table(seed=3), 100))
    (found,) = lut.show(workdir, str(path)).tables
    assert (found.blocks, found.estimated, found.estimate_method) == (100, 400, "features")
    assert found.estimate_error is not None
    assert 0 < found.estimate_error < 0.1
    compared = lut.diff(workdir, NAME, str(path))
    assert (compared.common, compared.only_first, compared.only_second) == (100, 400, 0)


# --- migrate


def test_migrate_of_a_present_table_changes_nothing(workdir: Path) -> None:
    path = workdir / "luts" / f"{NAME}.json"
    before = path.read_bytes()
    found = lut.migrate(workdir, NAME)
    assert (found.table, found.before, found.now) == (path, 2, 2)
    assert found.sha256 == tables.sha256(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("out", [None, "new.json"])
def test_migrate_of_an_old_table(workdir: Path, out: str | None) -> None:
    path = workdir / "luts" / "old.json"
    shutil.copy(OLD / "v1.json", path)
    target = workdir / out if out else None
    found = lut.migrate(workdir, "old", target)
    assert (found.table, found.before, found.now) == (target or path, 1, 2)
    assert found.sha256 == tables.sha256(found.table)
    table = tables.read(found.table)
    assert (len(table.blocks), table.estimates, table.estimation) == (500, {}, None)
    if target:
        assert path.read_bytes() == (OLD / "v1.json").read_bytes()


# --- export


def rows(text: str, form: str) -> list[dict[str, str]]:
    if form == "csv":
        return list(csv.DictReader(io.StringIO(text)))
    return [{k: str(v) for k, v in row.items()} for row in json.loads(text)]


@pytest.mark.parametrize("form", ["csv", "json"])
def test_export_of_layers_adds_up_to_the_prediction(workdir: Path, form: FileForm) -> None:
    out = workdir / "deep" / "costs"
    result = lut.export(workdir, NAME, out, "layers", form)
    found = rows(out.read_text(), form)
    space = spaces.load("tiny")
    assert result.rows == len(found) == 1 + sum(space.option_counts)
    cost_s = {(int(r["decision"]), int(r["option"])): float(r["cost_s"]) for r in found}
    options = space.sample(np.random.default_rng(0))
    total = cost_s[-1, 0] + sum(cost_s[pair] for pair in enumerate(options))
    predictor = tables.predictor(synthetic.table())
    assert float(predictor.latency_s(total)) == pytest.approx(predictor.predict_s(options))
    macs = sum(int(r["macs"]) for r in found if (int(r["decision"]), int(r["option"])) == (-1, 0))
    assert macs == sum(block_macs(block) for block in space.fixed_blocks())


def test_export_of_blocks_marks_estimates(workdir: Path) -> None:
    part = synthetic.part(synthetic.table(), 100)
    tables.write(workdir / "part.json", part)
    lut.export(workdir, str(workdir / "part.json"), workdir / "b.csv", "blocks", "csv")
    found = {row["block"]: row for row in rows((workdir / "b.csv").read_text(), "csv")}
    assert len(found) == 500
    for key, row in found.items():
        assert (row["measured"] == "1") == (key in part.blocks)
        assert (float(row["error"]) > 0) == (key in part.estimates)
        if key in part.estimates:
            assert float(row["time_s"]) == part.estimates[key].cost_s


def test_export_of_networks(workdir: Path) -> None:
    lut.export(workdir, NAME, workdir / "n.json", "networks", "json")
    found = json.loads((workdir / "n.json").read_text())
    assert len(found) == 9
    for row, network in zip(found, synthetic.table().networks, strict=True):
        assert row["options"] == " ".join(map(str, network.options))
        assert row["low_s"] < row["median_s"]
        assert row["predicted_median_s"] == pytest.approx(row["median_s"], rel=0.05)


def test_export_refuses_the_unknown(workdir: Path) -> None:
    with pytest.raises(BadInput, match="part"):
        lut.export(workdir, NAME, workdir / "x", "all", "csv")  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="format"):
        lut.export(workdir, NAME, workdir / "x", "blocks", "xml")  # type: ignore[arg-type]
    assert not (workdir / "x").exists()


def test_results_are_json(workdir: Path, profiled: Profiled) -> None:
    for result in (lut.show(workdir, NAME), profiled.result):
        assert json.loads(result.model_dump_json())
