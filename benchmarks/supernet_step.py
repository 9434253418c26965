"""One training step of the supernet: the plain form beside the fast one.

A step is four forward and backward passes over one batch and one optimiser step. Both forms take
turns, in fresh processes for the peak memory, so that a machine that changes its mood changes it
for both. Figures depend on the machine: compare within one run only.

    python -m benchmarks.supernet_step --space cifar --batch 64 --steps 3 --rounds 3

The last line on stdout is JSON.
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

FORMS = ("plain", "fast")


def measure(form: str, space_id: str, batch: int, steps: int, threads: int) -> dict[str, float]:
    """Time steps of one form in this process; the first step warms up and is not counted."""
    import torch
    from torch.nn import functional

    from sgnas_deploy import spaces, supernet
    from sgnas_deploy.supernet import plain
    from sgnas_deploy.training import process

    process.prepare()
    torch.set_num_threads(threads)
    process.seed_all(0)
    space = spaces.load(space_id)
    network = plain.build(space) if form == "plain" else supernet.build(space)
    sampler = network.sampler(0)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.064, momentum=0.9, weight_decay=4e-4)
    images = torch.randn(batch, space.channels, space.resolution, space.resolution)
    if form == "fast":
        # As the training loop does.
        images = images.contiguous(memory_format=torch.channels_last)
    labels = torch.randint(0, space.classes, (batch,))
    network.train()
    seconds: list[float] = []
    for _ in range(steps + 1):
        started = time.perf_counter()
        optimizer.zero_grad(set_to_none=False)
        for _ in range(4):
            logits = network(images, sampler.draw())
            loss = functional.cross_entropy(logits, labels, label_smoothing=0.1)
            torch.autograd.backward(loss)
        optimizer.step()
        seconds.append(time.perf_counter() - started)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"step_s": statistics.mean(seconds[1:]), "peak_rss_bytes": peak}


def in_fresh_process(form: str, options: argparse.Namespace) -> dict[str, float]:
    """Run `measure` in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.supernet_step", "--form", form]
    for name in ("space", "batch", "steps", "threads"):
        command += [f"--{name}", str(getattr(options, name))]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Parse the flags, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--space", default="cifar")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--form", choices=FORMS, help="measure one form, in this process")
    options = parser.parse_args()
    if options.form:
        print(
            json.dumps(
                measure(options.form, options.space, options.batch, options.steps, options.threads)
            )
        )
        return
    runs: dict[str, list[dict[str, float]]] = {form: [] for form in FORMS}
    for round_number in range(options.rounds):
        for form in FORMS:
            runs[form].append(in_fresh_process(form, options))
            rate = options.batch / runs[form][-1]["step_s"]
            print(f"round {round_number}: {form} {rate:.1f} images/s", file=sys.stderr)
    rows = {}
    for form, measured in runs.items():
        step_s = statistics.median(run["step_s"] for run in measured)
        rows[form] = {
            "step_s": step_s,
            "images_per_s": options.batch / step_s,
            "peak_rss_bytes": max(run["peak_rss_bytes"] for run in measured),
            "rounds_step_s": [run["step_s"] for run in measured],
        }
    import torch

    result = {
        "benchmark": "supernet_step",
        "space": options.space,
        "batch": options.batch,
        "steps": options.steps,
        "rounds": options.rounds,
        "threads": options.threads,
        "torch": torch.__version__,
        "machine": platform.machine(),
        "speedup": rows["plain"]["step_s"] / rows["fast"]["step_s"],
        "rows": rows,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
