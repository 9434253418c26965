"""Forms of the same work, measured in turns and each in fresh processes.

So a machine that changes its mood changes it for all of them, and a process's peak memory is the
peak of one form. Figures depend on the machine: compare within one run only.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any


def timed(step: Callable[[int], object], steps: int) -> dict[str, float]:
    """Time steps in this process; the first one warms up and is not counted."""
    seconds = []
    for number in range(steps + 1):
        started = time.perf_counter()
        step(number)
        seconds.append(time.perf_counter() - started)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {
        "step_s": statistics.median(seconds[1:]),
        "least_s": min(seconds[1:]),
        "peak_rss_bytes": peak,
    }


def in_fresh_process(module: str, form: str, flags: dict[str, Any]) -> dict[str, float]:
    """Run a benchmark's module for one form; its last line is what `timed` gave."""
    command = [sys.executable, "-m", module, "--form", form]
    for name, value in flags.items():
        command += [f"--{name}", str(value)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def rows(
    module: str,
    forms: Sequence[str],
    rounds: int,
    batch: int,
    flags: dict[str, Any],
    slow: Sequence[str] = (),
) -> dict[str, dict[str, Any]]:
    """Measure all forms in turns: per form medians over the rounds, and the best round.

    Slow forms get one step a round, and take part in the first and the last round only.
    """
    runs: dict[str, list[dict[str, float]]] = {form: [] for form in forms}
    for number in range(rounds):
        for form in forms:
            if form in slow and 0 < number < rounds - 1:
                continue
            run = in_fresh_process(module, form, {**flags, "steps": 1} if form in slow else flags)
            runs[form].append(run)
            print(
                f"round {number}: {form} {batch / run['step_s']:.1f} images/s, "
                f"peak {run['peak_rss_bytes'] / 1e9:.2f} GB",
                file=sys.stderr,
            )
    found = {}
    for form, measured in runs.items():
        step_s = statistics.median(run["step_s"] for run in measured)
        found[form] = {
            "step_s": step_s,
            "images_per_s": batch / step_s,
            "best_images_per_s": batch / min(run["least_s"] for run in measured),
            "peak_rss_bytes": max(run["peak_rss_bytes"] for run in measured),
            "rounds": len(measured),
            "rounds_step_s": [run["step_s"] for run in measured],
        }
    return found


def versions() -> dict[str, str]:
    """What the figures depend on."""
    import torch

    return {
        "torch": torch.__version__,
        "machine": platform.machine(),
        "python": platform.python_version(),
    }


def main(
    name: str,
    about: str | None,
    forms: Sequence[str],
    measure: Callable[[str, str, int, int, int], dict[str, float]],
    slow: Sequence[str] = (),
) -> None:
    """Parse a training step's flags, measure its forms in turns, print.

    Args:
        name: of the benchmark's module.
        about: its docstring.
        forms: all there are; what `plain` is compared with.
        measure: takes form, space, batch, steps and threads, and measures in this process.
        slow: forms that are measured less often, see `rows`.
    """
    parser = argparse.ArgumentParser(description=about.splitlines()[0] if about else "")
    parser.add_argument("--space", default="cifar")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--forms", default=",".join(forms), help="with commas between")
    parser.add_argument("--form", choices=forms, help="measure one form, in this process")
    options = parser.parse_args()
    flags = {flag: getattr(options, flag) for flag in ("space", "batch", "steps", "threads")}
    if options.form:
        own = measure(options.form, options.space, options.batch, options.steps, options.threads)
        print(json.dumps(own))
        return
    asked = options.forms.split(",")
    found = rows(f"benchmarks.{name}", asked, options.rounds, options.batch, flags, slow)
    plain = found.get("plain")
    speedup = {
        form: plain["step_s"] / row["step_s"] for form, row in found.items() if plain is not None
    }
    result = {
        "benchmark": name,
        **flags,
        "rounds": options.rounds,
        **versions(),
        "speedup_over_plain": speedup,
        "rows": found,
    }
    print(json.dumps(result))
