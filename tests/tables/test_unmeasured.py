"""`sgnas profile --max-blocks` and `--transfer-from` on the fake device."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sgnas_deploy import spaces, tables
from sgnas_deploy.emitter import emit_block, emit_network
from sgnas_deploy.errors import BadInput
from sgnas_deploy.pipeline.profile import ProfileRequest, ProfileResult, profile
from sgnas_deploy.tables.partial import Partial
from sgnas_deploy.tables.transfer import split, stages
from tests.fakes.device import Disturbance, FakeDevice, Law
from tests.fakes.reporters import Listener
from tests.tables import synthetic

TINY = spaces.load("tiny")
QUIET = Disturbance(sigma=0.01)
OTHER = Law(macs_per_s=6e9, bytes_per_s=12e9, operator_s=4e-6, call_s=9e-6, cached_read=0.6)
"""A slower device, with other strengths."""


def request(workdir: Path, **changes: Any) -> ProfileRequest:
    settings: dict[str, Any] = {
        "device": "cpu",
        "workdir": workdir,
        "space": "tiny",
        "quality": "quick",
        "form": "concat",
    }
    return ProfileRequest(**{**settings, **changes})


def true_error(device: FakeDevice, result: ProfileResult) -> tuple[float, float]:
    """Mean and largest relative error of predictions of random networks."""
    model = tables.predictor(tables.read(result.table))
    rng = np.random.default_rng(4)
    relative = []
    for _ in range(30):
        options = TINY.sample(rng)
        true_s = device.true_s(emit_network(TINY, options, "concat", 1).SerializeToString())
        relative.append(abs(model.predict_s(options) / true_s - 1))
    return float(np.mean(relative)), float(np.max(relative))


# --- a part of the blocks


@pytest.fixture(scope="module")
def partly(tmp_path_factory: pytest.TempPathFactory) -> tuple[FakeDevice, ProfileResult]:
    workdir = tmp_path_factory.mktemp("partly")
    device = FakeDevice(disturbance=QUIET)
    return device, profile(request(workdir, max_blocks=80), Listener(), device)


def test_a_part_of_the_blocks_predicts_the_others(
    partly: tuple[FakeDevice, ProfileResult],
) -> None:
    device, result = partly
    assert (result.blocks, result.estimated, result.sources) == (80, 420, ())
    table = tables.read(result.table)
    assert table.estimation is not None
    assert (table.estimation.method, table.estimation.measured) == ("features", 80)
    assert result.estimate_error == table.estimation.error
    assert "--max-blocks 80" in table.command
    mean, largest = true_error(device, result)
    assert mean < 0.02
    assert largest < result.margin + 0.03
    models = len(device.finished)
    assert models == 80 + result.networks


def test_blocks_that_every_network_has_are_measured(
    partly: tuple[FakeDevice, ProfileResult],
) -> None:
    table = tables.read(partly[1].table)
    assert all(block.key in table.blocks for block in TINY.fixed_blocks())


def test_stated_errors_of_estimates_hold(partly: tuple[FakeDevice, ProfileResult]) -> None:
    device, result = partly
    table = tables.read(result.table)
    blocks = {block.key: block for block in spaces.all_blocks(TINY)}
    inside = []
    for key, estimate in list(table.estimates.items())[::7]:
        true_s = device.true_s(emit_block(blocks[key], "concat", 1))
        inside.append(abs(estimate.cost_s / true_s - 1) < 2 * estimate.error + 0.01)
    assert np.mean(inside) > 0.85


def test_estimates_flow_into_the_margin() -> None:
    whole = synthetic.table(noise=0.002)
    part = synthetic.part(whole, 120)
    worse = part.model_copy(
        update={
            "estimates": {
                key: entry.model_copy(update={"error": 0.2})
                for key, entry in part.estimates.items()
            }
        }
    )
    margins = [tables.predictor(table).margin_parts.selection for table in (whole, part, worse)]
    assert margins == sorted(margins)
    assert margins[2] > margins[1] + 0.05


def test_stopped_and_continued_it_ends_with_the_same_table(
    tmp_path: Path, partly: tuple[FakeDevice, ProfileResult]
) -> None:
    device = FakeDevice(disturbance=QUIET)
    left = 0

    def maybe_stop() -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise KeyboardInterrupt

    device.before_result = maybe_stop
    result, stops = None, 0
    while result is None:
        left = 50
        try:
            result = profile(request(tmp_path, max_blocks=80), Listener(), device)
        except KeyboardInterrupt:
            stops += 1
    assert stops >= 3
    first, second = (tables.read(r.table).model_dump() for r in (result, partly[1]))
    del first["created"], second["created"]
    assert first == second


@pytest.mark.parametrize("space", ["tiny", "imagenet"])
def test_too_few_blocks_are_refused(tmp_path: Path, space: str) -> None:
    least = Partial.least(spaces.load(space))
    with pytest.raises(BadInput, match=f"must be {least} or more"):
        profile(request(tmp_path, space=space, max_blocks=least - 1), Listener(), FakeDevice())
    assert not list(tmp_path.rglob("*.jsonl"))


def test_more_blocks_than_there_are_is_a_whole_table(tmp_path: Path) -> None:
    result = profile(request(tmp_path, max_blocks=10**6), Listener(), FakeDevice())
    assert (result.blocks, result.estimated) == (500, 0)


# --- from other tables


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A table of a device much like the new one, and of one unlike it."""
    found = []
    for name, law in (
        ("alike", dataclasses.replace(OTHER, macs_per_s=9e9, call_s=5e-6)),
        ("unlike", Law(macs_per_s=500e9, bytes_per_s=2e9, operator_s=2e-5)),
    ):
        folder = tmp_path_factory.mktemp(name)
        device = FakeDevice(law=law, disturbance=QUIET)
        out = folder / f"{name}.json"
        profile(request(folder, out=out), Listener(), device)
        found.append(out)
    return found[0], found[1]


