"""Whether an engine belongs to this machine, told before anything loads it.

TensorRT answers a foreign engine with None, or with a crash. What an engine is for stands in the
manifest beside it (the facts of `trt.build`), never in the engine's own file, so that every other
tool can read that too.
"""

from __future__ import annotations

import hashlib
from typing import Mapping

from sgnas_profilers.errors import BadInput
from sgnas_profilers.trt.load import numbers

REBUILD = "build it anew for this device: sgnas export --format tensorrt --device NAME"

_BOUND = ("flavour", "platform", "version")
_REQUIRED = (*_BOUND, "compute_capability", "plan_sha256")
_OLDEST_PORTABLE = (7, 5)
_AMPERE = (8, 0)


def check(
    plan: bytes, manifest: Mapping[str, str], here: Mapping[str, str], rebuild: str = REBUILD
) -> None:
    """Refuse an engine that was changed, or that is for another TensorRT, platform or GPU.

    Args:
        plan: the engine.
        manifest: its facts, as `trt.build` gave them.
        here: what the machine has: `flavour`, `version`, `platform`, `compute_capability`, as the
            tensorrt backend describes itself. trtexec knows no compute capability: an engine for
            another GPU is then left to TensorRT to refuse.
        rebuild: the command that makes it anew.

    Raises:
        BadInput: it does not belong here; the message names the difference.
    """
    for name in _REQUIRED:
        if not manifest.get(name):
            raise BadInput(f"the engine's manifest does not say its {_title(name)}", rebuild)
    if not plan:
        raise BadInput("the engine is empty", rebuild)
    if hashlib.sha256(plan).hexdigest() != manifest["plan_sha256"]:
        raise BadInput("the engine is not the one that its manifest was written for", rebuild)
    for name in _BOUND:
        there, found = manifest[name], here.get(name, "")
        if there != found and not (name == "version" and _same_release(there, found)):
            raise BadInput(
                f"the engine is for {_title(name)} {there}, this device has {found or 'none'}",
                rebuild,
            )
    found = here.get("compute_capability", "")
    if found and not _runs_on(manifest, numbers(found)):
        there = manifest["compute_capability"]
        raise BadInput(
            f"the engine is for GPUs of compute capability {there}, this one has {found}", rebuild
        )


def check_early(
    plan: bytes, manifest: Mapping[str, str], known: Mapping[str, str], rebuild: str = REBUILD
) -> None:
    """`check` with what is known before TensorRT was loaded or a GPU asked; the rest passes.

    So a foreign engine is named as such on a machine where nothing could run it anyway.

    Args:
        plan: the engine.
        manifest: its facts.
        known: some of what `check` takes for `here`; may be empty.
        rebuild: the command that makes it anew.

    Raises:
        BadInput: the manifest is incomplete or not of this engine, or a known fact differs.
    """
    assumed = {name: manifest.get(name, "") for name in _BOUND}
    check(plan, manifest, {**assumed, **known}, rebuild)


def stale(manifest: Mapping[str, str], onnx: bytes) -> bool:
    """Whether the engine was built from another ONNX file than this."""
    return manifest.get("onnx_sha256") != hashlib.sha256(onnx).hexdigest()


def _same_release(there: str, found: str) -> bool:
    """Whether two versions are one: trtexec tells 10.3.0 where Python tells 10.3.0.26."""
    parts = (numbers(there), numbers(found))
    if len(parts[0]) == len(parts[1]):
        return parts[0] == parts[1]
    shorter = min(len(part) for part in parts)
    return shorter >= 3 and parts[0][:shorter] == parts[1][:shorter]


def _runs_on(manifest: Mapping[str, str], gpu: tuple[int, ...]) -> bool:
    built_for = manifest["compute_capability"]
    if built_for == "portable":
        return gpu >= _OLDEST_PORTABLE
    known = [numbers(one) for one in built_for.split(",")]
    # trtexec on a board whose GPU tells no number: left to TensorRT to refuse.
    if gpu in known or not any(known):
        return True
    return manifest.get("hardware_compatibility") == "ampere_plus" and gpu >= _AMPERE


def _title(name: str) -> str:
    return {
        "flavour": "TensorRT flavour",
        "version": "TensorRT version",
        "platform": "platform",
        "compute_capability": "compute capability",
        "plan_sha256": "SHA-256",
    }[name]
