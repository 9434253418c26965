"""Checkpoints come back whole, or are refused with the cure."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from torch import nn

from sgnas_deploy.errors import BadInput, EnvironmentProblem
from sgnas_deploy.training import checkpoint

CONFIG = {"space": "tiny", "recipe": {"lr": 0.1, "epochs": 3}, "seed": 0}


def tensors() -> dict[str, torch.Tensor]:
    return {
        "a": torch.arange(6.0).view(2, 3).t(),
        "count": torch.tensor(7),
        "half": torch.ones(3, dtype=torch.bfloat16),
        "none": torch.zeros(0),
    }


def saved(tmp_path: Path) -> Path:
    path = tmp_path / "folder" / "x.checkpoint"
    checkpoint.save(path, CONFIG, tensors(), {"epoch": 2, "big": 2**100, "list": [1, None]})
    return path


def test_comes_back_whole(tmp_path: Path) -> None:
    found = checkpoint.load(saved(tmp_path), CONFIG, "sgnas x")
    assert found is not None
    assert found.state == {"epoch": 2, "big": 2**100, "list": [1, None]}
    for name, tensor in tensors().items():
        assert found.tensors[name].dtype == tensor.dtype
        assert torch.equal(found.tensors[name], tensor)


def test_no_file_is_no_checkpoint(tmp_path: Path) -> None:
    assert checkpoint.load(tmp_path / "none", CONFIG, "sgnas x") is None


def test_another_configuration_is_refused(tmp_path: Path) -> None:
    other = {**CONFIG, "recipe": {"lr": 0.2, "epochs": 3}}
    with pytest.raises(BadInput, match=r"other settings \(recipe: lr 0\.1 instead of 0\.2\)") as e:
        checkpoint.load(saved(tmp_path), other, "sgnas train supernet")
    assert e.value.cure is not None
    assert e.value.cure.endswith("sgnas train supernet --fresh")


@pytest.mark.parametrize("keep", [0, 7, 100, -1])
def test_a_truncated_file_is_refused(tmp_path: Path, keep: int) -> None:
    path = saved(tmp_path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(BadInput, match="truncated or corrupt") as e:
        checkpoint.load(path, CONFIG, "sgnas x")
    assert e.value.cure == "start anew with: sgnas x --fresh"


def test_a_flipped_bit_is_noticed(tmp_path: Path) -> None:
    path = saved(tmp_path)
    content = bytearray(path.read_bytes())
    content[-2] ^= 1
    path.write_bytes(content)
    with pytest.raises(BadInput, match="checksum"):
        checkpoint.load(path, CONFIG, "sgnas x")


def test_a_foreign_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x"
    checkpoint.write_tensors(path, tensors())
    with pytest.raises(BadInput, match="not a checkpoint"):
        checkpoint.load(path, CONFIG, "sgnas x")
    assert set(checkpoint.read_tensors(path, "weights")) == set(tensors())


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(EnvironmentProblem):
        checkpoint.save(tmp_path / "x", CONFIG, tensors(), {})


def test_a_path_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EnvironmentProblem, match="cannot write"):
        checkpoint.save(tmp_path / "file" / "x", CONFIG, tensors(), {})


@pytest.mark.parametrize("kind", ["sgd", "adamw"])
def test_an_optimiser_goes_on_alike(tmp_path: Path, kind: str) -> None:
    def make() -> tuple[nn.Linear, torch.optim.Optimizer]:
        torch.manual_seed(0)
        module = nn.Linear(3, 2)
        if kind == "sgd":
            return module, torch.optim.SGD(module.parameters(), lr=0.1, momentum=0.9)
        return module, torch.optim.AdamW(module.parameters(), lr=0.1)

    def step(module: nn.Linear, optimizer: torch.optim.Optimizer) -> None:
        optimizer.zero_grad()
        torch.autograd.backward(module(torch.ones(4, 3)).square().sum())
        optimizer.step()

    module, optimizer = make()
    step(module, optimizer)
    moments, state = checkpoint.pack_optimizer(optimizer)
    packed = {
        **checkpoint.prefixed("weights", module.state_dict()),
        **checkpoint.prefixed("optimizer", moments),
    }
    checkpoint.save(tmp_path / "x", CONFIG, packed, {"optimizer": state})
    step(module, optimizer)

    other, fresh = make()
    found = checkpoint.load(tmp_path / "x", CONFIG, "sgnas x")
    assert found is not None
    other.load_state_dict(checkpoint.without_prefix("weights", found.tensors))
    checkpoint.unpack_optimizer(
        fresh, checkpoint.without_prefix("optimizer", found.tensors), found.state["optimizer"]
    )
    step(other, fresh)
    for name, tensor in module.state_dict().items():
        assert torch.equal(other.state_dict()[name], tensor)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="another network"):
        checkpoint.load_into(nn.Linear(2, 3), {"weight": torch.ones(1)}, tmp_path, "sgnas x")
