from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from sgnas_deploy.errors import EnvironmentProblem
from sgnas_deploy.tables.journal import (
    BlockRecord,
    FormRecord,
    Journal,
    NetworkRecord,
    Record,
)

CONDITIONS = {"space": "tiny", "settings.runtime": "fake"}
RECORDS: list[Record] = [
    FormRecord(
        form="sum", options=(1, 2), number=0, samples_s=(0.1,), inner_loops=1, warmup_runs=3
    ),
    BlockRecord(
        key="ä_b", number=1, samples_s=(0.1, 0.2), inner_loops=4, warmup_runs=8, state={"mhz": 1.5}
    ),
    NetworkRecord(options=(3,), number=2, samples_s=(1e-7,), inner_loops=1, warmup_runs=0),
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "luts" / "t.journal.jsonl"


def fill(path: Path) -> bytes:
    with Journal(path, CONDITIONS) as journal:
        for record in RECORDS:
            journal.append(record)
    return path.read_bytes()


def test_what_was_appended_is_there_again(path: Path) -> None:
    fill(path)
    with Journal(path, CONDITIONS) as journal:
        assert journal.records == RECORDS
        assert not journal.differing


def test_it_is_in_the_file_before_it_is_closed(path: Path) -> None:
    with Journal(path, CONDITIONS) as journal:
        journal.append(RECORDS[0])
        assert len(path.read_bytes().splitlines()) == 2


def test_the_disk_is_told_at_once_after_a_pause(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s = 0.0
    synced: list[int] = []
    monkeypatch.setattr("sgnas_deploy.tables.journal.time.monotonic", lambda: now_s)
    monkeypatch.setattr(os, "fsync", lambda _: synced.append(len(path.read_bytes().splitlines())))
    with Journal(path, CONDITIONS) as journal:
        assert synced == [1]
        journal.append(RECORDS[0])
        assert synced == [1]
        now_s = 0.6
        journal.append(RECORDS[1])
        journal.append(RECORDS[1])
        assert synced == [1, 3]
    assert synced == [1, 3, 4]


def test_cut_anywhere_it_keeps_all_whole_lines_and_can_go_on(path: Path) -> None:
    whole = fill(path)
    lines = whole.splitlines(keepends=True)
    for length in range(len(whole) + 1):
        path.write_bytes(whole[:length])
        with Journal(path, CONDITIONS) as journal:
            complete = whole[:length].count(b"\n")
            kept = max(0, complete - 1)
            assert journal.records == RECORDS[:kept]
            assert not journal.differing
            for record in RECORDS[kept:]:
                journal.append(record)
        assert path.read_bytes() == b"".join(lines)


@pytest.mark.parametrize("tail", [b"\0" * 50, b"\0\n", b"{}\n", b"[1]\n", b"\xff\n", b"null\n"])
def test_a_damaged_tail_is_cut_off(path: Path, tail: bytes) -> None:
    whole = fill(path)
    path.write_bytes(whole + tail)
    with Journal(path, CONDITIONS) as journal:
        assert journal.records == RECORDS
    assert path.read_bytes() == whole


def test_a_forged_number_ends_what_is_believed(path: Path) -> None:
    whole = fill(path)
    path.write_bytes(whole.replace(b"[0.1,0.2]", b"[0.1,-0.2]"))
    with Journal(path, CONDITIONS) as journal:
        assert journal.records == RECORDS[:1]


def test_other_conditions_are_named_and_begin_anew(path: Path) -> None:
    fill(path)
    with Journal(path, {**CONDITIONS, "settings.runtime": "other", "new": "x"}) as journal:
        assert journal.records == []
        assert journal.differing == [
            ("new", "(nothing)", "x"),
            ("settings.runtime", "fake", "other"),
        ]
        journal.append(RECORDS[0])
    with Journal(path, {**CONDITIONS, "settings.runtime": "other", "new": "x"}) as journal:
        assert journal.records == RECORDS[:1]


def test_fresh_forgets(path: Path) -> None:
    fill(path)
    with Journal(path, CONDITIONS, fresh=True) as journal:
        assert journal.records == []


def test_a_second_process_is_kept_out(path: Path) -> None:
    with (
        Journal(path, CONDITIONS),
        pytest.raises(EnvironmentProblem, match="another process"),
    ):
        Journal(path, CONDITIONS)
    with Journal(path, CONDITIONS) as journal:
        journal.remove()
        assert not path.exists()


def test_a_full_disk_loses_nothing_that_was_whole(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Journal(path, CONDITIONS) as journal:
        journal.append(RECORDS[0])
        real = os.write
        calls = 0

        def full(descriptor: int, data: memoryview) -> int:
            nonlocal calls
            calls += 1
            if calls > 1:
                raise OSError(errno.ENOSPC, "No space left on device")
            return real(descriptor, bytes(data)[:10])

        monkeypatch.setattr(os, "write", full)
        with pytest.raises(EnvironmentProblem, match="No space left") as caught:
            journal.append(RECORDS[1])
        assert "goes on" in (caught.value.cure or "")
        monkeypatch.undo()
    with Journal(path, CONDITIONS) as journal:
        assert journal.records == RECORDS[:1]


def test_a_folder_that_is_a_file_is_an_environment_problem(tmp_path: Path) -> None:
    (tmp_path / "luts").write_text("")
    with pytest.raises(EnvironmentProblem, match="cannot write"):
        Journal(tmp_path / "luts" / "t.journal.jsonl", CONDITIONS)
