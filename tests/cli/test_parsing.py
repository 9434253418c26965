from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgnas_cli import parsing
from sgnas_cli.parsing import Budgets
from sgnas_deploy.errors import BadInput


@given(st.floats(min_value=1e-9, max_value=1e9))
def test_milliseconds_become_seconds(value: float) -> None:
    assert parsing.seconds(repr(value)) == value / 1000


@given(st.floats().filter(lambda value: not (math.isfinite(value) and value / 1000 > 0)))
def test_no_latency_above_zero_is_bad_input(value: float) -> None:
    with pytest.raises(BadInput, match="not a latency above 0"):
        parsing.seconds(repr(value))


@pytest.mark.parametrize("text", ["", "ten", "10ms", "10,5", "max", "0x10"])
def test_no_number_is_bad_input(text: str) -> None:
    with pytest.raises(BadInput, match="is not a number of milliseconds"):
        parsing.seconds(text)


def test_exactly_one_kind_of_budget() -> None:
    assert parsing.budgets(["10", "20"], None) == Budgets(budgets_s=(0.01, 0.02))
    assert parsing.budgets(["max"], None) == Budgets(maximum=True)
    assert parsing.budgets(None, 3) == Budgets(count=3)


@pytest.mark.parametrize(
    ("latencies", "count"),
    [
        (None, None),
        ([], None),
        (["10"], 3),
        (["max"], 3),
        (["max", "10"], None),
        (["1", "x"], None),
    ],
)
def test_none_or_two_kinds_of_budgets_are_bad_input(
    latencies: list[str] | None, count: int | None
) -> None:
    with pytest.raises(BadInput) as caught:
        parsing.budgets(latencies, count)
    assert caught.value.cure
