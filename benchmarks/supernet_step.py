"""One training step of the supernet: the plain form beside the fast one, in fp32 and in bf16.

A step is what `sgnas train supernet` does: four sub-networks, forward and back, over one batch, and
one update. `plain` computes every branch of every sub-block with convolutions of its own.

    python -m benchmarks.supernet_step --space cifar --batch 64 --steps 3 --rounds 5

`plain` takes some twenty seconds a step: it gets one step in the first and in the last round, and
the others three in each. Six minutes in all on two cores. The last line on stdout is JSON.
"""

from __future__ import annotations

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


if __name__ == "__main__":
    in_turns.main("supernet_step", __doc__, FORMS, measure, slow=("plain",))
