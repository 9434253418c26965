"""Every source of images: what it gives, and what it says when something is wrong."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sgnas_deploy import data
from sgnas_deploy.data.folders import FolderImages
from sgnas_deploy.errors import BadInput


def write_image(path: Path, value: int = 0, size: tuple[int, int] = (20, 12)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (value, 10, 20)).save(path)


def image_folder(root: Path, classes: tuple[str, ...] = ("cat", "ant"), each: int = 2) -> Path:
    for part in ("train", "val"):
        for c, name in enumerate(classes):
            for i in range(each):
                write_image(root / part / name / f"{i}.png", c * 10 + i)
    return root


def cifar_folder(root: Path, batches: int = 2, each: int = 3) -> Path:
    rng = np.random.default_rng(0)
    root.mkdir(parents=True)
    for name in [*(f"data_batch_{i + 1}" for i in range(batches)), "test_batch"]:
        records = rng.integers(0, 256, (each, 3073), np.uint8)
        records[:, 0] = np.arange(each) % 10
        (root / f"{name}.bin").write_bytes(records.tobytes())
    return root


def test_digits() -> None:
    found = data.load("digits", 32)
    assert len(found.train) + len(found.val) == 1797
    assert len(found.val) / 1797 == pytest.approx(0.2, abs=0.001)
    assert found.classes == tuple("0123456789")
    assert not found.flip
    for part in (found.train, found.val):
        shares = np.bincount(part.labels) / len(part)
        assert np.abs(shares - 0.1).max() < 0.005
    image = found.train.image(0)
    assert image.shape == (8, 8, 3)
    assert image.dtype == np.uint8
    assert max(int(found.train.image(i).max()) for i in range(20)) == 255
    assert (image[..., 0] == image[..., 2]).all()


def test_digits_are_the_same_every_time_and_disjoint() -> None:
    first, second = data.load("digits", 32), data.load("digits", 48)
    assert first.fingerprint == second.fingerprint
    assert (first.train.labels == second.train.labels).all()
    assert second.preprocessing.resolution == 48
    train = [first.train.image(i).tobytes() for i in range(len(first.train))]
    val = [first.val.image(i).tobytes() for i in range(len(first.val))]
    assert not set(train) & set(val)


def test_reading_data_imports_no_torch(tmp_path: Path) -> None:
    image_folder(tmp_path)
    code = (
        "import sys; from sgnas_deploy import data; from sgnas_deploy.data import batches\n"
        "for name in ('digits', sys.argv[1]):\n"
        "    d = data.load(name, 16); batches.to_array(d.val, [0], d.preprocessing)\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, timeout=60)


def test_image_folder(tmp_path: Path) -> None:
    found = data.load(str(image_folder(tmp_path)), 224)
    assert found.classes == ("ant", "cat")
    assert found.train.labels.tolist() == [0, 0, 1, 1]
    assert found.val.image(3).shape == (12, 20, 3)
    # Folders are sorted by name: `ant` was written second.
    assert [int(found.train.image(i)[0, 0, 0]) for i in range(4)] == [10, 11, 0, 1]
    assert found.preprocessing.crop == 0.875
    assert data.load(str(tmp_path), 32).preprocessing.crop == 1
    assert found.flip


def test_image_folder_ignores_other_files(tmp_path: Path) -> None:
    image_folder(tmp_path)
    before = data.load(str(tmp_path), 32)
    (tmp_path / "train" / "cat" / "notes.txt").write_text("no image")
    (tmp_path / "train" / ".cache").mkdir()
    (tmp_path / "train" / "cat" / ".hidden.png").write_text("no image")
    after = data.load(str(tmp_path), 32)
    assert len(after.train) == 4
    assert after.fingerprint == before.fingerprint


def test_the_fingerprint_follows_the_listing(tmp_path: Path) -> None:
    before = data.load(str(image_folder(tmp_path)), 32).fingerprint
    write_image(tmp_path / "val" / "cat" / "new.png")
    assert data.load(str(tmp_path), 32).fingerprint != before


def test_the_fingerprint_is_of_names_and_sizes_in_order(tmp_path: Path) -> None:
    """Workspaces keep it: another order or spelling would make every supernet a stranger."""
    image_folder(tmp_path)
    write_image(tmp_path / "train" / "ant" / "Z.png")
    write_image(tmp_path / "train" / "ant" / "ä b.JPEG")
    lines = [
        f"{path.relative_to(tmp_path).as_posix()} {path.stat().st_size}\n"
        for part in ("train", "val")
        for name in ("ant", "cat")
        for path in sorted((tmp_path / part / name).iterdir())
    ]
    expected = hashlib.sha256(b"folders" + "".join(lines).encode()).hexdigest()
    assert data.load(str(tmp_path), 32).fingerprint == expected


def test_files_are_found_again_by_number(tmp_path: Path) -> None:
    image_folder(tmp_path, each=1)
    for name in ("a", "ä ö", "very-long-" * 10, os.fsdecode(b"broken-\xff")):
        write_image(tmp_path / "train" / "cat" / f"{name}.png")
    images = data.load(str(tmp_path), 32).train
    assert isinstance(images, FolderImages)
    found = [images.path(index) for index in range(len(images))]
    expected = [p for c in ("ant", "cat") for p in sorted((tmp_path / "train" / c).iterdir())]
    assert found == expected
    assert all(images.image(index).shape == (12, 20, 3) for index in range(len(images)))
    for index in (-1, len(images)):
        with pytest.raises(IndexError):
            images.path(index)


def test_a_picture_that_is_too_large_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pillow only warns up to twice its limit, and refuses beyond it."""
    images = data.load(str(image_folder(tmp_path)), 32).val
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 200)
    assert images.image(0).shape == (12, 20, 3)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 20)
    with pytest.raises(BadInput, match=r"cannot read image .*val/ant/0\.png"):
        images.image(0)


