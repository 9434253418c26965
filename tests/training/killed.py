"""Trains while it is killed again and again; run by `test_killed_trainings.py`.

    python -m tests.training.killed FOLDER KILLS SEED

Each attempt is a process of its own that ends by SIGKILL: before or after any step, in the middle
of writing a file, or between a file that is written and its new name. Checkpoints are kept after
every step, and batches are computed in parts. Prints one JSON object.
"""

from __future__ import annotations

import importlib
import json
import os
import random
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from PIL import Image

from sgnas_deploy import architectures, data, files, spaces
from sgnas_deploy.architectures import Architecture
from sgnas_deploy.events import NullReporter
from sgnas_deploy.generator import train as generator_training
from sgnas_deploy.pipeline.retrain import RetrainRequest, retrain
from sgnas_deploy.pipeline.train_generator import TrainGeneratorRequest, train_generator
from sgnas_deploy.pipeline.train_supernet import TrainSupernetRequest, train_supernet
from sgnas_deploy.training.retraining import RetrainTask
from sgnas_deploy.training.supernet import SupernetTask
from sgnas_deploy.workspace import Workspace
from tests.generator import trained

SPACE: Final = "tiny+r16+c2"
SILENT: Final = NullReporter()


def images(folder: Path) -> str:
    """A folder of few small images."""
    rng = np.random.default_rng(0)
    for part, each in (("train", 10), ("val", 2)):
        for label, name in enumerate(("dark", "light")):
            own = folder / "images" / part / name
            own.mkdir(parents=True)
            for i in range(each):
                pixels = rng.integers(0, 128, (16, 16, 3)) + 127 * label
                Image.fromarray(pixels.astype(np.uint8)).save(own / f"{i}.png")
    return str(folder / "images")


def train_a_supernet(root: Path, found: str) -> None:
    train_supernet(
        TrainSupernetRequest(
            found, root, SPACE, epochs=3, batch=6, accumulate=3, checkpoint_s=0.0, seed=3
        ),
        SILENT,
    )


def train_a_generator(root: Path, _: str) -> None:
    data.load = lambda spec, resolution: trained.small_data()
    request = TrainGeneratorRequest(
        root,
        epochs=2,
        batch=6,
        budgets=2,
        accumulate=2,
        checkpoint_s=0.0,
        recipe=trained.FEW_PROBES,
        seed=3,
    )
    train_generator(request, SILENT)


def retrain_a_network(root: Path, found: str) -> None:
    retrain(
        RetrainRequest(root, data=found, epochs=2, batch=6, accumulate=3, checkpoint_s=0.0, seed=3),
        SILENT,
    )


def prepare(root: Path, name: str) -> None:
    """What a training finds in its workspace."""
    if name == "generator":
        trained.ready(root)
    if name == "retraining":
        options = spaces.load(SPACE).sample(np.random.default_rng(7))
        path = Workspace(root).architectures / "net.json"
        files.write_model(path, architectures.describe("net", Architecture(SPACE, options)))
        Workspace(root).remember("generate", ["net"])


TRAININGS: Final[dict[str, Callable[[Path, str], None]]] = {
    "supernet": train_a_supernet,
    "generator": train_a_generator,
    "retraining": retrain_a_network,
}
FOLDERS: Final = {"supernet": "supernet", "generator": "generator", "retraining": "models"}


class Death:
    """Kills this process at one of the points that it passes.

    Args:
        left: points that are survived.
        share: of a file that is written when it happens there.
    """

    def __init__(self, left: int, share: float) -> None:
        self._left = left
        self._share = share

    def due(self) -> bool:
        self._left -= 1
        return self._left < 0

    def point(self) -> None:
        if self.due():
            os.kill(os.getpid(), signal.SIGKILL)

    def around(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """The call, with a point before and one after it."""

        def dangerous(*arguments: Any, **words: Any) -> Any:
            self.point()
            found = call(*arguments, **words)
            self.point()
            return found

        return dangerous

    def lurk(self) -> None:
        """Wait at every step and at every file."""
        write = Path.write_bytes

        def written(path: Path, content: bytes) -> int:
            if self.due():
                write(path, bytes(content)[: int(len(content) * self._share)])
                os.kill(os.getpid(), signal.SIGKILL)
            return write(path, content)

        Path.write_bytes = written  # type: ignore[method-assign, assignment]
        Path.replace = self.around(Path.replace)  # type: ignore[method-assign]
        Path.unlink = self.around(Path.unlink)  # type: ignore[method-assign]
        for task in (SupernetTask, RetrainTask, generator_training.GeneratorTask):
            setattr(task, "step", self.around(task.step))  # noqa: B010


def in_a_child(work: Callable[[], None]) -> int:
    """Do it in a fork; the status that it ends with."""
    child = os.fork()
    if child == 0:
        try:
            torch.set_num_threads(1)
            # A killed process loses nothing that it has written; only a power cut would.
            setattr(os, "fsync", lambda _: None)  # noqa: B010
            work()
        except BaseException as error:
            sys.stderr.write(f"{type(error).__name__}: {error}\n")
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return status


def content(folder: Path) -> dict[str, bytes]:
    """Every file of a finished training."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def ordeal(name: str, folder: Path, found: str, kills: int, rng: random.Random) -> dict[str, Any]:
    """Train undisturbed, then killed again and again; compare."""
    training = TRAININGS[name]
    for root in ("whole", "killed"):
        prepare(folder / name / root, name)
    assert in_a_child(lambda: training(folder / name / "whole", found)) == 0
    killed = 0
    for _ in range(kills):
        death = Death(rng.randrange(1, 16), rng.random())

        def attempt(death: Death = death) -> None:
            death.lurk()
            training(folder / name / "killed", found)

        status = in_a_child(attempt)
        killed += os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        if os.WIFEXITED(status) and os.WEXITSTATUS(status):
            break
    finished = in_a_child(lambda: training(folder / name / "killed", found)) == 0
    whole, own = (content(folder / name / root / FOLDERS[name]) for root in ("whole", "killed"))
    return {"killed": killed, "finished": finished, "same": own == whole, "files": sorted(own)}


def main(folder: Path, kills: int, seed: int) -> None:
    # Once, not in every child.
    for module in ("data", "optim", "scheduler", "utils"):
        importlib.import_module(f"timm.{module}")
    for module in ("retrain_job", "supernet_job"):
        importlib.import_module(f"sgnas_deploy.training.jobs.{module}")
    rng = random.Random(seed)
    found = images(folder)
    answer = {name: ordeal(name, folder, found, kills, rng) for name in TRAININGS}
    sys.stdout.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
