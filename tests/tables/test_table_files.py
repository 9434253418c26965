from __future__ import annotations

import contextlib
import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sgnas_deploy import tables
from sgnas_deploy.errors import BadInput
from sgnas_deploy.tables import codec
from sgnas_deploy.tables.format import LatencyTable
from tests.tables import synthetic

FILE = tables.encode(synthetic.table())
RAW: dict[str, Any] = json.loads(FILE)
PART = synthetic.part(synthetic.table(), 120)
FILES = {FILE: synthetic.table(), tables.encode(PART): PART}
OLD = Path(__file__).parent / "old"
SCHEMA = Path(__file__).parents[2] / "lut_data/schema/latency-table.v2.json"

positive = st.floats(1e-9, 10.0)
texts = st.dictionaries(st.text(max_size=8), st.text(max_size=12), max_size=3)
few = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def save(tmp_path: Path, raw: dict[str, Any], checksum: bool = True) -> Path:
    path = tmp_path / "t.json"
    if checksum:
        raw = {**raw, codec.CHECKSUM: codec._checksum(raw)}
    path.write_text(json.dumps(raw))
    return path


def read_or_refused(path: Path) -> LatencyTable | None:
    """The table, None where it is refused; anything but a refusal is a failure."""
    with contextlib.suppress(BadInput):
        return tables.read(path)
    return None


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "t.json"
    digest = tables.write(path, synthetic.table())
    assert tables.read(path) == synthetic.table()
    assert digest == tables.sha256(path)
    assert [p.name for p in path.parent.iterdir()] == ["t.json"]


@few
@given(
    samples=st.lists(positive, min_size=1, max_size=5),
    warnings=st.lists(st.text(max_size=20), max_size=3),
    texts=texts,
    seed=st.integers(0, 3),
)
def test_round_trip(
    tmp_path: Path,
    samples: list[float],
    warnings: list[str],
    texts: dict[str, str],
    seed: int,
) -> None:
    table = synthetic.table(seed=seed)
    key = next(iter(table.blocks))
    entry = table.blocks[key].model_copy(
        update={"samples_s": (tuple(samples),), "inner_loops": (1,), "warmup_runs": (0,)}
    )
    table = table.model_copy(
        update={
            "blocks": {**table.blocks, key: entry},
            "warnings": tuple(warnings),
            "environment": texts,
        }
    )
    path = tmp_path / "t.json"
    tables.write(path, table)
    assert tables.read(path) == table


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_a_damaged_file_is_refused_or_means_the_same(tmp_path: Path, data: st.DataObject) -> None:
    whole = data.draw(st.sampled_from(list(FILES)))
    at = data.draw(st.integers(0, len(whole) - 1))
    kind = data.draw(st.sampled_from(["change", "insert", "delete", "cut", "double"]))
    byte = bytes([data.draw(st.integers(0, 255))])
    length = data.draw(st.integers(1, 60))
    mutated = {
        "change": whole[:at] + byte + whole[at + 1 :],
        "insert": whole[:at] + byte + whole[at:],
        "delete": whole[:at] + whole[at + length :],
        "cut": whole[:at],
        "double": whole[: at + length] + whole[at:],
    }[kind]
    path = tmp_path / "t.json"
    path.write_bytes(mutated)
    found = read_or_refused(path)
    assert found is None or found == FILES[whole]


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=6),
    st.just([]),
    st.just({}),
    st.just([[]]),
    st.lists(st.floats(-1, 1), max_size=3),
)


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_a_forged_value_is_refused_or_valid(tmp_path: Path, data: st.DataObject) -> None:
    """The checksum is right, the value is anything: only what the format allows gets through."""
    raw = json.loads(data.draw(st.sampled_from(list(FILES))))
    node: Any = raw
    while True:
        step = data.draw(
            st.sampled_from(sorted(node))
            if isinstance(node, dict)
            else st.integers(0, len(node) - 1)
        )
        if isinstance(node[step], (dict, list)) and node[step] and data.draw(st.booleans()):
            node = node[step]
            continue
        if data.draw(st.booleans()) and isinstance(node, dict):
            del node[step]
        else:
            node[step] = data.draw(VALUES)
        break
    path = save(tmp_path, raw)
    found = read_or_refused(path)
    if found is None:
        return
    written = json.loads(tables.encode(found))
    kept = {k: v for k, v in raw.items() if k != codec.CHECKSUM}
    for name, value in kept.items():
        assert written[name] == value
    for entry in found.blocks.values():
        assert all(0 < s < 3600 for part in entry.samples_s for s in part)
    for estimate in found.estimates.values():
        assert 0 < estimate.cost_s < 3600
    # Whatever is accepted can be used, or says why not.
    with contextlib.suppress(BadInput):
        assert np.isfinite(tables.predictor(found).range_s).all()


