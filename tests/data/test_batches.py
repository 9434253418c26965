"""From images to input arrays, and the split."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgnas_deploy import data
from sgnas_deploy.data import ArrayImages, Images, Preprocessing, batches


def preprocessing(resolution: int = 16, crop: float = 1.0) -> Preprocessing:
    return Preprocessing(
        resolution=resolution, crop=crop, mean=(0.5, 0.25, 0.0), std=(0.5, 0.25, 1.0)
    )


def noise(n: int = 3, height: int = 16, width: int = 16) -> ArrayImages:
    pixels = np.random.default_rng(0).integers(0, 256, (n, height, width, 3), np.uint8)
    return ArrayImages(pixels, np.arange(n) % 2)


def test_values_are_normalised_per_channel() -> None:
    images = noise()
    found = batches.to_array(images, [2, 0], preprocessing())
    assert found.shape == (2, 3, 16, 16)
    assert found.dtype == np.float32
    assert found.flags.c_contiguous
    expected = images.image(2) / 255
    for channel, (mean, std) in enumerate([(0.5, 0.5), (0.25, 0.25), (0.0, 1.0)]):
        np.testing.assert_allclose(
            found[0, channel], (expected[..., channel] - mean) / std, atol=1e-5
        )


@given(height=st.integers(1, 70), width=st.integers(1, 70), crop=st.sampled_from([1.0, 0.875]))
def test_any_size_becomes_the_resolution(height: int, width: int, crop: float) -> None:
    image = np.zeros((height, width, 3), np.uint8)
    assert batches.resized(image, preprocessing(24, crop)).shape == (24, 24, 3)


def test_the_crop_is_centred_and_keeps_proportions() -> None:
    image = np.zeros((32, 64, 3), np.uint8)
    image[:, 32:] = 255
    found = batches.resized(image, preprocessing(16))
    assert (found[:, :7] == 0).all()
    assert (found[:, 9:] == 255).all()


def test_images_of_the_right_size_are_not_touched() -> None:
    images = noise()
    assert (batches.resized(images.image(1), preprocessing()) == images.image(1)).all()


class Counting:
    """Counts how often an image is decoded."""

    def __init__(self) -> None:
        self.inner = noise()
        self.decoded = 0

    @property
    def labels(self) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        return self.inner.labels

    def __len__(self) -> int:
        return len(self.inner)

    def image(self, index: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
        self.decoded += 1
        return self.inner.image(index)


@pytest.mark.parametrize(("cache_bytes", "decoded"), [(1 << 20, 2), (10, 4)])
def test_small_sets_are_decoded_once(cache_bytes: int, decoded: int) -> None:
    counting = Counting()
    images: Images = counting
    resized = batches.ResizedImages(images, preprocessing(8), cache_bytes)
    first = resized.pixels(np.array([1, 2]))
    assert (resized.pixels(np.array([1, 2])) == first).all()
    assert counting.decoded == decoded
    assert len(resized) == 3
    assert resized.labels.tolist() == [0, 1, 0]


@given(
    sizes=st.lists(st.integers(1, 40), min_size=1, max_size=5),
    share=st.integers(0, 100).map(lambda percent: percent / 100),
    seed=st.integers(0, 100),
)
def test_the_split_is_stratified_and_complete(sizes: list[int], share: float, seed: int) -> None:
    labels = np.repeat(np.arange(len(sizes)), sizes)
    first, second = data.split(labels, share, seed)
    assert sorted([*first, *second]) == list(range(len(labels)))
    for label, size in enumerate(sizes):
        apart = int((labels[second] == label).sum())
        assert apart == min(round(size * share), size - 1)
    again = data.split(labels, share, seed)
    assert (again[0] == first).all()
    assert (again[1] == second).all()


def test_another_seed_is_another_split() -> None:
    labels = np.zeros(100, np.int64)
    assert (data.split(labels, 0.2, 0)[1] != data.split(labels, 0.2, 1)[1]).any()
