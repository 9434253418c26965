from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgnas_cli.render import figures


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.01234567, "12.35"),
        (0.0005012, "0.5012"),
        (0.01, "10.00"),
        (0.1234, "123.4"),
        (1.5, "1500"),
        (0.00001, "0.0100"),
        (0.0000949, "0.0949"),
        (0.0000002222, "0.0002222"),
        (0.0, "0"),
        (-0.002, "-2.000"),
    ],
)
def test_ms(seconds: float, text: str) -> None:
    assert figures.ms(seconds) == text


@given(st.floats(min_value=1e-4, max_value=10))
def test_ms_is_right_to_four_digits(seconds: float) -> None:
    assert math.isclose(float(figures.ms(seconds)), seconds * 1000, rel_tol=5.1e-4)


@given(st.floats(min_value=1e-9, max_value=1e-4))
def test_ms_is_right_to_three_digits_below(seconds: float) -> None:
    assert math.isclose(float(figures.ms(seconds)), seconds * 1000, rel_tol=5.1e-3)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"),
        (913, "913"),
        (999, "999"),
        (1000, "1.00 k"),
        (48_200, "48.2 k"),
        (999_499, "999 k"),
        (999_600, "1.00 M"),
        (1_200_000, "1.20 M"),
        (370e9, "370 G"),
        (5e15, "5000 T"),
    ],
)
def test_count(number: float, text: str) -> None:
    assert figures.count(number) == text


@given(st.integers(min_value=1, max_value=10**14))
def test_count_is_right_to_three_digits(number: int) -> None:
    value, _, unit = figures.count(number).partition(" ")
    back = float(value) * {"": 1, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}[unit]
    assert math.isclose(back, number, rel_tol=5.1e-3)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, "0.0 s"),
        (0.44, "0.4 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (185, "3 min 05 s"),
        (3599.7, "1 h 00 min"),
        (7620, "2 h 07 min"),
    ],
)
def test_duration(seconds: float, text: str) -> None:
    assert figures.duration(seconds) == text


def test_clock() -> None:
    spans_s = (-1, 8.6, 725, 3725)
    assert [figures.clock(span_s) for span_s in spans_s] == ["0:00", "0:09", "12:05", "1:02:05"]


def test_percent_size_and_digest() -> None:
    assert figures.percent(0.1234) == "12.3"
    assert figures.percent(-0.05) == "-5.0"
    assert figures.percent(None) == "-"
    assert figures.size(200_000) == "200 kB"
    assert figures.size(12) == "12 B"
    assert figures.digest("0123456789abcdef") == "0123456789ab"
