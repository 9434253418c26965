"""Does a supernet that is trained in bf16 lose accuracy? Seed by seed, in fp32 and in bf16.

    python -m benchmarks.precision_of_training --data digits --space tiny --seeds 0 1 2

Trains one supernet per precision and seed, as `sgnas train supernet` does, in turns. What is
compared is the mean top-1 of the same few random sub-networks on images that nothing was trained
on; the standard error is that of the differences between the seeds' pairs. With --workdir, finished
trainings are kept and interrupted ones go on. Two minutes a training of `tiny` on two cores.
Prints JSON last.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any, Final, Literal

from benchmarks import in_turns
from sgnas_deploy.events import NullReporter
from sgnas_deploy.pipeline.train_supernet import TrainSupernetRequest, train_supernet

PRECISIONS: Final[tuple[Literal["fp32", "bf16"], ...]] = ("fp32", "bf16")


def measure(root: Path, flags: argparse.Namespace) -> dict[str, Any]:
    """Train them all; each has a workspace of its own."""
    accuracies: dict[str, list[float]] = {precision: [] for precision in PRECISIONS}
    seconds: dict[str, list[float]] = {precision: [] for precision in PRECISIONS}
    for seed in flags.seeds:
        for precision in PRECISIONS:
            request = TrainSupernetRequest(
                data=flags.data,
                workdir=root / f"{precision}-{seed}",
                space=flags.space,
                epochs=flags.epochs,
                precision=precision,
                seed=seed,
            )
            found = train_supernet(request, NullReporter())
            accuracies[precision].append(found.accuracy)
            seconds[precision].append(found.seconds)
            print(f"seed {seed}: {precision} {found.accuracy:.4f}", file=sys.stderr)
    return {
        "accuracies": accuracies,
        "seconds": seconds,
        **compared(accuracies["fp32"], accuracies["bf16"]),
    }


def compared(fp32: list[float], bf16: list[float]) -> dict[str, Any]:
    """Means in per cent, and their difference in points with its standard error."""
    differences = [100 * (low - full) for full, low in zip(fp32, bf16, strict=True)]
    spread = statistics.stdev(differences) if len(differences) > 1 else None
    return {
        "fp32_mean_percent": 100 * statistics.fmean(fp32),
        "bf16_mean_percent": 100 * statistics.fmean(bf16),
        "difference_points": statistics.fmean(differences),
        "standard_error_points": None if spread is None else spread / len(differences) ** 0.5,
    }


def main() -> None:
    """Train, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="digits")
    parser.add_argument("--space", default="tiny")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, help="the recipe's if not given")
    parser.add_argument(
        "--workdir", type=Path, help="what keeps the trainings; else a temporary one"
    )
    flags = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        found = measure(flags.workdir or Path(scratch), flags)
    about = {name: getattr(flags, name) for name in ("data", "space", "seeds", "epochs")}
    versions = in_turns.versions()
    print(json.dumps({"benchmark": "precision_of_training", **about, **versions, **found}))


if __name__ == "__main__":
    main()
