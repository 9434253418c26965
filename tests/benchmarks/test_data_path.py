"""The benchmark of the data path, small: it makes what it says and counts what it reads."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from benchmarks import data_path
from sgnas_deploy import data


def test_photographs_are_as_large_as_those_of_imagenet(tmp_path: Path) -> None:
    data_path.make_photographs(tmp_path, 16)
    source = data.load(str(tmp_path), data_path.RESOLUTION)
    assert len(source.train) == len(source.val) == 8
    for path in (tmp_path / "train").rglob("*.JPEG"):
        assert 80_000 < path.stat().st_size < 140_000
        with Image.open(path) as image:
            assert image.size == (500, 375)


def test_listing_counts_every_file(tmp_path: Path) -> None:
    found = data_path.listing(tmp_path, 50)
    assert found["files"] == 50 + 4
    assert found["cpu_seconds"] > 0
    # A name of 18 bytes or so, where it ends, and a label; a little for the whole.
    assert 16 < found["index_bytes_a_file"] < 100


@pytest.mark.parametrize("way", [data_path.training, data_path.evaluating])
def test_rates_are_of_all_images(tmp_path: Path, way: object) -> None:
    data_path.make_photographs(tmp_path, 64)
    source = data.load(str(tmp_path), 32)
    assert way(source, 0)(0) == 32  # type: ignore[operator]
    found = data_path.rates(source, [0, 1], 1, way)  # type: ignore[arg-type]
    assert set(found) == {"images_per_s, 0 workers", "images_per_s, 1 workers", "images_per_cpu_s"}
    assert all(len(rates) == 1 and rates[0] > 0 for rates in found.values())
