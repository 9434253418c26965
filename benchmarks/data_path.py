"""Image files at the scale of ImageNet: listing them, decoding them to train and to evaluate.

    python benchmarks/data_path.py --photographs 400 --files 100000 --workers 0,1,2

Photographs are made in a temporary folder: JPEG, 500 x 375 pixels, about as many bytes as those of
ImageNet; or they come from a folder with train/CLASS/* and val/CLASS/* (--data). `--files` empty
files are made to measure listing alone. Images a second depend on the machine, on how many cores it
has and on what else it does: compare within one run. Images per second of processor time, in one
process, depend on it less. The last line on stdout is JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np

from sgnas_deploy import data
from sgnas_deploy.data import DataSet

RESOLUTION: Final = 224
BATCH: Final = 32
CLASSES: Final = 4

Pass: TypeAlias = Callable[[int], int]
"""Reads all images once, given the number of the pass; returns how many."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--data", help="photographs; made where it is missing")
    parser.add_argument("--photographs", type=int, default=400, help="to make, in all")
    parser.add_argument("--files", type=int, default=100_000, help="empty ones, to list")
    parser.add_argument("--workers", default="0,1,2", help="with commas between")
    parser.add_argument("--passes", type=int, default=3)
    given = parser.parse_args()
    counts = [int(word) for word in given.workers.split(",")]
    with tempfile.TemporaryDirectory() as folder:
        root = Path(given.data) if given.data else Path(folder) / "photographs"
        if not given.data:
            make_photographs(root, given.photographs)
        source = data.load(str(root), RESOLUTION)
        bytes_each = statistics.mean(
            path.stat().st_size for path in sorted((root / "train").rglob("*.*"))[:1000]
        )
        result = {
            "benchmark": "data_path",
            "cores": len(os.sched_getaffinity(0)),
            "python": platform.python_version(),
            "resolution": RESOLUTION,
            "batch": BATCH,
            "passes": given.passes,
            "photographs": {"train": len(source.train), "val": len(source.val)},
            "bytes_a_photograph": round(bytes_each),
            "listing": listing(Path(folder) / "empty", given.files),
            "load": os.getloadavg()[0],
            "training": rates(source, counts, given.passes, training),
            "evaluation": rates(source, counts, given.passes, evaluating),
        }
    print(json.dumps(result))


def make_photographs(root: Path, count: int) -> None:
    """JPEG files of about 110 kB, as those of ImageNet are on average."""
    from PIL import Image

    rng = np.random.default_rng(0)
    for part in ("train", "val"):
        for label in range(CLASSES):
            folder = root / part / f"class{label}"
            folder.mkdir(parents=True)
            for number in range(count // (2 * CLASSES)):
                coarse = Image.fromarray(rng.integers(0, 256, (24, 32, 3), np.uint8))
                smooth = np.asarray(coarse.resize((500, 375), Image.Resampling.BICUBIC), np.int16)
                grain = rng.normal(0, 20, smooth.shape)
                pixels = np.clip(smooth + grain, 0, 255).astype(np.uint8)
                Image.fromarray(pixels).save(folder / f"{number:05d}.JPEG", quality=88)


def listing(root: Path, count: int) -> dict[str, float]:
    """How long a folder of so many files takes to be listed, and what a worker gets of a file."""
    classes = max(2, count // 1300)
    for part in ("train", "val"):
        for label in range(classes):
            (root / part / f"n{label:08d}").mkdir(parents=True)
            (root / part / f"n{label:08d}" / "val.JPEG").touch()
    for number in range(count):
        label = number % classes
        (root / "train" / f"n{label:08d}" / f"n{label:08d}_{number}.JPEG").touch()
    started, own = time.perf_counter(), time.process_time()
    found = data.load(str(root), RESOLUTION)
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - own
    own = time.process_time()
    data.split(found.train.labels)
    return {
        "files": len(found.train) + len(found.val),
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "index_bytes_a_file": len(ForkingPickler.dumps(found.train)) / len(found.train),
        "split_cpu_seconds": time.process_time() - own,
    }


def rates(
    source: DataSet, counts: list[int], passes: int, way: Callable[[DataSet, int], Pass]
) -> dict[str, list[float]]:
    """Images a second by number of workers, in turns; the first pass starts the workers."""
    readers = {count: way(source, count) for count in counts}
    found: dict[str, list[float]] = defaultdict(list)
    for number in range(passes + 1):
        for count, read in readers.items():
            started, own = time.perf_counter(), time.process_time()
            images = read(number)
            if not number:
                continue
            seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - own
            found[f"images_per_s, {count} workers"].append(round(images / seconds, 1))
            if count == 0:
                found["images_per_cpu_s"].append(round(images / cpu_seconds, 1))
    return found


def training(source: DataSet, workers: int) -> Pass:
    """An epoch with the augmentation of the recipe of `imagenet`."""
    from sgnas_deploy.training import feed

    made = feed.make(source, None, BATCH, "timm", 0, "rand-m9-mstd0.5", 0.2, workers)
    return lambda epoch: sum(len(labels) for _, labels in made.batches(epoch, 0))


def evaluating(source: DataSet, workers: int) -> Pass:
    """All held-out images, decoded anew."""
    from sgnas_deploy.training.evaluation import HeldOut

    images = HeldOut(source.val, source.preprocessing, workers=workers, cache_bytes=0)
    return lambda number: sum(len(labels) for _, labels in images.batches())


if __name__ == "__main__":
    main()
