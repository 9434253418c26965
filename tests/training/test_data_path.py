"""Feeds for many files and many processes: parts, workers, what goes wrong in them."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import subprocess
import sys
from multiprocessing.reduction import ForkingPickler
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from sgnas_deploy import data
from sgnas_deploy.data import DataSet
from sgnas_deploy.errors import BadInput, EnvironmentProblem
from sgnas_deploy.training import decoding, feed
from sgnas_deploy.training.decoding import Key, Reader
from tests.training.sources import photographs


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> DataSet:
    return data.load(str(photographs(tmp_path_factory.mktemp("photos"), 12)), 32)


@given(length=st.integers(1, 300), world=st.integers(1, 9))
def test_shares_are_all_and_nearly_equal(length: int, world: int) -> None:
    found = [range(length)[feed.share(length, (rank, world))] for rank in range(world)]
    assert [one for part in found for one in part] == list(range(length))
    sizes = [len(part) for part in found]
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("augmentation", ["affine", "crop", "timm"])
@pytest.mark.parametrize("world", [2, 3])
def test_parts_together_are_the_whole(photos: DataSet, augmentation: str, world: int) -> None:
    """Same images, same order, augmented alike, whatever the number of processes."""
    whole = list(feed.make(photos, None, 7, augmentation, 5, "rand-m5", 0.3, 0).batches(2, 1))
    parts = [
        feed.make(photos, None, 7, augmentation, 5, "rand-m5", 0.3, 0, part=(rank, world))
        for rank in range(world)
    ]
    assert {one.batch for one in parts} == {7}
    assert {one.steps for one in parts} == {3}
    together = zip(*(one.batches(2, 1) for one in parts), strict=True)
    count = 0
    for (images, labels), found in zip(whole, together, strict=True):
        assert torch.equal(torch.cat([x for x, _ in found]), images)
        assert torch.equal(torch.cat([y for _, y in found]), labels)
        count += 1
    assert count == 2


def test_a_batch_is_not_split_below_one_image(photos: DataSet) -> None:
    with pytest.raises(BadInput, match="2 images cannot be split over 3 processes"):
        feed.make(photos, None, 2, "crop", 0, part=(0, 3))


def test_workers_stay_from_epoch_to_epoch_and_end(photos: DataSet) -> None:
    before = set(multiprocessing.active_children())
    made = feed.make(photos, None, 6, "timm", 0, workers=2)
    first = list(made.batches(0, 0))
    workers = set(multiprocessing.active_children()) - before
    assert len(workers) == 2
    second = list(made.batches(1, 0))
    assert set(multiprocessing.active_children()) - before == workers
    alone = feed.make(photos, None, 6, "timm", 0, workers=0)
    for epoch, found in enumerate((first, second)):
        for (x, _), (y, _) in zip(found, alone.batches(epoch, 0), strict=True):
            assert torch.equal(x, y)
    del made
    gc.collect()
    assert not set(multiprocessing.active_children()) & workers


def test_an_epoch_that_was_broken_off_leaves_no_trace(photos: DataSet) -> None:
    made = feed.make(photos, None, 4, "timm", 0, workers=1)
    begun = made.batches(0, 0)
    next(begun)
    begun.close()  # type: ignore[attr-defined]
    whole = list(made.batches(1, 0))
    expected = list(feed.make(photos, None, 4, "timm", 0, workers=0).batches(1, 0))
    for (x, _), (y, _) in zip(whole, expected, strict=True):
        assert torch.equal(x, y)


def test_two_epochs_at_once_are_read_apart(photos: DataSet) -> None:
    made = feed.make(photos, None, 4, "timm", 0, workers=1)
    expected = feed.make(photos, None, 4, "timm", 0, workers=0)
    pairs = zip(made.batches(0, 0), made.batches(1, 0), strict=True)
    alone = zip(expected.batches(0, 0), expected.batches(1, 0), strict=True)
    for ((a, _), (b, _)), ((x, _), (y, _)) in zip(pairs, alone, strict=True):
        assert torch.equal(a, x)
        assert torch.equal(b, y)


class Numbers:
    """Samples that are their key; some keys end their process, or fail."""

    def __getitem__(self, key: Key) -> tuple[Tensor, int]:
        if key == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if key == "missing":
            raise EnvironmentProblem("Pillow is missing", "install it")
        return torch.tensor([key]), key


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_come_in_order(workers: int) -> None:
    reader = Reader(Numbers(), workers)
    groups = [[3, 1], [4], [1, 5, 9], [2, 6]]
    for _ in range(2):
        found = [(x.flatten().tolist(), y.tolist()) for x, y in reader.batches(iter(groups))]
        assert found == [(group, group) for group in groups]


@pytest.mark.parametrize("workers", [0, 1])
def test_an_error_keeps_its_kind_and_cure(workers: int) -> None:
    reader = Reader(Numbers(), workers)
    with pytest.raises(EnvironmentProblem) as failed:
        list(reader.batches([[1, 2], ["missing"]]))
    assert (failed.value.message, failed.value.cure) == ("Pillow is missing", "install it")
    assert [x.tolist() for x, _ in reader.batches([[7]])] == [[[7]]]


def test_a_worker_that_was_killed_is_the_environment_s_fault() -> None:
    with pytest.raises(EnvironmentProblem, match="process that decodes images has ended") as failed:
        list(Reader(Numbers(), 1).batches([[1], ["die"]]))
    assert failed.value.cure is not None
    assert "--workers" in failed.value.cure


def test_reading_draws_nothing_from_the_global_state(photos: DataSet) -> None:
    made = feed.make(photos, None, 6, "timm", 0, workers=1)
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    list(made.batches(0, 0))
    assert torch.equal(torch.rand(1), expected)


def test_processes_of_one_machine_share_its_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(12)), raising=False)
    assert decoding.usual_workers() == 8
    for name, value in {"WORLD_SIZE": "64", "RANK": "3", "LOCAL_WORLD_SIZE": "4"}.items():
        monkeypatch.setenv(name, value)
    assert decoding.usual_workers() == 3
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "64")
    assert decoding.usual_workers() == 1


def test_what_is_sent_to_a_worker_is_small(tmp_path: Path) -> None:
    """A worker that does not inherit memory gets names and labels, not a path object a file."""
    source = data.load(str(photographs(tmp_path, 50)), 32)
    assert len(ForkingPickler.dumps(source.train)) < 5_000


STOPPED = """
import sys, time
from sgnas_deploy import data
from sgnas_deploy.training import feed
source = data.load(sys.argv[1], 32)
made = feed.make(source, None, 2, "timm", 0, workers=2)
for number, _ in enumerate(made.batches(0, 0)):
    if number == 1:
        print("reading", flush=True)
        time.sleep(60)
