"""Logs: what is written can be read by others, and no step stands in one twice."""

from __future__ import annotations

import csv
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgnas_deploy.errors import BadInput, EnvironmentProblem
from sgnas_deploy.training import logs
from sgnas_deploy.training.logs.csv import COLUMNS
from sgnas_deploy.training.logs.tensorboard import crc32c


def fill(name: str, weights: Path, steps: range, done: int = 0, loss: float = 1.0) -> None:
    log = logs.open_log(name, weights, done)
    for step in steps:
        log.row(step, {"epoch": step / 10, "loss": loss / step})
    log.close()


def rows(weights: Path) -> list[dict[str, str]]:
    path = weights.with_name(f"{weights.stem}.log.csv")
    with path.open(newline="") as text:
        return list(csv.DictReader(text))


def test_the_formats_are_files() -> None:
    assert logs.names() == ["csv", "tensorboard"]
    logs.check(("csv", "tensorboard"))
    with pytest.raises(BadInput, match="no log 'wandb'") as refused:
        logs.check(("csv", "wandb"))
    assert refused.value.cure == "choose of csv, tensorboard"


@pytest.mark.parametrize("suffix", ["safetensors", "checkpoint"])
def test_a_csv_stands_beside_the_weights(tmp_path: Path, suffix: str) -> None:
    fill("csv", tmp_path / f"tiny-0.2ms.{suffix}", range(1, 4))
    path = tmp_path / "tiny-0.2ms.log.csv"
    header, first, *_ = path.read_text().splitlines()
    assert header == ",".join(COLUMNS)
    assert first.startswith("1,0.1,")
    assert len(path.read_text().splitlines()) == 4


def test_a_csv_has_the_readings_in_their_columns(tmp_path: Path) -> None:
    log = logs.open_log("csv", tmp_path / "a.checkpoint", 0)
    log.row(5, {"loss": 0.5, "learning_rate": 1e-7})
    log.row(6, {"loss": 0.25, "accuracy": 1 / 3, "expected_s": 1.23456789e-3})
    first, second = rows(tmp_path / "a")
    assert (first["step"], first["loss"], first["learning_rate"]) == ("5", "0.5", "1e-07")
    assert first["accuracy"] == first["expected_s"] == ""
    assert float(second["accuracy"]) == pytest.approx(1 / 3)
    assert float(second["expected_s"]) == pytest.approx(1.23456789e-3, rel=1e-9)
    assert float(second["unix_s"]) > 1e9


def test_a_reading_nobody_knew_becomes_a_column(tmp_path: Path) -> None:
    log = logs.open_log("csv", tmp_path / "a.checkpoint", 0)
    log.row(1, {"loss": 0.5})
    log.row(2, {"loss": 0.4, "scale": 65536})
    log = logs.open_log("csv", tmp_path / "a.checkpoint", 2)
    log.row(3, {"loss": 0.3, "scale": 32768, "norm": 2.0})
    found = rows(tmp_path / "a")
    assert [row["loss"] for row in found] == ["0.5", "0.4", "0.3"]
    assert [row["scale"] for row in found] == ["", "65536", "32768"]
    assert [row["norm"] for row in found] == ["", "", "2"]


@pytest.mark.parametrize("cut", [0, 3, 40])
def test_a_csv_that_was_killed_goes_on_without_doubled_steps(tmp_path: Path, cut: int) -> None:
    weights = tmp_path / "a.checkpoint"
    fill("csv", weights, range(1, 9))
    path = tmp_path / "a.log.csv"
    text = path.read_bytes()
    path.write_bytes(text[: len(text) - cut])
    fill("csv", weights, range(6, 11), done=5, loss=2.0)
    found = rows(weights)
    assert [int(row["step"]) for row in found] == list(range(1, 11))
    assert [float(row["loss"]) for row in found[4:6]] == pytest.approx([1 / 5, 2 / 6])


