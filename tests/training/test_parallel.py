"""Two processes train what one does: the same losses and weights, but for the order of sums."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from sgnas_deploy import supernet
from sgnas_deploy.training import checkpoint
from sgnas_deploy.training.ranks import ALONE
from sgnas_deploy.workspace import Workspace
from tests.fakes.reporters import Interrupts
from tests.training import sharing

ROOT = Path(__file__).parents[2]

# Two processes that wait for one another at every step are slow on a machine that is busy.
pytestmark = pytest.mark.timeout(900)


def environment(number: int, meeting: Path) -> dict[str, str]:
    return {
        **os.environ,
        "RANK": str(number),
        "WORLD_SIZE": "2",
        "LOCAL_RANK": str(number),
        "LOCAL_WORLD_SIZE": "2",
        "SGNAS_RENDEZVOUS": f"file://{meeting}",
        "OMP_NUM_THREADS": "1",
        "GLOO_SOCKET_IFNAME": "lo",
        # Where a process aborts, the stacks of its threads stand in what it said.
        "PYTHONFAULTHANDLER": "1",
    }


def two(arguments: list[str], meeting: Path) -> list[tuple[int, str, str]]:
    """Exit code, stdout and stderr of two processes that meet at a file."""
    started = [
        subprocess.Popen(
            [sys.executable, *arguments],
            cwd=ROOT,
            env=environment(number, meeting),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(2)
    ]
    said = [one.communicate() for one in started]
    return [(p.returncode, *texts) for p, texts in zip(started, said, strict=True)]


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def alone(
    one_thread: None, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, tuple[list[float], dict[str, Tensor]]]:
    """What one process trains, with every batch in two parts."""
    folder = tmp_path_factory.mktemp("alone")
    return {name: sharing.train(name, folder, ALONE) for name in sharing.TASKS}


@pytest.fixture(scope="module")
def shared(one_thread: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of two processes; the retraining goes on from a checkpoint of a single one."""
    folder = tmp_path_factory.mktemp("shared")
    (folder / "rank0").mkdir()
    with pytest.raises(KeyboardInterrupt):
        sharing.train("retraining", folder / "rank0", ALONE, Interrupts(1.7, stage=""))
    for code, out, err in two(["-m", "tests.training.sharing", str(folder)], folder / "meeting"):
        assert code == 0, err
        assert out == ""
    return folder


def losses(folder: Path, number: int, name: str) -> list[float]:
    found: list[float] = json.loads((folder / f"rank{number}" / f"{name}.json").read_text())
    return found


def tensors(folder: Path, number: int, name: str) -> dict[str, Tensor]:
    return checkpoint.read_tensors(folder / f"rank{number}" / f"{name}.safetensors", "weights")


@pytest.mark.parametrize("name", list(sharing.TASKS))
def test_two_processes_train_what_one_does_in_two_parts(
    name: str, alone: dict[str, tuple[list[float], dict[str, Tensor]]], shared: Path
) -> None:
    expected, state = alone[name]
    assert len(expected) == 6
    assert losses(shared, 0, name) == pytest.approx(expected, rel=1e-5)
    own = tensors(shared, 0, name)
    assert set(own) == set(state)
    for key, tensor in state.items():
        # Weights, momentum, running statistics, averages.
        torch.testing.assert_close(own[key], tensor, rtol=1e-4, atol=1e-5, msg=key)


@pytest.mark.parametrize("name", list(sharing.TASKS))
def test_both_processes_hold_the_same_to_the_bit(name: str, shared: Path) -> None:
    assert losses(shared, 0, name) == losses(shared, 1, name)
    first, second = tensors(shared, 0, name), tensors(shared, 1, name)
    for key, tensor in first.items():
        assert torch.equal(tensor, second[key]), key


def test_the_first_process_alone_writes(shared: Path) -> None:
    for name in sharing.TASKS:
        assert (shared / "rank0" / f"{name}.checkpoint").is_file()
        assert (shared / "rank0" / f"{name}.history.jsonl").is_file()
        assert not (shared / "rank1" / f"{name}.checkpoint").exists()
        assert not (shared / "rank1" / f"{name}.history.jsonl").exists()


def test_an_error_of_one_process_ends_all_and_is_told_once(shared: Path) -> None:
    errors = [json.loads((shared / f"rank{n}" / "error.json").read_text()) for n in range(2)]
    assert errors[1] == ["BadInput", "the disk of process 1 is broken"]
    assert errors[0][0] == "Followed"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for part, each in (("train", 12), ("val", 4)):
        for label, name in enumerate(("dark", "light")):
            own = tmp_path / "images" / part / name
            own.mkdir(parents=True)
            for i in range(each):
                pixels = rng.integers(0, 128, (16, 16, 3)) + 127 * label
                Image.fromarray(pixels.astype(np.uint8)).save(own / f"{i}.png")
    return tmp_path


def command(folder: Path, *flags: str) -> list[str]:
    words = ["train", "supernet", "--space", "tiny+r16+c2", "--epochs", "2", "--batch", "5"]
    data = ["--data", str(folder / "images"), "--workdir", str(folder / "work")]
    return ["-m", "sgnas_cli", *words, *data, *flags]


def test_the_command_line_under_torchrun(folder: Path) -> None:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    environment.pop("RANK", None)
    run = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [sys.executable, *run, *command(folder, "--json")],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    weights = Path(result["checkpoint"])
    described = supernet.read_file(weights)
    assert described.recipe["accumulate"] == 2
    assert described.accuracy == result["accuracy"]
    assert done.stderr.count("training the supernet of tiny+r16+c2 ...") == 1
    assert Workspace(folder / "work").last("supernet") == ("tiny+r16+c2",)
    assert not list(weights.parent.glob("*.checkpoint"))


def test_what_is_wrong_for_all_is_said_once(folder: Path) -> None:
    both = two(command(folder, "--accumulate", "3"), folder / "meeting")
    assert sorted(code for code, _, _ in both) == [2, 4]
    said = "".join(err for _, _, err in both)
    assert said.count("error: ") == 1
    assert "error: --accumulate 3 does not fit 2 processes" in said
    assert not (folder / "work").exists()
