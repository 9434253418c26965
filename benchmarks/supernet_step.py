"""One training step of the supernet: the plain form beside the fast one, in fp32 and in bf16.

A step is what `sgnas train supernet` does: four sub-networks, forward and back, over one batch, and
one update. `plain` computes every branch of every sub-block with convolutions of its own.

    python -m benchmarks.supernet_step --space cifar --batch 64 --steps 3 --rounds 3

The last line on stdout is JSON.
"""

from __future__ import annotations

import argparse
import json

from benchmarks import in_turns

FORMS = ("plain", "fp32", "bf16")


def measure(form: str, space_id: str, batch: int, steps: int, threads: int) -> dict[str, float]:
    """Time steps of one form in this process."""
    import torch

    from sgnas_deploy import spaces, supernet
    from sgnas_deploy.supernet import plain
    from sgnas_deploy.training import process
    from sgnas_deploy.training.recipes import SupernetRecipe
    from sgnas_deploy.training.supernet import SupernetTask

    process.prepare()
    torch.set_num_threads(threads)
    process.seed_all(0)
    space = spaces.load(space_id)
    recipe = SupernetRecipe(
        epochs=1,
        batch=batch,
        lr=0.064,
        augmentation="crop",
        precision="bf16" if form == "bf16" else "fp32",
    )
    network = plain.build(space) if form == "plain" else supernet.build(space)
    task = SupernetTask(network, recipe, steps=1000, seed=0)
    images = torch.randn(batch, space.channels, space.resolution, space.resolution)
    if form != "plain":
        # As the training loop does.
        images = images.contiguous(memory_format=torch.channels_last)
    labels = torch.randint(0, space.classes, (batch,))
    return in_turns.timed(lambda number: task.step(number, images, labels), steps)


def main() -> None:
    """Parse the flags, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--space", default="cifar")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--forms", default=",".join(FORMS), help="with commas between")
    parser.add_argument("--form", choices=FORMS, help="measure one form, in this process")
    options = parser.parse_args()
    flags = {name: getattr(options, name) for name in ("space", "batch", "steps", "threads")}
    if options.form:
        found = measure(options.form, options.space, options.batch, options.steps, options.threads)
        print(json.dumps(found))
        return
    forms = options.forms.split(",")
    rows = in_turns.rows("benchmarks.supernet_step", forms, options.rounds, options.batch, flags)
    plain = rows.get("plain")
    speedup = {
        form: plain["step_s"] / row["step_s"] for form, row in rows.items() if plain is not None
    }
    result = {
        "benchmark": "supernet_step",
        **flags,
        "rounds": options.rounds,
        **in_turns.versions(),
        "speedup_over_plain": speedup,
        "rows": rows,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