@pytest.mark.parametrize("content", [b"", b"step\n", b"\xff\xfe\0", b'"', b"a,b\n1,2\n"])
def test_a_csv_of_someone_else_is_replaced(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.log.csv").write_bytes(content)
    fill("csv", tmp_path / "a.checkpoint", range(6, 8), done=5)
    assert [int(row["step"]) for row in rows(tmp_path / "a")] == [6, 7]


@pytest.mark.parametrize("name", ["csv", "tensorboard"])
def test_a_log_that_cannot_be_written(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EnvironmentProblem, match="cannot write"):
        logs.open_log(name, tmp_path / "file" / "a.checkpoint", 0)


# Event files are read here by a second hand, from the published definitions.


def test_the_checksum_is_castagnoli_s() -> None:
    assert crc32c(b"123456789") == 0xE3069283
    assert crc32c(bytes(32)) == 0x8A9136AA
    assert crc32c(bytes(range(32))) == 0x46DD794E


def records(path: Path) -> Iterator[bytes]:
    content = path.read_bytes()
    while content:
        (length,) = struct.unpack("<Q", content[:8])
        head, body = content[:12], content[12 : 12 + length + 4]
        for data in (head, body):
            found = crc32c(data[:-4])
            masked = ((found >> 15) | (found << 17 & 0xFFFFFFFF)) + 0xA282EAD8 & 0xFFFFFFFF
            assert struct.unpack("<I", data[-4:]) == (masked,)
        yield body[:-4]
        content = content[12 + length + 4 :]


def fields(message: bytes) -> list[tuple[int, Any]]:
    found: list[tuple[int, Any]] = []
    while message:
        key, message = varint(message)
        number, kind = key >> 3, key & 7
        value: Any
        if kind == 0:
            value, message = varint(message)
        elif kind == 1:
            value, message = struct.unpack("<d", message[:8])[0], message[8:]
        elif kind == 5:
            value, message = struct.unpack("<f", message[:4])[0], message[4:]
        else:
            assert kind == 2
            length, message = varint(message)
            value, message = message[:length], message[length:]
        found.append((number, value))
    return found


def varint(message: bytes) -> tuple[int, bytes]:
    value, at = 0, 0
    while True:
        value |= (message[at] & 0x7F) << 7 * at
        at += 1
        if not message[at - 1] & 0x80:
            return value, message[at:]


def scalars(folder: Path) -> dict[str, dict[int, float]]:
    """What a reader shows: a session that starts at a step takes back what was told from it on."""
    found: dict[str, dict[int, float]] = {}
    for path in sorted(folder.iterdir()):
        version, *messages = (dict(fields(record)) for record in records(path))
        assert version[3] == b"brain.Event:2"
        for message in messages:
            step = message.get(2, 0)
            if 7 in message:
                assert fields(message[7]) == [(1, 1)]
                for told in found.values():
                    for later in [one for one in told if one >= step]:
                        del told[later]
            for number, value in fields(message.get(5, b"")):
                assert number == 1
                scalar = dict(fields(value))
                told = found.setdefault(scalar[1].decode(), {})
                assert step not in told
                told[step] = scalar[2]
    return found


@given(
    steps=st.lists(st.integers(1, 1 << 40), min_size=1, max_size=5, unique=True),
    value=st.floats(-1e6, 1e6, width=32),
)
def test_event_files_hold_what_was_told(
    tmp_path_factory: pytest.TempPathFactory, steps: list[int], value: float
) -> None:
    tmp_path = tmp_path_factory.mktemp("events")
    log = logs.open_log("tensorboard", tmp_path / "a.checkpoint", 0)
    for step in steps:
        log.row(step, {"loss": value, "größe": 1.5})
    log.close()
    found = scalars(tmp_path / "a.tensorboard")
    assert found == {"loss": dict.fromkeys(steps, value), "größe": dict.fromkeys(steps, 1.5)}


def test_event_files_go_on_without_doubled_steps(tmp_path: Path) -> None:
    weights = tmp_path / "a.safetensors"
    fill("tensorboard", weights, range(1, 9))
    fill("tensorboard", weights, range(6, 10), done=5, loss=2.0)
    fill("tensorboard", weights, range(9, 11), done=8, loss=3.0)
    loss = scalars(tmp_path / "a.tensorboard")["loss"]
    assert sorted(loss) == list(range(1, 11))
    assert loss[5] == pytest.approx(1 / 5)
    assert loss[6] == pytest.approx(2 / 6)
    assert loss[9] == pytest.approx(3 / 9)
    assert len(list((tmp_path / "a.tensorboard").iterdir())) == 3


@pytest.mark.parametrize("name", ["csv", "tensorboard"])
def test_a_new_training_replaces_the_log_of_the_last(tmp_path: Path, name: str) -> None:
    weights = tmp_path / "a.safetensors"
    fill(name, weights, range(1, 9))
    fill(name, weights, range(1, 3), loss=7.0)
    if name == "csv":
        assert [float(row["loss"]) for row in rows(weights)] == [7.0, 3.5]
    else:
        assert scalars(tmp_path / "a.tensorboard")["loss"] == {1: 7.0, 2: 3.5}


def test_tensorboard_itself_reads_them(tmp_path: Path) -> None:
    module = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    weights = tmp_path / "a.safetensors"
    fill("tensorboard", weights, range(1, 9))
    fill("tensorboard", weights, range(6, 10), done=5, loss=2.0)
    read = module.EventAccumulator(str(tmp_path / "a.tensorboard"))
    read.Reload()
    assert read.Tags()["scalars"] == ["epoch", "loss"]
    assert [event.step for event in read.Scalars("loss")] == list(range(1, 10))
    assert read.Scalars("loss")[5].value == pytest.approx(2 / 6)
