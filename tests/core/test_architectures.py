from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgnas_deploy import architectures, files
from sgnas_deploy.architectures import Architecture, ArchitectureFile, Budgeted
from sgnas_deploy.errors import BadInput

OPTIONS = st.tuples(*[st.integers(0, 82)] * 6)
BUDGETED = st.none() | st.builds(
    Budgeted,
    budget_s=st.floats(1e-6, 10),
    percentile=st.floats(1, 99),
    predicted_s=st.floats(1e-6, 10),
    margin=st.floats(0, 0.5),
    scores=st.sampled_from(["generator", "macs"]),
    score=st.floats(-1e6, 1e12),
    table_sha256=st.just("0" * 64),
    generator_sha256=st.none(),
)


@given(OPTIONS, BUDGETED)
def test_files_keep_every_value(options: tuple[int, ...], budgeted: Budgeted | None) -> None:
    value = architectures.describe("a", Architecture("tiny", options), budgeted)
    again = ArchitectureFile.model_validate_json(value.model_dump_json())
    assert again == value
    assert again.architecture == Architecture("tiny", options)


@given(OPTIONS, OPTIONS)
def test_the_id_stands_for_the_value(first: tuple[int, ...], second: tuple[int, ...]) -> None:
    a, b = Architecture("tiny", first), Architecture("tiny", second)
    assert (a.id == b.id) == (a == b)


def test_a_space_has_one_spelling() -> None:
    with pytest.raises(BadInput, match="spelled"):
        Architecture("tiny+se+hswish", (0,) * 6)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("options", [0] * 5),
        ("options", [99] + [0] * 5),
        ("space", "moon"),
        ("schema_version", 2),
        ("kind", "sgnas-table"),
        ("name", ""),
        ("macs", None),
    ],
)
def test_a_bad_file_is_refused_with_its_path(tmp_path: Path, field: str, value: object) -> None:
    good = architectures.describe("a", Architecture("tiny", (0,) * 6))
    content = json.loads(good.model_dump_json())
    content[field] = value
    path = tmp_path / "a.json"
    path.write_text(json.dumps(content))
    with pytest.raises(BadInput, match=r"a\.json"):
        architectures.read(path)


def test_reading_what_was_written(tmp_path: Path) -> None:
    value = architectures.describe("a", Architecture("tiny", (5,) * 6))
    files.write_model(tmp_path / "a.json", value)
    assert architectures.read(tmp_path / "a.json") == value
