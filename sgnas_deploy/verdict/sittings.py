"""What earlier sittings measured, so that the next one knows how much the machine's speed changes.

`sittings.json` in the workspace: for each run of `fit` or `validate` when it was and what each
artefact took. Two sittings that measured the same artefacts say by how much they differ.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Final, Literal

import numpy as np

from sgnas_deploy import files
from sgnas_deploy.errors import BadInput
from sgnas_deploy.workspace import Workspace
from sgnas_profilers.transports import Hello

KEPT: Final = 40
"""Sittings that are remembered."""

MOVED: Final = 0.02
"""Relative difference to an earlier sitting's latency of the same file that is worth a word: more
than launches leave uncertain in most verdicts, less than what `fit` keeps free of a budget."""


class Sitting(files.FrozenModel):
    """One run of `fit` or `validate`.

    Attributes:
        ended: UTC, ISO 8601.
        where: device, runtime and settings; other places are not comparable.
        percentile: of a hot run.
        latency_s: by the artefact's SHA-256.
    """

    ended: str
    where: str
    percentile: float
    latency_s: dict[str, float]


class _Sittings(files.FrozenModel):
    kind: Literal["sgnas-sittings"] = "sgnas-sittings"
    schema_version: Literal[1] = 1
    sittings: tuple[Sitting, ...] = ()


def read(workspace: Workspace) -> tuple[Sitting, ...]:
    """All that is remembered; nothing where the file is missing or no longer understood."""
    path = workspace.root / "sittings.json"
    if not path.exists():
        return ()
    try:
        return files.read_model(path, _Sittings, "record of sittings").sittings
    except BadInput:
        # It only makes the next head-room better: never a reason to fail.
        return ()


def remember(
    workspace: Workspace, where: str, percentile: float, latency_s: Mapping[str, float]
) -> None:
    """Add a sitting."""
    if not latency_s:
        return
    sitting = Sitting(
        ended=datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        where=where,
        percentile=percentile,
        latency_s=dict(latency_s),
    )
    kept = (*read(workspace), sitting)[-KEPT:]
    files.write_model(workspace.root / "sittings.json", _Sittings(sittings=kept))


def shifts(sittings: tuple[Sitting, ...], where: str, percentile: float) -> tuple[float, ...]:
    """How much the speed differed between a sitting and the one before with the same networks.

    Root mean square over the networks that both measured, relative; one number a pair.
    """
    here = [s for s in sittings if s.where == where and s.percentile == percentile]
    found = []
    for i, later in enumerate(here):
        for earlier in reversed(here[:i]):
            common = earlier.latency_s.keys() & later.latency_s.keys()
            if common:
                logs = [np.log(later.latency_s[n] / earlier.latency_s[n]) for n in sorted(common)]
                found.append(float(np.sqrt(np.mean(np.square(logs)))))
                break
    return tuple(found)


def moved(
    sittings: tuple[Sitting, ...], where: str, percentile: float, artefact: str, now_s: float
) -> str:
    """A sentence on a file that took another time before; empty where it did not, or was not there.

    So that who reads a FAIL knows whether the network or the machine has changed: the file is the
    same, byte for byte.

    Args:
        sittings: earlier ones.
        where: see `place`.
        percentile: of a hot run.
        artefact: the file's SHA-256.
        now_s: what it takes now.
    """
    for one in reversed(sittings):
        then_s = one.latency_s.get(artefact)
        if then_s is None or (one.where, one.percentile) != (where, percentile):
            continue
        change = now_s / then_s - 1
        if abs(change) <= MOVED:
            return ""
        return (
            f"the same file took {1e3 * then_s:.4g} ms in the sitting of {one.ended}, now "
            f"{abs(change):.1%} {'more' if change > 0 else 'less'}: the machine is "
            f"{'slower' if change > 0 else 'faster'} than it was then"
        )
    return ""


def place(device: str, backend: str, threads: int, hello: Hello) -> str:
    """What must be the same for latencies of two sittings to be comparable, in one text."""
    facts = {**hello.machine, **{f"backend {name}": text for name, text in hello.backend.items()}}
    told = ", ".join(f"{name} {facts[name]}" for name in sorted(facts))
    return f"{device}, {backend}, {threads} threads, {told}"
