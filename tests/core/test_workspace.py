from __future__ import annotations

from pathlib import Path

import pytest

from sgnas_deploy import files, shipped
from sgnas_deploy.errors import BadInput
from sgnas_deploy.workspace import Workspace


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("")
    return path


def test_looking_creates_nothing(tmp_path: Path) -> None:
    work = Workspace(tmp_path / "work")
    assert work.space is None
    assert work.last("generate") == ()
    assert not work.root.exists()


def test_the_only_table_is_found_and_two_are_never_guessed(tmp_path: Path) -> None:
    work = Workspace(tmp_path)
    with pytest.raises(BadInput, match="no latency table") as none:
        work.find_table(None)
    assert none.value.cure == "run: sgnas profile --device cpu"
    one = touch(work.luts / "tiny--cpu--onnxruntime-fp32-b1-t1.json")
    assert work.find_table(None) == one
    two = touch(work.luts / "tiny--cpu--onnxruntime-fp32-b1-t2.json")
    with pytest.raises(BadInput, match="more than one") as many:
        work.find_table(None)
    assert many.value.cure == "name one with --lut"
    assert work.find_table(str(two)) == two
    assert work.find_table(two.name) == two
    assert work.find_table(two.stem) == two
    other = touch(work.luts / "cifar--cpu--onnxruntime-fp32-b1-t1.json")
    assert work.find_table(None, "cifar") == other
    with pytest.raises(BadInput):
        work.find_table(None, "imagenet")
    with pytest.raises(BadInput):
        work.find_table("nowhere")


def test_the_next_step_finds_what_the_last_one_made(tmp_path: Path) -> None:
    work = Workspace(tmp_path)
    with pytest.raises(BadInput, match="nothing") as empty:
        work.find("generate", ())
    assert empty.value.cure == "run first: sgnas generate --count 3"
    first = touch(work.architectures / "tiny-0.2ms.json")
    second = touch(work.architectures / "tiny-0.3ms.json")
    work.remember("generate", ["tiny-0.2ms", "tiny-0.3ms"], space="tiny")
    assert work.find("generate", ()) == (first, second)
    assert work.find("generate", ["tiny-0.3ms"]) == (second,)
    assert work.find("generate", [str(second)]) == (second,)
    assert work.space == "tiny"
    work.remember("export", [])
    assert work.space == "tiny"
    assert work.last("generate") == ("tiny-0.2ms", "tiny-0.3ms")
    with pytest.raises(BadInput, match="there is no 'x'"):
        work.find("generate", ["x"])


def test_a_corrupt_workspace_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "workspace.json").write_text('{"last": 3}')
    with pytest.raises(BadInput, match=r"workspace\.json"):
        Workspace(tmp_path).last("generate")


def test_shipped_tables_are_found_by_name_and_by_hash_but_never_guessed(tmp_path: Path) -> None:
    work = Workspace(tmp_path)
    for path in shipped.tables():
        assert work.find_table(path.stem) == path
        assert work.find_table(path.name) == path
        assert work.table_of(files.sha256_of(path)) == path
    assert len(shipped.tables()) >= 3
    own = touch(work.luts / shipped.tables()[0].name)
    assert work.find_table(own.stem) == own
    with pytest.raises(BadInput, match="no latency table"):
        Workspace(tmp_path / "empty").find_table(None)
    with pytest.raises(BadInput, match="SHA-256 000000000000"):
        work.table_of("0" * 64)
