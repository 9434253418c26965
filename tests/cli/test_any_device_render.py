"""What is shown of a generator that reads tables."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console, RenderableType

from sgnas_cli import render
from tests.cli import samples


def shown(what: RenderableType) -> str:
    console = Console(width=120, record=True, file=None, quiet=False)
    with console.capture() as captured:
        console.print(what)
    return captured.get()


def test_a_table_that_is_new_to_the_generator_is_said_to_be() -> None:
    unseen = samples.GENERATE.model_copy(update={"generator": "tiny--any-device", "unseen": True})
    assert "tiny--any-device, which reads the table and was not trained on it" in shown(
        render.generated(unseen)
    )
    known = unseen.model_copy(update={"unseen": False})
    assert "not trained" not in shown(render.generated(known))


def test_all_tables_and_the_random_devices_are_told() -> None:
    one = samples.GENERATOR.model_copy(
        update={"more_tables": (Path("luts/other.json"),), "perturbed": 512}
    )
    text = shown(render.generator_trained(one))
    assert "luts/other.json" in text
    assert "random devices  512" in text
    assert "random devices" not in shown(render.generator_trained(samples.GENERATOR))