def test_grey_and_palette_images_become_rgb(tmp_path: Path) -> None:
    image_folder(tmp_path)
    for name, mode in (("grey", "L"), ("palette", "P"), ("alpha", "RGBA")):
        Image.new(mode, (9, 9)).save(tmp_path / "val" / "cat" / f"{name}.png")
    found = data.load(str(tmp_path), 32)
    assert all(found.val.image(i).shape[2] == 3 for i in range(len(found.val)))


def test_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="there is no data folder"):
        data.load(str(tmp_path / "nowhere"), 32)


def test_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="has no folder 'train'"):
        data.load(str(tmp_path), 32)
    (tmp_path / "train").mkdir()
    with pytest.raises(BadInput, match="has no folder 'val'"):
        data.load(str(tmp_path), 32)
    (tmp_path / "val").mkdir()
    with pytest.raises(BadInput, match="has no class folders"):
        data.load(str(tmp_path), 32)


def test_empty_class(tmp_path: Path) -> None:
    image_folder(tmp_path)
    for path in (tmp_path / "train" / "cat").iterdir():
        path.unlink()
    with pytest.raises(BadInput, match=r"cat has no images"):
        data.load(str(tmp_path), 32)


def test_a_link_to_nowhere_is_named(tmp_path: Path) -> None:
    image_folder(tmp_path)
    (tmp_path / "val" / "cat" / "lost.png").symlink_to(tmp_path / "nowhere.png")
    with pytest.raises(BadInput, match=r"cannot read data folder .*lost\.png"):
        data.load(str(tmp_path), 32)


def test_one_class_only(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="one class only, 'cat'"):
        data.load(str(image_folder(tmp_path, ("cat",))), 32)


def test_other_classes_in_val(tmp_path: Path) -> None:
    image_folder(tmp_path)
    (tmp_path / "val" / "cat").rename(tmp_path / "val" / "bat")
    with pytest.raises(BadInput, match=r"class 'bat' .* is in 'val' but not in 'train'"):
        data.load(str(tmp_path), 32)


@pytest.mark.parametrize("content", [b"", b"no image at all", b"\x89PNG\r\n\x1a\n\0\0"])
def test_unreadable_image_is_named(tmp_path: Path, content: bytes) -> None:
    image_folder(tmp_path)
    (tmp_path / "val" / "cat" / "1.png").write_bytes(content)
    found = data.load(str(tmp_path), 32)
    with pytest.raises(BadInput, match=r"cannot read image .*val/cat/1\.png"):
        found.val.image(3)


def test_truncated_image_is_named(tmp_path: Path) -> None:
    image_folder(tmp_path)
    path = tmp_path / "train" / "ant" / "big.jpg"
    Image.effect_noise((64, 64), 50).save(path)
    path.write_bytes(path.read_bytes()[:800])
    found = data.load(str(tmp_path), 32)
    with pytest.raises(BadInput, match=r"cannot read image .*big\.jpg"):
        found.train.image(2)


@pytest.mark.parametrize("within", [".", "cifar-10-batches-bin"])
def test_cifar10(tmp_path: Path, within: str) -> None:
    root = tmp_path / "data"
    folder = cifar_folder(root / within)
    found = data.load(str(root), 32)
    assert len(found.train) == 6
    assert len(found.val) == 3
    assert found.classes[3] == "cat"
    assert found.train.labels.tolist() == [0, 1, 2, 0, 1, 2]
    raw = np.frombuffer((folder / "data_batch_2.bin").read_bytes(), np.uint8)[1:3073]
    assert (found.train.image(3) == raw.reshape(3, 32, 32).transpose(1, 2, 0)).all()


def test_cifar10_names_from_its_meta_file(tmp_path: Path) -> None:
    folder = cifar_folder(tmp_path / "data")
    (folder / "batches.meta.txt").write_text("\n".join(f"thing{i}" for i in range(10)) + "\n\n")
    assert data.load(str(folder), 32).classes == tuple(f"thing{i}" for i in range(10))
    (folder / "batches.meta.txt").write_text("a\nb\n")
    with pytest.raises(BadInput, match=r"has label 2, but there are 2 classes"):
        data.load(str(folder), 32)


def test_truncated_cifar10(tmp_path: Path) -> None:
    folder = cifar_folder(tmp_path / "data")
    path = folder / "data_batch_2.bin"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(BadInput, match=r"data_batch_2\.bin is truncated: 9,218 bytes"):
        data.load(str(folder), 32)


def test_cifar10_without_its_test_batch(tmp_path: Path) -> None:
    folder = cifar_folder(tmp_path / "data")
    (folder / "test_batch.bin").unlink()
    with pytest.raises(BadInput, match="cannot read the CIFAR-10 batch"):
        data.load(str(folder), 32)
    cifar_folder(tmp_path / "other", batches=0)
    with pytest.raises(BadInput, match=r"no data_batch_\*\.bin"):
        data.load(str(tmp_path / "other"), 32)


def test_cifar10_of_one_class(tmp_path: Path) -> None:
    folder = cifar_folder(tmp_path / "data", each=1)
    with pytest.raises(BadInput, match="of one class"):
        data.load(str(folder), 32)
