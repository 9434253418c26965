"""Profiles a fake device while it is killed again and again; run by `test_killed.py`.

    python -m tests.tables.killed FOLDER KILLS SEED

Each attempt is a process of its own that ends by SIGKILL at a random moment: after a measurement
and before it is in the journal, after it is there, or in the middle of writing it. What the
attempt has finished it tells its parent through a pipe first. Prints one JSON object.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from sgnas_deploy import spaces, tables
from sgnas_deploy.emitter import emit_block
from sgnas_deploy.events import NullReporter
from sgnas_deploy.pipeline.profile import ProfileRequest, profile
from sgnas_deploy.tables.journal import Journal, Record
from sgnas_deploy.tables.measuring import network_model
from tests.fakes.device import Disturbance, FakeDevice

FORM = "concat"
SPACE = spaces.load("tiny")
DISTURBANCE = Disturbance(sigma=0.03, spike_share=0.02)
"""Every measurement of a model is another one, so that a lost or doubled one would show."""


def request(workdir: Path) -> ProfileRequest:
    return ProfileRequest("cpu", workdir=workdir, space="tiny", form=FORM, quality="quick")


def digests() -> dict[str, str]:
    """SHA-256 of each block's model, by key."""
    return {
        block.key: hashlib.sha256(emit_block(block, FORM, 1)).hexdigest()
        for block in spaces.all_blocks(SPACE)
    }


def records(journal: Path) -> list[dict[str, Any]]:
    """The whole lines of a journal, without its head."""
    if not journal.exists():
        return []
    lines = journal.read_bytes().splitlines(keepends=True)[1:]
    return [json.loads(line) for line in lines if line.endswith(b"\n")]


def measured_before(found: list[dict[str, Any]], of_block: dict[str, str]) -> Counter[str]:
    """How often the device has measured each model, by the model's SHA-256."""
    known: Counter[str] = Counter()
    for record in found:
        if record["type"] == "block":
            known[of_block[record["key"]]] += 1
        else:
            model = network_model(SPACE, tuple(record["options"]), FORM, 1)
            known[hashlib.sha256(model).hexdigest()] += 1
    return known


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def attempt(workdir: Path, device: FakeDevice, tell: int, rng: random.Random) -> None:
    """A run that kills itself after a few measurements."""
    left = rng.choice([0, 1, 3, 10, 25, 40])
    how = rng.choice(["before", "after", "torn"])
    append, write = Journal.append, os.write

    def appended(journal: Journal, record: Record) -> None:
        nonlocal left
        if left == 0 and how == "before":
            die()
        if left == 0 and how == "torn":
            os.write = torn
        append(journal, record)
        write(tell, b".")
        if left == 0:
            die()
        left -= 1

    def torn(descriptor: int, data: Any) -> int:
        write(descriptor, bytes(data)[: rng.randrange(len(data))])
        die()
        return 0

    Journal.append = appended  # type: ignore[method-assign, assignment]
    profile(request(workdir), NullReporter(), device)


def content(path: Path) -> dict[str, Any]:
    found = tables.read(path).model_dump()
    del found["created"]
    return found


def main(folder: Path, kills: int, seed: int) -> None:
    rng = random.Random(seed)
    of_block = digests()
    undisturbed = FakeDevice(disturbance=DISTURBANCE)
    whole = profile(request(folder / "whole"), NullReporter(), undisturbed)
    journal = folder / "killed" / "luts" / f"{whole.table.stem}.journal.jsonl"
    killed = lost = 0
    for _ in range(kills):
        before = records(journal)
        device = FakeDevice(disturbance=DISTURBANCE)
        device.finished = measured_before(before, of_block)
        listen, tell = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(listen)
            attempt(folder / "killed", device, tell, random.Random(rng.random()))
            os._exit(0)
        os.close(tell)
        with os.fdopen(listen, "rb") as pipe:
            finished = len(pipe.read())
        _, status = os.waitpid(child, 0)
        killed += os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        after = records(journal)
        lost += after[: len(before)] != before
        lost += len(after) < len(before) + finished
    device = FakeDevice(disturbance=DISTURBANCE)
    device.finished = measured_before(records(journal), of_block)
    result = profile(request(folder / "killed"), NullReporter(), device)
    answer = {
        "killed": killed,
        "lost": lost,
        "resumed": result.resumed,
        "measured_twice": sum((device.finished - undisturbed.finished).values()),
        "same_table": content(result.table) == content(whole.table),
        "left_behind": sorted(path.name for path in result.table.parent.iterdir()),
    }
    sys.stdout.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
