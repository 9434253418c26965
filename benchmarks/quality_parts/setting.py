"""What all methods have in common: table, data, supernet, budgets, and images to be judged on.

Everything is made once, in a folder, and kept.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final, final

import numpy as np
import numpy.typing as npt

from benchmarks.quality_parts.scoring import Journal, Scores, Source
from sgnas_deploy import data, files, shipped, spaces, supernet, tables
from sgnas_deploy.data import DataSet
from sgnas_deploy.errors import BadInput
from sgnas_deploy.events import Reporter
from sgnas_deploy.generator.scale import Scale, scale_of
from sgnas_deploy.pipeline.profile import ProfileRequest, profile
from sgnas_deploy.pipeline.train_supernet import TrainSupernetRequest, train_supernet
from sgnas_deploy.spaces.mixed import MixedSpace
from sgnas_deploy.supernet import SupernetFile
from sgnas_deploy.tables import Predictor
from sgnas_deploy.workspace import Workspace

IMAGES_SEED: Final = 0
"""Of the held-out images that searches look at: they are the same for every seed."""


@final
@dataclass(frozen=True)
class Setting:
    """One seed of one space on one data set.

    Attributes:
        spec: what `data.load` takes.
        name: what the data is called in the results.
        space: of the mixed-kernel family.
        workdir: where everything is kept.
        lut: the table; None for the shipped one of the space, else it is measured.
        seed: decides everything that is trained and drawn.
        budgets: how many, evenly within the feasible range, its ends left out.
        images: held-out images that searches look at, at most.
        epochs: of the supernet; None for the recipe's.
        batch: of the supernet; None for the recipe's.
        workers: processes.
        reporter: listens.
    """

    spec: str
    name: str
    space: MixedSpace
    workdir: Path
    lut: str | None
    seed: int
    budgets: int
    images: int
    epochs: int | None
    batch: int | None
    workers: int
    reporter: Reporter

    @cached_property
    def table(self) -> Path:
        """The latency table; measured now where there is none yet."""
        workspace = Workspace(self.workdir)
        if self.lut is not None:
            return workspace.find_table(self.lut)
        for path in (*sorted(workspace.luts.glob("*.json")), *shipped.tables()):
            if path.stem.split("--")[0] == self.space.id:
                return path
        request = ProfileRequest(device="cpu", workdir=self.workdir, space=self.space.id)
        return profile(request, self.reporter).table

    @cached_property
    def model(self) -> Predictor:
        """The table's predictor of the median."""
        found = tables.predictor(tables.read(self.table))
        if found.space != self.space.id:
            raise BadInput(f"{self.table} is a table of {found.space}, not of {self.space.id}")
        return found

    @cached_property
    def scale(self) -> Scale:
        """The table's feasible range."""
        return scale_of(self.model, self.space)

    @cached_property
    def budgets_s(self) -> npt.NDArray[np.float64]:
        """Predicted latencies that no network may exceed; no margin for anyone."""
        ends = (self.scale.fastest_s, self.scale.slowest_s)
        return np.linspace(*ends, self.budgets + 2)[1:-1]

    @cached_property
    def data(self) -> DataSet:
        """All images."""
        return data.load(self.spec, self.space.resolution)

    @property
    def weights(self) -> Path:
        """Of the supernet."""
        return supernet.weights_path(Workspace(self.workdir).supernet, self.space)

    @cached_property
    def supernet(self) -> SupernetFile:
        """The trained supernet's description; trained now where there is none."""
        request = TrainSupernetRequest(
            data=self.spec,
            workdir=self.workdir,
            space=self.space.id,
            epochs=self.epochs,
            batch=self.batch,
            seed=self.seed,
        )
        if not self.has_cost("supernet"):
            with self.timed("supernet") as cost:
                train_supernet(request, self.reporter)
                found = supernet.read_file(self.weights, self.space)
                batch, passes = int(found.recipe["batch"] or 0), int(found.recipe["passes"] or 0)
                steps = len(self.apart[0]) // batch
                cost["images"] = 3 * passes * steps * batch * found.epochs
        else:
            train_supernet(request, self.reporter)
        return supernet.read_file(self.weights, self.space)

    @cached_property
    def apart(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Training images of the supernet, and those kept apart for generators."""
        return data.split(self.data.train.labels)

    @cached_property
    def looked_at(self) -> npt.NDArray[np.int64]:
        """The held-out images that searches look at."""
        order = np.random.default_rng(IMAGES_SEED).permutation(len(self.data.val))
        return np.sort(order[: self.images])

    @cached_property
    def unseen(self) -> npt.NDArray[np.int64]:
        """The other held-out images, which nothing is trained or chosen on."""
        return np.setdiff1d(np.arange(len(self.data.val)), self.looked_at)

    def source(self, indices: npt.NDArray[np.int64]) -> Source:
        """What it takes to look at networks on some held-out images."""
        chosen = tuple(indices.tolist())
        return Source(self.weights, self.space.id, self.spec, chosen)

    def scores(self) -> Scores:
        """Right answers on the images that searches look at, kept in a journal."""
        key = {
            "supernet": self.supernet.weights_sha256,
            "data": self.supernet.data_fingerprint,
            "images": self.looked_at.tolist(),
        }
        name = f"right-{self.supernet.weights_sha256[:12]}-{len(self.looked_at)}.jsonl"
        journal = Journal(self.workdir / name, key)
        return Scores(self.source(self.looked_at), journal, self.reporter, self.workers)

    @contextmanager
    def timed(self, what: str) -> Iterator[dict[str, Any]]:
        """Time a block, and keep what it took; the block says how many `images` went forward.

        A training that was resumed has only the time of its last part, and says so.
        """
        cost: dict[str, Any] = {"images": 0}
        wall, cpu = time.monotonic(), time.process_time()
        yield cost
        cost |= {"cpu_s": time.process_time() - cpu, "wall_s": time.monotonic() - wall}
        files.write_text(self._cost_path(what), json.dumps(cost) + "\n")

    def cost(self, what: str) -> dict[str, float]:
        """What a timed block took.

        `images` forwarded (a backward pass counts as two more), `cpu_s` of all threads of the
        process, and `wall_s`.
        """
        found: dict[str, float] = json.loads(files.read_bytes(self._cost_path(what), "cost"))
        return found

    def has_cost(self, what: str) -> bool:
        """Whether a timed block has ended."""
        return self._cost_path(what).is_file()

    def _cost_path(self, what: str) -> Path:
        return self.workdir / "costs" / f"{what}.json"


def mixed(identifier: str) -> MixedSpace:
    """A space that this benchmark works for.

    Raises:
        BadInput: unknown, or of another family.
    """
    space = spaces.load(identifier)
    if not isinstance(space, MixedSpace):
        raise BadInput(f"{identifier} is no mixed-kernel space", "such as: tiny")
    return space
