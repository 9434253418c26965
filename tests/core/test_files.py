from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from sgnas_deploy import files
from sgnas_deploy.errors import BadInput, EnvironmentProblem


class Small(files.FrozenModel):
    value: float


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    files.write_text(path, "old")

    def fail() -> None:
        with files.replacing(path) as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert path.read_text() == "old"
    assert [found.name for found in tmp_path.iterdir()] == ["a.txt"]


def test_a_full_disk_is_one_sentence(tmp_path: Path) -> None:
    def fill() -> None:
        with files.replacing(tmp_path / "a.txt"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(EnvironmentProblem, match="No space left") as caught:
        fill()
    assert caught.value.exit_code == 4
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_the_way_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EnvironmentProblem):
        files.write_text(tmp_path / "file" / "a.txt", "x")


def test_written_files_have_the_usual_permissions(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.write_text("")
    files.write_text(tmp_path / "ours", "")
    assert (tmp_path / "ours").stat().st_mode == plain.stat().st_mode


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"value": "x"}', '{"value": NaN}', '{"value": 1, "more": 2}', "\0"]
)
def test_a_bad_model_names_the_file(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(BadInput, match=r"a\.json is not a valid thing"):
        files.read_model(path, Small, "thing")


def test_a_missing_model_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="No such file"):
        files.read_model(tmp_path / "none.json", Small, "thing")
