"""Batches depend on seed, epoch and step alone; augmentation does what it says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from sgnas_deploy import data
from sgnas_deploy.data import ArrayImages, DataSet, Preprocessing
from sgnas_deploy.errors import BadInput
from sgnas_deploy.training import augment, feed


def small(n: int = 20, side: int = 16, flip: bool = True) -> DataSet:
    rng = np.random.default_rng(0)
    images = ArrayImages(rng.integers(0, 256, (n, side, side, 3), np.uint8), np.arange(n) % 2)
    made = Preprocessing(resolution=16, crop=1.0, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))
    return DataSet("small", ("a", "b"), images, images, "0", made, flip)


def all_of(found: feed.Feed, epoch: int, start: int = 0) -> list[tuple[torch.Tensor, torch.Tensor]]:
    return list(found.batches(epoch, start))


@pytest.mark.parametrize("augmentation", ["affine", "crop", "timm"])
def test_a_resumed_epoch_sees_the_same_batches(augmentation: str) -> None:
    whole = all_of(feed.make(small(), None, 6, augmentation, 1, workers=0), 3)
    rest = all_of(feed.make(small(), None, 6, augmentation, 1, workers=0), 3, start=1)
    assert len(whole) == 3
    for (a, x), (b, y) in zip(whole[1:], rest, strict=True):
        assert a.shape == (6, 3, 16, 16)
        assert a.dtype == torch.float32
        assert torch.equal(a, b)
        assert torch.equal(x, y)


@pytest.mark.parametrize("augmentation", ["affine", "crop", "timm"])
def test_epochs_and_seeds_differ(augmentation: str) -> None:
    made = feed.make(small(), None, 6, augmentation, 1, "rand-m5", 0.3, workers=0)
    other = feed.make(small(), None, 6, augmentation, 2, "rand-m5", 0.3, workers=0)
    first = all_of(made, 0)[0][0]
    assert not torch.equal(first, all_of(made, 1)[0][0])
    assert not torch.equal(first, all_of(other, 0)[0][0])


def test_an_epoch_is_each_image_at_most_once() -> None:
    pixels = np.arange(20, dtype=np.uint8)[:, None, None, None] * np.ones((16, 16, 3), np.uint8)
    images = ArrayImages(pixels, np.arange(20))
    made = Preprocessing(resolution=16, crop=1.0, mean=(0, 0, 0), std=(1 / 255,) * 3)
    source = DataSet("x", ("a", "b"), images, images, "0", made, flip=False)
    chosen = np.array([1, 3, 5, 7, 9, 11, 13])
    seen = []
    for x, y in all_of(feed.make(source, chosen, 3, "crop", 0), 0):
        # All pixels of an image are its index, so images and labels can be compared.
        assert torch.equal(x[:, 0, 0, 0].round().long(), y)
        seen += y.tolist()
    assert len(seen) == len(set(seen)) == 6
    assert set(seen) <= set(chosen.tolist())


def test_a_batch_is_never_larger_than_the_data() -> None:
    made = feed.make(small(5), None, 64, "crop", 0)
    assert made.steps == 1
    assert len(all_of(made, 0)[0][0]) == 5
    with pytest.raises(BadInput, match="at least 2"):
        feed.make(small(5), np.array([1]), 64, "crop", 0)


def test_crop_flips_only_where_allowed() -> None:
    pixels = np.zeros((64, 16, 16, 3), np.uint8)
    pixels[:, :, :8] = 200
    without = augment.crop(pixels, np.random.default_rng(0), flip=False)
    assert (without[:, :, 0] == 200).all()
    mirrored = (augment.crop(pixels, np.random.default_rng(0), flip=True)[:, 0, 0, 0] == 0).mean()
    assert 0.25 < mirrored < 0.75


def test_affine_moves_a_little_and_fills_with_black() -> None:
    pixels = np.full((32, 16, 16, 3), 100, np.uint8)
    found = augment.affine(pixels, np.random.default_rng(0))
    assert found.shape == pixels.shape
    np.testing.assert_allclose(found[:, 4:12, 4:12], 100, atol=1e-3)
    assert found.min() == 0
    assert found.max() < 100.01
    assert len({image.tobytes() for image in found}) == 32


def test_photographs_are_decoded_by_workers(tmp_path: Path) -> None:
    for part in ("train", "val"):
        for name in ("a", "b"):
            (tmp_path / part / name).mkdir(parents=True)
            for i in range(3):
                Image.effect_noise((40, 30), 40).save(tmp_path / part / name / f"{i}.png")
    source = data.load(str(tmp_path), 16)
    alone = all_of(feed.make(source, None, 3, "timm", 0, "rand-m9-mstd0.5", workers=0), 0)
    shared = all_of(feed.make(source, None, 3, "timm", 0, "rand-m9-mstd0.5", workers=1), 0)
    assert len(alone) == 2
    for (a, x), (b, y) in zip(alone, shared, strict=True):
        assert torch.equal(a, b)
        assert torch.equal(x, y)
