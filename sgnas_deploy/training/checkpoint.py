"""Checkpoints: named tensors and JSON state in one safetensors file, written whole or not at all.

The header's metadata holds the state, a hash of the configuration that was trained, and a checksum
of the tensors, so that a damaged file and a file of another configuration are both refused.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias, final

import torch
from torch import Tensor, nn

from sgnas_deploy import files
from sgnas_deploy.errors import BadInput, EnvironmentProblem
from sgnas_deploy.training.ranks import Group

Json: TypeAlias = Any
"""A value that JSON can express."""

_KIND: Final = "sgnas-checkpoint"
_VERSION: Final = "1"


@final
@dataclass(frozen=True)
class Checkpoint:
    """What was saved.

    Attributes:
        tensors: by name; on the CPU.
        state: JSON values by name.
    """

    tensors: dict[str, Tensor]
    state: dict[str, Json]


def config_hash(config: Mapping[str, Json]) -> str:
    """SHA-256 of a configuration; equal configurations have equal hashes."""
    return hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()


def save(
    path: Path,
    config: Mapping[str, Json],
    tensors: Mapping[str, Tensor],
    state: Mapping[str, Json],
) -> None:
    """Write a checkpoint over the last one.

    Args:
        path: the file.
        config: all that decides the trajectory: data, recipe, seed, versions.
        tensors: weights, moments, ...
        state: epoch, step, ...

    Raises:
        EnvironmentProblem: it cannot be written.
    """
    metadata = {
        "kind": _KIND,
        "schema_version": _VERSION,
        "config": json.dumps(config, sort_keys=True),
        "state": json.dumps(state),
    }
    write_tensors(path, tensors, metadata)


def load(path: Path, config: Mapping[str, Json], command: str) -> Checkpoint | None:
    """Read a checkpoint back, and remove what a process that was killed has half written.

    Args:
        path: the file.
        config: must equal the one it was saved with.
        command: what the user ran, for the cure; `--fresh` is added to it.

    Returns:
        None where there is no file.

    Raises:
        BadInput: truncated or corrupt, or of another configuration.
    """
    _sweep(path)
    if not path.exists():
        return None
    cure = f"start anew with: {command} --fresh"
    tensors, metadata = _read(path, "checkpoint", cure)
    if metadata.get("kind") != _KIND or metadata.get("schema_version") != _VERSION:
        raise BadInput(f"{path} is not a checkpoint of this version", cure)
    saved = json.loads(metadata["config"])
    if config_hash(saved) != config_hash(config):
        raise BadInput(
            f"{path} is an interrupted training with other settings ({_difference(saved, config)})",
            f"repeat the command with those settings, or {cure}",
        )
    return Checkpoint(tensors, json.loads(metadata["state"]))


def load_in_all(
    group: Group, path: Path, config: Mapping[str, Json], command: str
) -> Checkpoint | None:
    """Read a checkpoint back in process 0, and give the others what it holds.

    So all of them go on from the same state, and the others need not see the file.

    Raises:
        BadInput: as `load`.
        EnvironmentProblem: another process has ended.
    """
    if group.rank.world == 1:
        return load(path, config, command)
    found: Checkpoint | None = None

    def described() -> str:
        nonlocal found
        found = load(path, config, command)
        if found is None:
            return ""
        kinds = [
            (name, str(t.dtype).removeprefix("torch."), t.shape)
            for name, t in found.tensors.items()
        ]
        return json.dumps({"state": found.state, "tensors": kinds})

    told = group.told(described)
    if not told:
        return None
    if found is None:
        holds = json.loads(told)
        empty = {
            name: torch.empty(shape, dtype=getattr(torch, kind))
            for name, kind, shape in holds["tensors"]
        }
        found = Checkpoint(empty, holds["state"])
    group.copy(list(found.tensors.values()))
    return found


def write_tensors(
    path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None
) -> None:
    """Write tensors as a safetensors file, whole or not at all.

    Raises:
        EnvironmentProblem: it cannot be written, or safetensors is not installed.
    """
    held = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    described = {**(metadata or {}), "checksum": _checksum(held)}
    files.write_bytes(path, _safetensors().save(held, described))


def read_tensors(path: Path, what: str) -> dict[str, Tensor]:
    """Read a file of `write_tensors`.

    Raises:
        BadInput: missing, truncated or corrupt.
    """
    return _read(path, what, "make it anew with the command that wrote it")[0]


def load_into(module: nn.Module, tensors: Mapping[str, Tensor], path: Path, command: str) -> None:
    """Load a module's tensors.

    Raises:
        BadInput: tensors are missing, superfluous, or of another shape.
    """
    try:
        module.load_state_dict(dict(tensors))
    except RuntimeError as error:
        raise BadInput(
            f"{path} holds the weights of another network", f"make it anew with: {command}"
        ) from error


def pack_optimizer(optimizer: torch.optim.Optimizer) -> tuple[dict[str, Tensor], Json]:
    """An optimiser's state as named tensors and JSON."""
    found = optimizer.state_dict()
    tensors: dict[str, Tensor] = {}
    values: dict[str, dict[str, Json]] = {}
    for index, entry in found["state"].items():
        values[str(index)] = {}
        for name, value in entry.items():
            if isinstance(value, Tensor):
                tensors[f"{index}.{name}"] = value
            else:
                values[str(index)][name] = value
    return tensors, {"values": values, "groups": found["param_groups"]}


