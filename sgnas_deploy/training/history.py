"""How a training went: a few lines an epoch, kept beside the weights for `sgnas report`.

`NAME.safetensors` has `NAME.history.jsonl`, one JSON object a line. No torch here.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, final

from sgnas_deploy import files
from sgnas_deploy.errors import BadInput

LINES_AN_EPOCH: Final = 4


@final
class History:
    """Collects losses and, so many times an epoch, turns them into a line.

    Args:
        path: where the lines go.
        steps: steps an epoch.
        state: what `state` returned before a training was stopped.
    """

    def __init__(self, path: Path, steps: int, state: Mapping[str, Any] | None = None) -> None:
        self._path = path
        self._every = max(1, steps // LINES_AN_EPOCH)
        self._steps = steps
        state = state or {}
        self._lines: list[dict[str, float]] = list(state.get("lines", []))
        self._losses: list[float] = list(state.get("losses", []))

    def step(self, epoch: int, step: int, loss: float, readings: Mapping[str, float]) -> None:
        """Take loss and readings of a step, the `step`-th (from 0) of an epoch."""
        self._losses.append(loss)
        last = step + 1 == self._steps
        if (step + 1) % self._every and not last:
            return
        self._lines.append(
            {
                "epoch": round(epoch + (step + 1) / self._steps, 4),
                "loss": sum(self._losses) / len(self._losses),
                **readings,
            }
        )
        self._losses = []

    def add(self, **readings: float) -> None:
        """Add readings to the last line, such as an accuracy after an epoch."""
        self._lines[-1] |= readings

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {"lines": [dict(line) for line in self._lines], "losses": list(self._losses)}

    def write(self) -> None:
        """Write the lines so far, whole or not at all."""
        files.write_text(self._path, "".join(json.dumps(line) + "\n" for line in self._lines))


def path_of(weights: Path) -> Path:
    """Where the history of a training stands, by its weights or its checkpoint."""
    name = weights.name.removesuffix(".safetensors").removesuffix(".checkpoint")
    return weights.with_name(f"{name}.history.jsonl")


def read(path: Path) -> list[dict[str, float]]:
    """The lines of a history.

    Raises:
        BadInput: missing, or not what `History` writes.
    """
    text = files.read_bytes(path, "training history").decode("utf-8", "replace")
    found: list[dict[str, float]] = []
    for number, line in enumerate(text.splitlines(), 1):
        try:
            entry = json.loads(line)
            found.append({str(name): float(value) for name, value in entry.items()})
        except (ValueError, TypeError, AttributeError):
            raise BadInput(f"{path} is no training history: line {number}") from None
        if not {"epoch", "loss"} <= found[-1].keys() or not _finite(list(found[-1].values())):
            raise BadInput(f"{path} is no training history: line {number}")
    return found


def _finite(values: Sequence[float]) -> bool:
    return all(math.isfinite(value) for value in values)