"""


@pytest.mark.parametrize("whom", ["process", "all"])
def test_ctrl_c_ends_the_workers_too(photos: DataSet, whom: str) -> None:
    """A terminal sends it to the workers as well; neither way one of them says a word."""
    root = photos.train.path(0).parents[2]  # type: ignore[attr-defined]
    process = subprocess.Popen(
        [sys.executable, "-c", STOPPED, str(root)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "reading\n"
    workers = _children(process.pid)
    assert len(workers) >= 2
    if whom == "all":
        os.killpg(process.pid, signal.SIGINT)
    else:
        process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGINT
    assert errors.count("Traceback") == errors.count("KeyboardInterrupt") == 1
    assert not [pid for pid in workers if Path(f"/proc/{pid}").exists()]


def _children(pid: int) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The fields after the name, which may hold anything: state, parent, ...
            parent = int(path.read_text().rpartition(")")[2].split()[1])
        except OSError:  # it has ended meanwhile
            continue
        if parent == pid:
            found.append(int(path.parent.name))
    return found


def test_what_is_kept_for_the_generator_is_what_it_always_was() -> None:
    labels = np.random.default_rng(1).integers(0, 7, 1000)
    rng = np.random.default_rng(3)
    apart = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        own = rng.permutation(np.flatnonzero(labels == label))
        apart[own[: min(round(len(own) * 0.2), len(own) - 1)]] = True
    first, second = data.split(labels, 0.2, 3)
    assert (first == np.flatnonzero(~apart)).all()
    assert (second == np.flatnonzero(apart)).all()