def unpack_optimizer(
    optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor], state: Json
) -> None:
    """Restore what `pack_optimizer` packed, into an optimiser over the same parameters."""
    entries: dict[int, dict[str, Any]] = {int(i): dict(v) for i, v in state["values"].items()}
    for key, tensor in tensors.items():
        index, name = key.split(".", 1)
        entries[int(index)][name] = tensor
    groups = [
        {key: tuple(value) if key == "betas" else value for key, value in group.items()}
        for group in state["groups"]
    ]
    optimizer.load_state_dict({"state": entries, "param_groups": groups})


def prefixed(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors under names that begin with `prefix.`."""
    return {f"{prefix}.{name}": tensor for name, tensor in tensors.items()}


def without_prefix(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors whose names begin with `prefix.`, without it."""
    start = f"{prefix}."
    return {n.removeprefix(start): t for n, t in tensors.items() if n.startswith(start)}


def _read(path: Path, what: str, cure: str) -> tuple[dict[str, Tensor], dict[str, str]]:
    data = files.read_bytes(path, what)
    try:
        tensors: dict[str, Tensor] = _safetensors().load(data)
        length = int.from_bytes(data[:8], "little")
        metadata: dict[str, str] = json.loads(data[8 : 8 + length]).get("__metadata__", {})
    # The reader's own error is no ValueError in every version.
    except Exception as error:
        raise BadInput(f"the {what} {path} is truncated or corrupt", cure) from error
    if metadata.get("checksum") != _checksum(tensors):
        raise BadInput(f"the {what} {path} is corrupt (its checksum differs)", cure)
    return tensors, metadata


def _sweep(path: Path) -> None:
    """Remove temporary files of a checkpoint and of what stands beside it, see `files.replacing`.

    Only one training at a time has them.
    """
    kinds = (".checkpoint", ".safetensors", ".json", ".history.jsonl")
    starts = tuple(f".{path.stem}{kind}." for kind in kinds)
    if path.parent.is_dir():
        for left in path.parent.iterdir():
            if left.name.startswith(starts):
                left.unlink(missing_ok=True)


def _checksum(tensors: Mapping[str, Tensor]) -> str:
    value = 0
    for name in sorted(tensors):
        flat = tensors[name].reshape(-1).view(torch.uint8)
        value = zlib.crc32(flat.numpy().data, zlib.crc32(name.encode(), value))
    return f"{value:08x}"


def _difference(saved: Mapping[str, Json], wanted: Mapping[str, Json]) -> str:
    names = sorted(name for name in {*saved, *wanted} if saved.get(name) != wanted.get(name))
    parts = []
    for name in names[:3]:
        old, new = saved.get(name), wanted.get(name)
        if isinstance(old, dict) and isinstance(new, dict):
            parts.append(f"{name}: {_difference(old, new)}")
        else:
            parts.append(f"{name} {old!r} instead of {new!r}")
    return ", ".join(parts)


def _safetensors() -> Any:
    try:
        import safetensors.torch
    except ImportError as error:
        raise EnvironmentProblem(
            "weights are kept as safetensors, which is not installed",
            "pip install 'sgnas-deploy[train]'",
        ) from error
    return safetensors.torch
