"""What the pictures are made of."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgnas_deploy import spaces, tables
from sgnas_deploy.reporting import drawing, heat, pareto, units
from sgnas_deploy.reporting.charts import Frame, padded, ticks
from sgnas_deploy.reporting.pareto import Point
from sgnas_deploy.workspace import Workspace

# Another test's runtime may have left the process flushing denormals.
FLOATS = st.floats(-1e6, 1e6, allow_nan=False, allow_subnormal=False)


@given(FLOATS, st.floats(1e-6, 1e6))
def test_ticks_are_round_and_within(low: float, reach: float) -> None:
    high = low + reach
    found = ticks(low, high)
    slack = 1e-6 * max(abs(low), abs(high), reach)
    assert all(low - slack <= value <= high + slack for value in found)
    assert len(found) <= 7
    if reach > 1e-3 * abs(low):
        assert len(found) >= 2


@given(st.lists(FLOATS, min_size=1))
def test_a_padded_range_has_room(values: list[float]) -> None:
    low, high = padded(values)
    assert low < high
    frame = Frame((low, high), (low, high))
    for value in values:
        assert frame.left - 1e-6 <= frame.px(value) <= 480 - frame.right + 1e-6


def point(latency_s: float, accuracy: float) -> Point:
    return Point("A", "a", latency_s, accuracy, "PASS", None)


@given(st.lists(st.tuples(st.integers(1, 30), st.integers(0, 30)), min_size=1))
def test_the_front_is_what_nothing_beats(pairs: list[tuple[int, int]]) -> None:
    found = [point(x / 1000, y / 30) for x, y in pairs]
    front = pareto.front(found)
    beaten = [
        one
        for one in found
        if any(
            other.latency_s <= one.latency_s
            and other.accuracy >= one.accuracy
            and (other.latency_s, other.accuracy) != (one.latency_s, one.accuracy)
            for other in found
        )
    ]
    assert {(one.latency_s, one.accuracy) for one in front} == {
        (one.latency_s, one.accuracy) for one in found if one not in beaten
    }
    assert [one.latency_s for one in front] == sorted(one.latency_s for one in front)


def test_nothing_makes_no_picture() -> None:
    assert pareto.draw(()) is None


@pytest.mark.parametrize("accuracy", [0.0, 0.5, 1.0])
def test_a_single_point_is_drawn(accuracy: float) -> None:
    assert pareto.draw([point(1e-3, accuracy)]) is not None


def test_the_heat_map_has_every_option_once(finished: Workspace) -> None:
    (path,) = finished.luts.glob("*.json")
    model = tables.predictor(tables.read(path))
    found = heat.of(model)
    space = spaces.load("tiny")
    assert sorted(found.order) == list(range(space.option_counts[0]))
    for decision in range(len(space.option_counts)):
        own = model.option_costs[decision][list(found.order)]
        np.testing.assert_array_equal(found.costs_s[decision], own)
    drawn = heat.draw(model, [])
    assert drawn.count("h-") == found.costs_s.size  # one cell, one way back


def test_blocks_are_drawn_by_their_spatial_convolutions() -> None:
    space = spaces.load("tiny")
    layer = space.option_blocks(0, 5)[0]
    found = drawing.branches(layer)
    labels = space.option_label(0, 5)  # such as 3x1 7x2
    assert found == [
        (int(kernel), int(n) * layer.input_shape[0])
        for kernel, n in (part.split("x") for part in labels.split())
    ]
    assert drawing.branches(space.fixed_blocks()[-1]) == [(1, 256)]


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (999, "999"), (999.6, "1.00 k"), (48_200, "48.2 k"), (1.2e6, "1.20 M")],
)  # fmt: skip
def test_counts(value: float, text: str) -> None:
    assert units.count(value) == text
