"""Right answers in the supernet, looked up once for each architecture and kept in a journal."""

from __future__ import annotations

import concurrent.futures
import fcntl
import json
import multiprocessing
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, cast, final

import numpy as np
import numpy.typing as npt
import torch

from benchmarks.quality_parts.judge import Judge, Options
from sgnas_deploy import data, events, spaces, supernet
from sgnas_deploy.data.batches import to_array
from sgnas_deploy.errors import BadInput
from sgnas_deploy.events import Reporter
from sgnas_deploy.supernet.mixed import MixedSupernet
from sgnas_deploy.training import process

CHUNK: Final = 64
"""Networks that a worker looks at before they are written down."""


@final
@dataclass(frozen=True)
class Source:
    """What a worker needs to look at networks.

    Attributes:
        weights: of the supernet.
        space: its identifier.
        spec: of the data.
        indices: which of the held-out images.
    """

    weights: Path
    space: str
    spec: str
    indices: tuple[int, ...]

    def judge(self) -> Judge:
        """Load everything."""
        space = spaces.load(self.space)
        network, _ = supernet.load(self.weights, space)
        images = data.load(self.spec, space.resolution)
        indices = np.array(self.indices)
        return Judge(
            cast(MixedSupernet, network),
            torch.from_numpy(to_array(images.val, indices, images.preprocessing)),
            torch.from_numpy(images.val.labels[indices]),
        )


@final
class Journal:
    """Right answers by architecture, in a file that only grows.

    A line that was cut off is dropped. The file is locked: it has one writer at a time.

    Args:
        path: the file.
        key: what the answers depend on; a file with another key is refused.

    Raises:
        BadInput: a file with another key, or one that another process writes.
    """

    def __init__(self, path: Path, key: Mapping[str, Any]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a+b")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._file.close()
            raise BadInput(f"another process writes {path}", "wait until it has ended") from error
        self.right: dict[Options, int] = {}
        self.cpu_s = 0.0
        self._file.seek(0)
        lines = self._file.read().split(b"\n")[:-1]
        self._file.truncate(sum(len(line) + 1 for line in lines))
        self._file.seek(0, 2)
        if not lines:
            self._write({"key": dict(key)})
            return
        if json.loads(lines[0]) != json.loads(json.dumps({"key": dict(key)})):
            self._file.close()
            raise BadInput(f"{path} has answers to other questions", "remove it")
        for line in lines[1:]:
            entry = json.loads(line)
            self._take(entry)

    def add(self, networks: Sequence[Options], right: Sequence[int], cpu_s: float) -> None:
        """Write down one chunk."""
        entry = {"networks": [list(o) for o in networks], "right": list(right), "cpu_s": cpu_s}
        self._take(entry)
        self._write(entry)

    def close(self) -> None:
        """Let others write."""
        self._file.close()

    def _take(self, entry: Mapping[str, Any]) -> None:
        for options, right in zip(entry["networks"], entry["right"], strict=True):
            self.right[tuple(options)] = right
        self.cpu_s += entry["cpu_s"]

    def _write(self, entry: Mapping[str, Any]) -> None:
        self._file.write(json.dumps(entry).encode() + b"\n")
        self._file.flush()


@final
class Scores:
    """Right answers of architectures on the images of a source, each looked at once.

    Args:
        source: supernet and images.
        journal: where answers are kept.
        reporter: listens.
        workers: processes that look, each with one thread; 1 for this one.
    """

    def __init__(
        self, source: Source, journal: Journal, reporter: Reporter, workers: int = 1
    ) -> None:
        self._reporter = reporter
        self._source = source
        self._workers = workers
        self._own: Judge | None = None
        self._pool: concurrent.futures.ProcessPoolExecutor | None = None
        self.journal = journal
        self.images = len(source.indices)

    def __enter__(self) -> Scores:
        """Nothing starts before the first network that is not known."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the workers."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
        self.journal.close()

    def right(self, networks: Sequence[Options]) -> list[int]:
        """Right answers of each."""
        missing = sorted({options for options in networks if options not in self.journal.right})
        if not missing:
            return [self.journal.right[options] for options in networks]
        chunks = [missing[at : at + CHUNK] for at in range(0, len(missing), CHUNK)]
        with events.stage(self._reporter, "looking", len(missing), "networks") as stage:
            for chunk, right, cpu_s in self._looked(chunks):
                self.journal.add(chunk, right, cpu_s)
                stage.advance(len(chunk), f"{1e3 * cpu_s / len(chunk):.0f} ms a network")
        return [self.journal.right[options] for options in networks]

    def _looked(
        self, chunks: list[list[Options]]
    ) -> Iterator[tuple[list[Options], list[int], float]]:
        if self._workers == 1:
            if chunks and self._own is None:
                self._own = self._source.judge()
            for chunk in chunks:
                assert self._own is not None
                yield (chunk, *_count(self._own, chunk))
            return
        if chunks and self._pool is None:
            self._pool = concurrent.futures.ProcessPoolExecutor(
                self._workers,
                mp_context=multiprocessing.get_context("spawn"),
                initializer=_start,
                initargs=(self._source,),
            )
        if self._pool is not None:
            for chunk, found in zip(chunks, self._pool.map(_look, chunks), strict=True):
                yield (chunk, *found)


_judge: Judge | None = None
"""Of a worker process."""


def _start(source: Source) -> None:
    global _judge
    torch.set_num_threads(1)
    process.prepare()
    _judge = source.judge()


def _look(chunk: list[Options]) -> tuple[list[int], float]:
    assert _judge is not None
    return _count(_judge, chunk)


def _count(judge: Judge, chunk: list[Options]) -> tuple[list[int], float]:
    started = time.process_time()
    counts: npt.NDArray[np.int64] = judge.correct(chunk).sum(1)
    return counts.tolist(), time.process_time() - started
