"""One training step of the generator against a frozen supernet: the plain form beside the fast one.

A step is what `sgnas train generator` does: budgets to gates, the soft supernet's pass forward and
back, the expected latency, one Adam update. `plain` computes every sub-block and every branch with
convolutions of its own and PyTorch's own gradients, its weights frozen; the others are what is
shipped, in fp32 and in bf16, with one budget a step and with eight. The supernet is untrained but
for a few passes that settle its statistics; temperature 5, so that no branch is left out.

    python -m benchmarks.generator_step --space cifar --batch 64 --steps 3 --rounds 5

The last line on stdout is JSON.
"""

from __future__ import annotations

from benchmarks import in_turns
from benchmarks.generate_budgets import synthetic

FORMS = ("plain", "fp32", "bf16", "fp32-8-budgets", "bf16-8-budgets")


def measure(form: str, space_id: str, batch: int, steps: int, threads: int) -> dict[str, float]:
    """Time steps of one form in this process."""
    import torch

    from sgnas_deploy import generator, spaces, supernet
    from sgnas_deploy.generator import priors
    from sgnas_deploy.generator.lessons import OneTable
    from sgnas_deploy.generator.recipe import Recipe
    from sgnas_deploy.generator.scale import scale_of
    from sgnas_deploy.generator.train import GeneratorTask
    from sgnas_deploy.supernet import plain
    from sgnas_deploy.training import process

    process.prepare()
    torch.set_num_threads(threads)
    process.seed_all(0)
    space = spaces.load(space_id)
    recipe = Recipe(
        batch=batch,
        budgets=8 if form.endswith("8-budgets") else 1,
        precision="bf16" if form.startswith("bf16") else "fp32",
    )
    frozen = plain.build(space) if form == "plain" else supernet.build(space)
    images = torch.randn(batch, space.channels, space.resolution, space.resolution)
    if form != "plain":
        # As the training loop does.
        images = images.contiguous(memory_format=torch.channels_last)
    labels = torch.randint(0, space.classes, (batch,))
    settle = supernet.build(space) if form == "plain" else frozen
    settle.load_state_dict(frozen.state_dict())
    sampler = settle.sampler(0)
    with torch.no_grad():
        for _ in range(6):
            settle.train()(images[:16], sampler.draw())
    frozen.load_state_dict(settle.state_dict())
    frozen.freeze()
    model = synthetic(space, 0)
    scale = scale_of(model, space)
    network = generator.build(space, recipe)
    network.set_priors(*priors.draw(space, model, scale, recipe.priors, 0))
    expected = network.expected_latency(model)
    # All steps are of the first epoch: the temperature stays.
    task = GeneratorTask(network, frozen, OneTable(expected, scale), recipe, seed=0, steps=1000)
    return in_turns.timed(lambda number: task.step(number, images, labels), steps)


if __name__ == "__main__":
    in_turns.main("generator_step", __doc__, FORMS, measure)
