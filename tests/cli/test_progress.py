from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.progress import Progress

from sgnas_cli import progress
from sgnas_cli.progress import Pace, PlainReporter, RichReporter
from sgnas_cli.render import readings
from sgnas_deploy.events import (
    Event,
    Note,
    Reporter,
    StageAdvanced,
    StageEnded,
    StageStarted,
    Warned,
    stage,
)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_pace_is_the_mean_so_far() -> None:
    pace = Pace(0.0, 10.0)
    assert pace.remaining_s(5.0) is None
    pace.advance(2, 8.0)
    assert pace.remaining_s(8.0) == 32.0


def test_amounts_show_parts_of_a_unit() -> None:
    pace = Pace(0.0, 2.0, "epochs")
    assert pace.amount() == "0 of 2 epochs"
    pace.advance(0.5, 5.0)
    assert pace.amount() == "0.5 of 2 epochs"
    pace.advance(2, 9.0)
    assert pace.amount() == "2 of 2 epochs"


def test_pace_leaves_out_what_an_earlier_run_did() -> None:
    pace = Pace(0.0, 100.0)
    pace.advance(90, 0.5)
    assert pace.remaining_s(0.5) is None
    pace.advance(91, 2.5)
    assert pace.remaining_s(2.5) == 18.0


@given(
    total=st.none() | st.floats(min_value=0, max_value=1e6),
    advances=st.lists(
        st.tuples(st.floats(min_value=0, max_value=1e6), st.floats(min_value=0, max_value=60))
    ),
)
def test_pace_never_promises_nonsense(
    total: float | None, advances: list[tuple[float, float]]
) -> None:
    pace, now_s = Pace(0.0, total, "blocks"), 0.0
    for done, after_s in advances:
        now_s += after_s
        pace.advance(done, now_s)
        left_s = pace.remaining_s(now_s)
        assert left_s is None or left_s >= 0
        assert pace.amount().endswith("blocks") or pace.amount() == ""


def plain() -> tuple[PlainReporter, io.StringIO, Clock]:
    out, clock = io.StringIO(), Clock()
    return PlainReporter(out, clock), out, clock


def test_plain_lines_are_sparse() -> None:
    reporter, out, clock = plain()
    with stage(reporter, "profile tiny", 100, "blocks") as outer:
        for number in range(100):
            clock.now_s += 0.5
            with stage(reporter, f"block {number}", 10, "runs") as inner:
                inner.advance(10)
            outer.advance(1, "mb_i8")
    assert out.getvalue().splitlines() == [
        "profile tiny ... (100 blocks)",
        "block 19: 10 of 10 runs, 0.0 s so far",
        "block 39: 10 of 10 runs, 0.0 s so far",
        "block 59: 10 of 10 runs, 0.0 s so far",
        "block 79: 10 of 10 runs, 0.0 s so far",
        "block 99: 10 of 10 runs, 0.0 s so far",
        "profile tiny: ended after 50 s",
    ]


def test_plain_progress_tells_what_is_left() -> None:
    reporter, out, clock = plain()
    with stage(reporter, "train", 4, "epochs") as epochs:
        clock.now_s += 30
        epochs.advance(1, "loss 2.0")
    assert "train: 1 of 4 epochs, loss 2.0, 30 s so far, about 1 min 30 s left" in out.getvalue()


READINGS = {
    "loss": 1.23456,
    "accuracy": 0.7123,
    "expected_s": 4.12e-4,
    "target_s": 4e-4,
    "temperature": 3.2481,
    "learning_rate": 0.0128,
    "images_per_s": 1234.5,
    "budget_error": 0.01,
}


def test_readings_are_one_line() -> None:
    assert readings.line(READINGS) == (
        "loss 1.235, accuracy 71.2 %, latency 0.4120 for 0.4000 ms, temperature 3.25, "
        "learning rate 0.0128, 1,234 images/s"
    )
    assert readings.line({}) == ""
    assert readings.line({"loss": 2.0, "images_per_s": 0.0, "target_s": 1e-3}) == "loss 2.000"