def transferred(
    workdir: Path, sources: tuple[Path, ...], **changes: Any
) -> tuple[FakeDevice, ProfileResult, Listener]:
    device, listener = FakeDevice(law=OTHER, disturbance=QUIET), Listener()
    names = tuple(str(path) for path in sources)
    made = request(workdir, transfer_from=names, **changes)
    return device, profile(made, listener, device), listener


def test_twenty_samples_make_a_table(tmp_path: Path, sources: tuple[Path, Path]) -> None:
    device, result, listener = transferred(tmp_path, sources, samples=20, target_error=1e-6)
    assert (result.blocks, result.networks, result.estimated) == (12, 8, 488)
    assert len(device.finished) == 20
    table = tables.read(result.table)
    assert table.estimation is not None
    assert table.estimation.method == "transfer"
    # Leaving out one block at a time finds the device that is alike.
    assert [source.sha256 for source in table.estimation.sources] == [tables.sha256(sources[0])]
    mean, largest = true_error(device, result)
    assert mean < 0.02
    assert largest < result.margin + 0.02
    assert any("still err" in text for text in listener.warnings)
    assert f"--transfer-from {sources[0]} --transfer-from {sources[1]} --samples 20" in (
        table.command
    )


def test_it_stops_when_it_is_good_enough(tmp_path: Path, sources: tuple[Path, Path]) -> None:
    device, result, listener = transferred(tmp_path, sources, samples=60, target_error=0.05)
    assert result.error <= 0.05
    assert len(device.finished) < 30
    assert not listener.warnings
    assert sum("predictions of networks err by" in text for text in listener.notes) >= 2


def test_it_beats_the_same_blocks_without_a_source(
    tmp_path: Path, sources: tuple[Path, Path]
) -> None:
    _, result, _ = transferred(tmp_path, sources[:1], samples=20, target_error=1e-6)
    device = FakeDevice(law=OTHER, disturbance=QUIET)
    alone = profile(request(tmp_path / "alone", max_blocks=12), Listener(), device)
    assert true_error(device, result)[0] < true_error(device, alone)[0]


def test_auto_takes_the_source_s_form(tmp_path: Path, sources: tuple[Path, Path]) -> None:
    device, result, listener = transferred(tmp_path, sources, samples=10, form="auto")
    assert result.form == "concat"
    assert len(device.finished) == 10
    assert any(note.startswith("graph form concat, as in") for note in listener.notes)


def test_stages_and_samples() -> None:
    assert list(stages(20)) == [10, 12, 14, 16, 18, 20]
    assert list(stages(10)) == [10]
    assert list(stages(11)) == [10, 11]
    assert split(10) == (6, 4)
    assert split(20) == (12, 8)
    assert split(100) == (90, 10)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"max_blocks": 50}, "exclude each other"),
        ({"samples": 9}, "--samples must be between 10"),
        ({"target_error": 0.0}, "--target-error"),
        ({"transfer_from": (), "samples": 12}, "none was named"),
        ({"transfer_from": (), "target_error": 0.1}, "none was named"),
        ({"transfer_from": ("nothing",)}, "there is no table"),
        ({"space": "tiny+r64"}, "is of the space tiny, not of tiny+r64"),
    ],
)
def test_what_makes_no_sense_is_refused(
    tmp_path: Path, sources: tuple[Path, Path], changes: dict[str, Any], said: str
) -> None:
    settings = {"transfer_from": (str(sources[0]),), **changes}
    with pytest.raises(BadInput) as caught:
        profile(request(tmp_path, **settings), Listener(), FakeDevice())
    assert said in caught.value.message
    assert not list(tmp_path.rglob("*.jsonl"))


def test_a_source_twice_and_a_predicted_source_are_refused(
    tmp_path: Path, sources: tuple[Path, Path]
) -> None:
    with pytest.raises(BadInput, match="twice"):
        transferred(tmp_path, (sources[0], sources[0]))
    _, result, _ = transferred(tmp_path, sources[:1], samples=10)
    with pytest.raises(BadInput, match="itself predicted"):
        transferred(tmp_path / "b", (result.table,))
