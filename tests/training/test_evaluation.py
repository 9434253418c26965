"""Held-out images: decoded by workers or kept, they are what a deployed network is shown."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from sgnas_deploy import data
from sgnas_deploy.data import DataSet
from sgnas_deploy.data.batches import resized, to_array
from sgnas_deploy.errors import BadInput
from sgnas_deploy.training import evaluation
from sgnas_deploy.training.evaluation import HeldOut
from sgnas_deploy.training.timm_parts import part
from tests.training.sources import photographs

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> DataSet:
    """160 photographs and as many held out, more than a batch, at the resolution of ImageNet."""
    return data.load(str(photographs(tmp_path_factory.mktemp("photos"), 40, classes=4)), 224)


def seen(images: HeldOut) -> tuple[Tensor, Tensor]:
    batches = list(images.batches())
    return torch.cat([inputs for inputs, _ in batches]), torch.cat([y for _, y in batches])


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("cache_bytes", [0, 1 << 30])
def test_inputs_are_those_of_a_deployed_network(
    photos: DataSet, workers: int, cache_bytes: int
) -> None:
    """Bit for bit: `to_array` is what export, runtime and verdict prepare images with."""
    images = HeldOut(photos.val, photos.preprocessing, workers=workers, cache_bytes=cache_bytes)
    some = np.arange(0, len(photos.val), 29)
    expected = to_array(photos.val, some, photos.preprocessing)
    for _ in range(2):
        inputs, labels = seen(images)
        assert labels.tolist() == photos.val.labels.tolist()
        assert inputs.dtype == torch.float32
        np.testing.assert_array_equal(inputs[some].numpy(), expected)


@pytest.mark.parametrize(("resolution", "crop"), [(224, 0.875), (160, 0.875), (192, 0.9), (32, 1)])
def test_inputs_are_those_of_timm(resolution: int, crop: float) -> None:
    """Its transform for evaluation, to the pixel, for sizes whose halves round either way."""
    made = data.Preprocessing(
        resolution=resolution, crop=crop, mean=data.IMAGENET_MEAN, std=data.IMAGENET_STD
    )
    plain = part("data", "create_transform")(
        resolution, is_training=False, crop_pct=crop, mean=(0.0,) * 3, std=(1.0,) * 3
    )
    whole = part("data", "create_transform")(
        resolution, is_training=False, crop_pct=crop, mean=made.mean, std=made.std
    )
    rng = np.random.default_rng(0)
    sizes = [(40, 40), (41, 67), (67, 41), (300, 299), (256, 259), (259, 256), (255, 257), (9, 400)]
    for height, width in sizes:
        pixels = rng.integers(0, 256, (height, width, 3), np.uint8)
        image = Image.fromarray(pixels)
        theirs = (plain(image) * 255).round().byte().permute(1, 2, 0).numpy()
        np.testing.assert_array_equal(resized(pixels, made), theirs)
        images = data.ArrayImages(pixels[None], np.zeros(1, np.int64))
        np.testing.assert_allclose(
            to_array(images, [0], made)[0], whole(image).numpy(), rtol=0, atol=2e-6
        )


def test_accuracy_is_the_share_of_right_answers(photos: DataSet) -> None:
    images = HeldOut(photos.val, photos.preprocessing, workers=0)
    truth = torch.from_numpy(photos.val.labels)
    wrong = torch.arange(len(truth)) % 3 == 0
    answers = torch.where(wrong, (truth + 1) % 4, truth)
    shown: list[int] = []

    def forward(inputs: Tensor) -> Tensor:
        own = answers[sum(shown) : sum(shown) + len(inputs)]
        return torch.nn.functional.one_hot(own, 4).float()

    def constant(inputs: Tensor) -> Tensor:
        return torch.tensor([[0.0, 1, 0, 0]]).expand(len(inputs), 4)

    first, second = evaluation.accuracies([forward, constant], images, CPU, shown.append)
    assert first == pytest.approx(float((~wrong).float().mean()))
    assert second == 0.25
    assert shown == [128, 32]


@pytest.mark.parametrize("cache_bytes", [0, 1 << 30])
def test_a_limit_takes_always_the_same_images(photos: DataSet, cache_bytes: int) -> None:
    made = photos.preprocessing
    whole, _ = seen(HeldOut(photos.val, made, workers=0))
    images = HeldOut(photos.val, made, 20, 0, cache_bytes)
    assert len(images) == len(images.labels) == 20
    inputs, labels = seen(images)
    again, _ = seen(HeldOut(photos.val, made, 20, 0))
    assert torch.equal(inputs, again)
    places = [int((whole == one).flatten(1).all(1).nonzero()[0, 0]) for one in inputs]
    assert places == sorted(places)
    assert labels.tolist() == photos.val.labels[places].tolist()
    assert len(set(labels.tolist())) > 1


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("cache_bytes", [0, 1 << 30])
def test_a_broken_image_is_named(tmp_path: Path, workers: int, cache_bytes: int) -> None:
    """Also from a worker process, without a traceback, and with the cure."""
    source = data.load(str(photographs(tmp_path, 70)), 32)
    broken = tmp_path / "val" / "c1" / "050.jpg"
    broken.write_bytes(broken.read_bytes()[:200])
    images = HeldOut(source.val, source.preprocessing, None, workers, cache_bytes)
    with pytest.raises(BadInput, match=r"cannot read image .*val/c1/050\.jpg") as refused:
        list(images.batches())
    assert refused.value.cure == "repair or remove it"
    assert "Traceback" not in str(refused.value)