def test_plain_progress_tells_the_readings_instead_of_the_note() -> None:
    reporter, out, clock = plain()
    with stage(reporter, "train", 4, "epochs") as epochs:
        clock.now_s += 30
        epochs.advance(1, "loss 2.0", {"loss": 2.0, "learning_rate": 0.1})
    assert "train: 1 of 4 epochs, loss 2.000, learning rate 0.1, 30 s so far" in out.getvalue()
    assert "loss 2.0," not in out.getvalue()


def rich() -> tuple[RichReporter, io.StringIO, Clock]:
    out, clock = io.StringIO(), Clock()
    console = Console(file=out, force_terminal=True, width=100, _environ={})
    return RichReporter(Progress(console=console, auto_refresh=False), clock), out, clock


def test_rich_keeps_lines_of_outer_stages_and_notes() -> None:
    reporter, out, clock = rich()
    with stage(reporter, "retrain", 1, "networks") as outer:
        with stage(reporter, "tiny-1ms", 30, "epochs") as inner:
            clock.now_s += 12
            inner.advance(30, "loss 0.1")
        outer.advance()
        reporter.event(Note("keeps [this] as it is"))
        reporter.event(Warned("the clock moved"))
    text = out.getvalue()
    assert "keeps [this] as it is" in text
    assert "warning: the clock moved" in text
    assert "retrain: 1 of 1 networks, 12 s" in text
    assert "tiny-1ms: " not in text


EVENTS = st.lists(
    st.one_of(
        st.builds(
            StageStarted,
            st.sampled_from("abc"),
            st.none() | st.sampled_from([0.0, 1.0, 7.0]),
            st.sampled_from(["", "blocks"]),
        ),
        st.builds(
            StageAdvanced,
            st.sampled_from("abcd"),
            st.floats(min_value=0, max_value=20),
            st.text(max_size=5),
        ),
        st.builds(StageEnded, st.sampled_from("abcd")),
        st.builds(Note, st.text(max_size=20)),
        st.builds(Warned, st.text(max_size=20)),
    )
)


@pytest.mark.parametrize("make", [plain, rich])
@given(events=EVENTS)
def test_any_order_of_events_is_taken(
    make: Callable[[], tuple[Reporter, io.StringIO, Clock]], events: list[Event]
) -> None:
    """Stages that were never begun, end twice, begin twice, or have no length."""
    reporter, _, clock = make()
    for event in events:
        clock.now_s += 3
        reporter.event(event)


def test_a_reader_that_left_does_not_stop_the_job() -> None:
    out = io.StringIO()
    reporter = PlainReporter(out)
    out.close()
    reporter.event(Note("nobody hears this"))


def test_without_a_terminal_the_lines_are_plain(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.listening() as reporter:
        reporter.event(Note("hello"))
    assert capsys.readouterr().err == "hello\n"


def test_figures_are_not_cut_on_a_narrow_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("sys.stderr", screen)
    with (
        progress.listening() as reporter,
        stage(reporter, f"training the generator of {'x' * 80}", 50, "epochs") as epochs,
    ):
        epochs.advance(31.5, "a long note " * 20)
    assert "31.5 of 50 epochs" in screen.getvalue()
    assert "training the gen" in screen.getvalue()


def test_on_a_terminal_the_readings_have_a_line_of_their_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    screen = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr("sys.stderr", screen)
    with (
        progress.listening() as reporter,
        stage(reporter, "retraining", 3, "networks"),
        stage(reporter, f"training the generator of {'x' * 80}", 50, "epochs") as epochs,
    ):
        epochs.advance(31.5, "loss 1.2", {"loss": 1.2, "temperature": 3.2, "learning_rate": 0.01})
        assert isinstance(reporter, RichReporter)
        reporter._progress.refresh()
    assert "31.5 of 50 epochs" in screen.getvalue()
    assert "  loss 1.200, temperature 3.2, learning rate 0.01" in screen.getvalue()


def test_on_a_terminal_there_are_bars(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("sys.stderr", screen)
    with (
        progress.listening() as reporter,
        stage(reporter, "profile tiny", 100, "blocks") as blocks,
    ):
        blocks.advance(40, "mb_i8")
    assert "profile tiny" in screen.getvalue()
    assert "40 of 100 blocks" in screen.getvalue()
