from __future__ import annotations

import dataclasses
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sgnas_deploy import architectures, spaces, tables
from sgnas_deploy.errors import BadInput, ClearNo
from sgnas_deploy.events import NullReporter
from sgnas_deploy.generator.scale import option_macs, scale_of
from sgnas_deploy.generator.within import best_within
from sgnas_deploy.pipeline.generate import GenerateRequest, GenerateResult, generate
from sgnas_deploy.workspace import Workspace
from tests.generator.models import model


def by_macs(made: Workspace, **flags: object) -> GenerateResult:
    request = dataclasses.replace(
        GenerateRequest(workdir=made.root, scores="macs"),
        **flags,  # type: ignore[arg-type]
    )
    return generate(request, NullReporter())


def written(made: Workspace) -> list[Path]:
    return sorted(made.architectures.glob("*")) if made.architectures.exists() else []


def test_a_count_spreads_budgets_over_the_feasible_range(with_table: Workspace) -> None:
    result = by_macs(with_table, count=7)
    budgets = [one.budget_s for one in result.architectures]
    assert budgets[0] == result.fastest_s
    assert budgets[-1] == result.slowest_s
    np.testing.assert_allclose(np.diff(budgets), np.diff(budgets)[0])
    macs = [one.macs for one in result.architectures]
    assert macs == sorted(macs)
    assert len(set(macs)) == 7


def test_files_say_what_was_asked_and_promised(with_table: Workspace) -> None:
    result = by_macs(with_table, count=5, percentile=90.0)
    path = with_table.find_table(None)
    predictor = tables.predictor(tables.read(path), 90.0)
    assert written(with_table) == sorted(one.path for one in result.architectures)
    for one in result.architectures:
        found = architectures.read(one.path)
        told = found.budgeted
        assert told is not None
        assert told.budget_s == one.budget_s
        assert told.predicted_s == predictor.predict_s(found.options)
        assert told.predicted_s <= told.budget_s * (1 - told.margin)
        assert told.margin == result.margin == predictor.margin
        assert told.percentile == 90
        assert told.table_sha256 == tables.sha256(path)
        assert told.generator_sha256 is None
        assert told.score == pytest.approx(
            sum(m[o] for m, o in zip(option_macs(spaces.load("tiny")), found.options, strict=True))
        )
        assert one.unused == pytest.approx(1 - told.predicted_s / told.budget_s)
    assert with_table.last("generate") == tuple(one.name for one in result.architectures)


def test_budgets_at_the_ends_are_feasible_and_one_bit_below_is_not(with_table: Workspace) -> None:
    result = by_macs(with_table, count=2)
    again = by_macs(with_table, budgets_s=(result.fastest_s, result.slowest_s))
    assert not again.warnings
    assert [o.labels for o in again.architectures] == [o.labels for o in result.architectures]
    with pytest.raises(ClearNo):
        by_macs(with_table, budgets_s=(math.nextafter(result.fastest_s, 0),))


def test_a_budget_below_the_fastest_is_a_clear_no_and_writes_nothing(
    with_table: Workspace,
) -> None:
    with pytest.raises(ClearNo, match=r"no network of tiny keeps 0\.001 ms") as caught:
        by_macs(with_table, budgets_s=(0.01, 1e-6))
    assert not written(with_table)
    result = by_macs(with_table, count=2)
    # The figure that the cure names works.
    asked = float((caught.value.cure or "").split()[-1])
    assert by_macs(with_table, budgets_s=(asked / 1e3,)).architectures
    assert f"{result.slowest_s * 1e3:.4g} ms" in caught.value.message


def test_a_budget_above_the_slowest_gets_the_largest_network_and_a_warning(
    with_table: Workspace,
) -> None:
    above = by_macs(with_table, budgets_s=(10.0,))
    assert len(above.warnings) == 1
    assert "largest network" in above.warnings[0]
    most = by_macs(with_table, maximum=True)
    assert not most.warnings
    assert most.architectures[0].labels == above.architectures[0].labels
    space = spaces.load("tiny")
    largest = sum(float(m.max()) for m in option_macs(space))
    found = architectures.read(most.architectures[0].path)
    assert found.budgeted is not None
    assert found.budgeted.score == pytest.approx(largest)


@pytest.mark.parametrize("bad", [0.0, -0.001, math.nan, math.inf])
def test_budgets_that_are_no_durations_are_refused(with_table: Workspace, bad: float) -> None:
    with pytest.raises(BadInput, match="is not possible"):
        by_macs(with_table, budgets_s=(0.01, bad))
    assert not written(with_table)