def test_an_edited_number_is_noticed(tmp_path: Path) -> None:
    raw = copy.deepcopy(RAW)
    next(iter(raw["blocks"].values()))["samples_s"][0][0] *= 2
    with pytest.raises(BadInput, match="checksum"):
        tables.read(save(tmp_path, raw, checksum=False))


def _set(name: str, value: object) -> dict[str, Any]:
    return {**copy.deepcopy(RAW), name: value}


def _without_block() -> dict[str, Any]:
    raw = copy.deepcopy(RAW)
    raw["blocks"].popitem()
    return raw


def _foreign_block() -> dict[str, Any]:
    raw = copy.deepcopy(RAW)
    raw["blocks"]["stem_i99_c3-16-16_s1_relu6"] = next(iter(raw["blocks"].values()))
    return raw


def _entry(**changes: object) -> dict[str, Any]:
    raw = copy.deepcopy(RAW)
    next(iter(raw["blocks"].values())).update(changes)
    return raw


def _estimates(count: int = 500) -> dict[str, Any]:
    """Estimates of the last blocks."""
    found = {key: {"cost_s": 1e-5, "error": 0.1} for key in list(RAW["blocks"])[-count:]}
    return found if count < 500 else {k: found[k] for k in list(found)[100:]}


def _estimated(**changes: Any) -> dict[str, Any]:
    raw = copy.deepcopy(RAW)
    raw["estimates"] = _estimates()
    raw["estimation"] = {
        "method": "features",
        "sources": [],
        "measured": 100,
        "error": 0.1,
        "largest": 0.2,
    }
    for key in raw["estimates"]:
        del raw["blocks"][key]
    return {**raw, **changes}


