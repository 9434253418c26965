from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from sgnas_deploy import shipped, tables
from sgnas_deploy.errors import BadInput, EnvironmentProblem, NotBuiltYet
from sgnas_deploy.pipeline import lut
from sgnas_deploy.tables.checking import fresh_networks
from tests.fakes.device import Disturbance, FakeDevice
from tests.tables import synthetic
from tests.tables.conftest import NOISY, Listener, Profiled

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


# --- check


def test_check_of_a_good_table_passes(profiled: Profiled, listener: Listener) -> None:
    device = FakeDevice(disturbance=NOISY, seed=9)
    request = lut.CheckRequest(workdir=profiled.workdir, networks=12)
    found = lut.check(request, listener, device)
    assert found.passed
    assert found.networks == len(found.points) == 12
    assert found.table.mape < 0.02
    assert found.table.spearman > 0.97
    assert found.table.mape < found.macs.mape < found.constant.mape
    assert found.constant.spearman == 0
    assert 0 < found.repeat.mape < 0.02
    measured = [m for _, m in found.points]
    low, high = profiled.result.fastest_s, profiled.result.slowest_s
    assert min(measured) < low + 0.15 * (high - low)
    assert max(measured) > low + 0.85 * (high - low)


def test_check_of_a_device_that_became_slower_fails(profiled: Profiled, listener: Listener) -> None:
    slow = FakeDevice(disturbance=Disturbance(throttle_after_s=0.0, throttle_factor=1.5))
    request = lut.CheckRequest(workdir=profiled.workdir, lut=NAME, networks=4)
    found = lut.check(request, listener, slow)
    assert not found.passed
    assert found.table.bias == pytest.approx(-1 / 3, abs=0.03)


def test_check_never_uses_calibration_networks(profiled: Profiled) -> None:
    table = profiled.table
    found = fresh_networks(table, 60, seed=1)
    assert len(set(found)) == 60
    assert not set(found) & {network.options for network in table.networks}
    assert found == fresh_networks(table, 60, seed=1)


@pytest.mark.parametrize(
    ("device", "named"),
    [
        (FakeDevice(machine={"cpu": "other", "kernel": "1"}), "cpu (fake then, other now)"),
        (FakeDevice(settings={"runtime": "fake", "spin": "0"}), "spin (nothing then, 0 now)"),
    ],
)
def test_check_on_another_machine_is_refused(
    profiled: Profiled, device: FakeDevice, named: str
) -> None:
    with pytest.raises(EnvironmentProblem) as caught:
        lut.check(lut.CheckRequest(workdir=profiled.workdir, networks=2), Listener(), device)
    assert named.replace("nothing", "(nothing)") in caught.value.message


def test_check_refuses_what_cannot_be(workdir: Path) -> None:
    with pytest.raises(BadInput, match="--networks"):
        lut.check(lut.CheckRequest(workdir=workdir, networks=1), Listener(), FakeDevice())
    with pytest.raises(BadInput, match="percentile"):
        lut.check(lut.CheckRequest(workdir=workdir, percentile=0), Listener(), FakeDevice())
    gpu = synthetic.table().model_copy(update={"device": "gpu", "backend": "tensorrt"})
    tables.write(workdir / "luts" / f"{gpu.name}.json", gpu)
    with pytest.raises(BadInput, match="more than one"):
        lut.check(lut.CheckRequest(workdir=workdir), Listener())
    with pytest.raises(NotBuiltYet, match="gpu"):
        lut.check(lut.CheckRequest(workdir=workdir, lut=gpu.name), Listener())


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


# --- migrate


def test_migrate_of_a_present_table_changes_nothing(workdir: Path) -> None:
    path = workdir / "luts" / f"{NAME}.json"
    before = path.read_bytes()
    assert lut.migrate(workdir, NAME) == path
    assert path.read_bytes() == before


def test_results_are_json(workdir: Path, profiled: Profiled) -> None:
    for result in (lut.show(workdir, NAME), profiled.result):
        assert json.loads(result.model_dump_json())
