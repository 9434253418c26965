from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from rich.console import RenderableType
from syrupy.assertion import SnapshotAssertion

from sgnas_cli import output, render
from tests.cli import samples
from tests.cli.bench_samples import BENCH

CASES: dict[str, tuple[Callable[[Any], RenderableType], Any]] = {
    "profile": (render.profiled, samples.PROFILE),
    "supernet": (render.supernet_trained, samples.SUPERNET),
    "generator": (render.generator_trained, samples.GENERATOR),
    "generate": (render.generated, samples.GENERATE),
    "retrain": (render.retrained, samples.RETRAIN),
    "export": (render.exported, samples.EXPORT),
    "fit": (render.fitted, samples.fit_result("PASS", "FAIL", "UNDECIDED")),
    "validate": (render.validated, samples.validate_result("PASS", "FAIL", "UNDECIDED")),
    "report": (render.reported, samples.REPORT),
    "run": (render.classified, samples.RUN),
    "lut-show-one": (render.tables_shown, samples.SHOW_ONE),
    "lut-show-many": (render.tables_shown, samples.SHOW_MANY),
    "lut-show-none": (render.tables_shown, samples.SHOW_NONE),
    "lut-check": (render.table_checked, samples.CHECK),
    "lut-check-failed": (render.table_checked, samples.CHECK_FAILED),
    "lut-check-noisy": (render.table_checked, samples.CHECK_NOISY),
    "lut-show-estimated": (render.tables_shown, samples.SHOW_ESTIMATED),
    "lut-export": (render.table_exported, samples.EXPORTED),
    "lut-migrate": (render.table_migrated, samples.MIGRATED),
    "profile-noisy": (render.profiled, samples.PROFILE_NOISY),
    "lut-diff": (render.tables_compared, samples.DIFF),
    "lut-diff-nothing": (render.tables_compared, samples.DIFF_NOTHING),
    "lut-merge": (render.tables_merged, samples.MERGE),
    "devices": (render.devices_listed, samples.DEVICES),
    "device-added": (render.device_added, samples.SHELF),
    "device-removed": (render.device_removed, samples.SHELF),
    "device-answers": (render.device_tested, samples.ANSWERS),
    "device-silent": (render.device_tested, samples.SILENT),
    "doctor": (render.diagnosed, samples.HEALTHY),
    "doctor-problem": (render.diagnosed, samples.UNHEALTHY),
    "demo": (render.demonstrated, samples.DEMO),
    "bench": (render.benched, BENCH),
}

BRACKETS = samples.DEVICES.model_copy(
    update={"devices": (samples.SHELF.model_copy(update={"name": "[bold]shelf"}),)}
)


def draw(renderable: RenderableType, width: int) -> str:
    screen = io.StringIO()
    output.console(screen, width).print(renderable, crop=False)
    # Trailing spaces are invisible, and editors strip them from snapshots.
    return "\n".join(line.rstrip() for line in screen.getvalue().splitlines())


@pytest.mark.parametrize("width", [80, 100])
@pytest.mark.parametrize("name", CASES)
def test_rendering(name: str, width: int, snapshot: SnapshotAssertion) -> None:
    function, result = CASES[name]
    assert draw(function(result), width) == snapshot


def test_every_renderer_is_tested() -> None:
    assert {function.__name__ for function, _ in CASES.values()} == set(render.__all__)


def test_the_demo_s_table_fits_80_columns_unfolded() -> None:
    """Each row on one line: the widest figures that the demo's space can bring."""
    row = samples.demo_row(1, "UNDECIDED").model_copy(
        update={"budget_s": 0.1234, "predicted_s": 0.1234, "p50_s": 0.1234, "p95_s": 0.1234,
                "unused": -0.123, "supernet_accuracy": 1.0, "accuracy": 1.0,
                "params": 999_000, "macs": 99_900_000}
    )  # fmt: skip
    text = draw(render.demonstrated(samples.DEMO.model_copy(update={"rows": (row,)})), 80)
    [line] = [line for line in text.splitlines() if line.startswith("UNDECIDED")]
    wanted = "UNDECIDED 123.4 123.4 123.4 123.4 -12.3 100.0 100.0 999 k 99.9 M"
    assert " ".join(line.split()) == wanted


def test_text_in_brackets_is_no_markup() -> None:
    assert "[bold]shelf" in draw(render.devices_listed(BRACKETS), 80)
    assert "the clock [is] not fixed" in draw(render.device_tested(samples.ANSWERS), 80)


def test_paths_and_release_lines_are_not_wrapped() -> None:
    result = samples.validate_result("PASS")
    text = draw(render.validated(result), 40)
    assert result.networks[0].line in text.splitlines()
    assert f"report: {result.networks[0].report}" in text.splitlines()