def _twice() -> dict[str, Any]:
    raw = copy.deepcopy(RAW)
    raw["networks"].append(raw["networks"][0])
    return raw


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (_set("space", "moon"), "unknown space"),
        (_set("space", "tiny+c10"), "spelled"),
        (_set("space", "imagenet"), "options"),
        (_set("space", "tiny+c20"), "missing"),
        (_set("networks", RAW["networks"][:3]), "at least 4"),
        (_set("created", "yesterday"), "UTC"),
        (_set("created", "2026-13-01T00:00:00Z"), "does not match format"),
        (_set("batch", 0), "batch"),
        (_set("batch", "1"), "batch"),
        (_set("device", "../../etc"), "device"),
        (_set("surprise", 1), "surprise"),
        (_without_block(), "1 blocks are missing"),
        (_foreign_block(), "not the space's"),
        (_entry(macs=1), "macs"),
        (_entry(weight_bytes=1), "weight_bytes"),
        (_entry(samples_s=[[0.0]]), "greater than 0"),
        (_entry(samples_s=[[-1.0]]), "greater than 0"),
        (_entry(samples_s=[]), "at least 1"),
        (_entry(samples_s=[[1.0]]), "differ in length"),
        (_twice(), "stands twice"),
        (_set("blocks", {}), "at least 1"),
        (_set("estimates", _estimates(1)), "measured and estimated"),
        (_estimated(estimation=None), "go together"),
        ({**_estimated(), "estimates": {}}, "missing"),
        (_estimated(estimates={**_estimates(), "x": {"cost_s": 1.0, "error": 0.1}}), "not the"),
        (_estimated(estimates={k: {**v, "cost_s": 0.0} for k, v in _estimates().items()}), "0"),
        (_estimated(estimates={k: {**v, "error": -1.0} for k, v in _estimates().items()}), "0"),
    ],
)
def test_what_is_not_consistent_is_refused(tmp_path: Path, raw: dict[str, Any], said: str) -> None:
    with pytest.raises(BadInput, match="not a valid latency table") as caught:
        tables.read(save(tmp_path, raw))
    assert said in caught.value.message


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "not a valid"),
        (b"\xff\xfe", "not a valid"),
        (b"[" * 100_000, "not a valid"),
        (b"[]", "is no latency table"),
        (b'{"kind": "sgnas-workspace"}', "is no latency table"),
        (b'{"kind": "sgnas-latency-table"}', "schema_version is None"),
        (b'{"kind": "sgnas-latency-table", "schema_version": true}', "schema_version is True"),
        (b'{"kind": "sgnas-latency-table", "schema_version": 0}', "schema_version is 0"),
        (b'{"kind": "sgnas-latency-table", "schema_version": 1, "x": NaN}', "no number"),
        (b'{"kind": "sgnas-latency-table", "schema_version": 1, "x": 1e999}', "damaged"),
        (b'{"kind": "sgnas-latency-table", "kind": "sgnas-latency-table"}', "stands twice"),
        (b'{"kind": ' + b"9" * 5000 + b"}", "not a valid"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "t.json"
    path.write_bytes(content)
    with pytest.raises(BadInput, match=said):
        tables.read(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot read"):
        tables.read(tmp_path / "nothing.json")
    with pytest.raises(BadInput, match="cannot read"):
        tables.read(tmp_path)


def test_a_newer_version_asks_for_an_upgrade(tmp_path: Path) -> None:
    path = save(tmp_path, _set("schema_version", 3))
    for function in (tables.read, tables.migrate):
        with pytest.raises(BadInput, match="newer") as caught:
            function(path)
        assert "upgrade" in (caught.value.cure or "")


def test_an_older_version_names_the_migration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(BadInput, match="old version 1") as caught:
        codec.read(OLD / "v1.json")
    assert caught.value.cure == f"bring it up to date with: sgnas lut migrate {OLD / 'v1.json'}"
    path = tmp_path / "t.json"
    tables.write(path, synthetic.table())
    monkeypatch.setattr(codec, "SCHEMA_VERSION", 4)
    with pytest.raises(BadInput, match="nothing leads on"):
        codec.migrate(path)


@pytest.mark.parametrize("path", sorted(OLD.glob("v*.json")), ids=lambda path: path.stem)
def test_a_real_file_of_every_old_version_can_be_migrated(path: Path) -> None:
    raw = json.loads(path.read_text())
    table = codec.migrate(path)
    assert codec.version_of(path) == raw["schema_version"]
    assert f"v{raw['schema_version']}" == path.stem
    assert table.created == raw["created"]
    for key, entry in table.blocks.items():
        assert [list(part) for part in entry.samples_s] == raw["blocks"][key]["samples_s"]
    assert [list(n.options) for n in table.networks] == [n["options"] for n in raw["networks"]]
    assert tables.predictor(table).margin < 0.25


def test_there_is_a_file_and_a_schema_of_every_old_version() -> None:
    for version in range(1, tables.SCHEMA_VERSION):
        assert (OLD / f"v{version}.json").is_file()
        assert (SCHEMA.parent / f"latency-table.v{version}.json").is_file()
        assert version in codec.MIGRATIONS


def test_migrations_are_chained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(tmp_path, _set("schema_version", 1))
    seen: list[int] = []

    def step(raw: dict[str, Any]) -> dict[str, Any]:
        seen.append(raw["schema_version"])
        return {**raw, "warnings": [*raw["warnings"], "moved"]}

    validated: list[dict[str, Any]] = []

    def validate(path: Path, raw: dict[str, Any]) -> LatencyTable:
        validated.append(raw)
        return synthetic.table()

    monkeypatch.setattr(codec, "SCHEMA_VERSION", 3)
    monkeypatch.setattr(codec, "MIGRATIONS", {1: step, 2: step})
    monkeypatch.setattr(codec, "_validate", validate)
    codec.migrate(path)
    assert seen == [1, 2]
    assert validated[0]["warnings"] == ["moved", "moved"]
    assert validated[0]["schema_version"] == 3


def test_a_present_table_needs_no_migration(tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    tables.write(path, synthetic.table())
    assert tables.migrate(path) == synthetic.table()


def test_the_published_schema_is_current() -> None:
    written = json.loads(SCHEMA.read_text())
    assert written == tables.json_schema(), (
        "run: python -c 'from pathlib import Path; from sgnas_deploy import tables; "
        'tables.write_json_schema(Path("lut_data/schema"))\''
    )


def test_the_schema_names_what_a_file_holds() -> None:
    schema = tables.json_schema()
    assert set(schema["properties"]) == set(RAW)
    assert set(schema["required"]) <= set(RAW)


def test_name_follows_the_contract() -> None:
    assert synthetic.table().name == "tiny--cpu--onnxruntime-fp32-b1-t1"


def test_a_file_is_compact() -> None:
    big = tables.encode(synthetic.table("imagenet", passes=4))
    assert len(big) < 1_500_000