@pytest.mark.parametrize("flags", [{}, {"count": 0}, {"count": 2, "maximum": True}, {"count": -1}])
def test_a_question_that_is_none_is_refused(
    with_table: Workspace, flags: dict[str, object]
) -> None:
    with pytest.raises(BadInput):
        by_macs(with_table, **flags)


@pytest.mark.parametrize("margin", [-0.1, 1.0, math.nan])
def test_an_impossible_margin_is_refused(with_table: Workspace, margin: float) -> None:
    with pytest.raises(BadInput, match="margin"):
        by_macs(with_table, count=2, margin=margin)


def test_a_larger_margin_leaves_more_unused(with_table: Workspace) -> None:
    budget = by_macs(with_table, count=1, margin=0.0).architectures[0].budget_s * 1.2
    none, some = (by_macs(with_table, budgets_s=(budget,), margin=m) for m in (0.0, 0.1))
    assert none.architectures[0].unused < 0.05
    assert 0.1 <= some.architectures[0].unused < 0.15


def test_names_tell_budgets_apart_and_repeats_too(with_table: Workspace) -> None:
    middle = by_macs(with_table, count=1).architectures[0].budget_s
    budgets = (middle, middle * (1 + 1e-7), middle, middle)
    result = by_macs(with_table, budgets_s=budgets)
    names = [one.name for one in result.architectures]
    assert len(set(names)) == 4
    assert names[2:] == [f"{names[0]}-2", f"{names[0]}-3"]
    assert all(name.startswith("tiny-") and "ms" in name for name in names)
    plain = by_macs(with_table, budgets_s=(math.ceil(middle * 1e3) / 1e3,))
    assert plain.architectures[0].name == f"tiny-{math.ceil(middle * 1e3)}ms"


def test_an_empty_workspace_names_the_command_to_run(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no latency table") as caught:
        generate(GenerateRequest(workdir=tmp_path / "none", count=2), NullReporter())
    assert "sgnas profile" in (caught.value.cure or "")
    assert not (tmp_path / "none").exists()


def test_a_missing_generator_names_both_ways_on(with_table: Workspace) -> None:
    with pytest.raises(BadInput, match="no trained generator") as caught:
        generate(GenerateRequest(workdir=with_table.root, count=2), NullReporter())
    assert "sgnas train generator" in (caught.value.cure or "")
    assert "--scores macs" in (caught.value.cure or "")
    assert not written(with_table)


def test_macs_need_no_torch(with_table: Workspace) -> None:
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from sgnas_deploy.events import NullReporter\n"
        "from sgnas_deploy.pipeline.generate import GenerateRequest, generate\n"
        "request = GenerateRequest(workdir=Path(sys.argv[1]), count=3, scores='macs')\n"
        "assert len(generate(request, NullReporter()).architectures) == 3\n"
        "assert not {'torch', 'scipy', 'sklearn'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", program, str(with_table.root)], check=True)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 10_000),
    st.lists(st.floats(0, 1.05), min_size=1, max_size=5),
    st.floats(0.1, 5),
)
def test_predicted_latency_is_never_over_whatever_the_scores(
    seed: int, places: list[float], sharpness: float
) -> None:
    latency, space = model(seed=seed % 5), spaces.load("tiny")
    scale = scale_of(latency, space)
    rng = np.random.default_rng(seed)
    targets = scale.fastest_s + np.array(places) * (scale.slowest_s - scale.fastest_s)
    targets = np.maximum(targets, scale.fastest_s)
    scores = [-sharpness * rng.exponential(1, (len(places), n)) for n in space.option_counts]
    for target, found in zip(
        targets, best_within(latency, scale, scores, targets, option_macs(space)), strict=True
    ):
        assert found.predicted_s == latency.predict_s(found.options)
        assert found.predicted_s <= target


def test_little_of_a_budget_is_left_whatever_the_scores_like() -> None:
    latency, space = model("cifar"), spaces.load("cifar")
    scale = scale_of(latency, space)
    rng = np.random.default_rng(0)
    targets = np.linspace(scale.fastest_s, scale.slowest_s, 40)
    scores = [rng.normal(0, 2, (40, n)) for n in space.option_counts]
    found = best_within(latency, scale, scores, targets, option_macs(space))
    unused = 1 - np.array([one.predicted_s for one in found]) / targets
    assert unused.min() >= 0
    assert unused.mean() < 0.005
