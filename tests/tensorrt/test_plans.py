from __future__ import annotations

import hashlib

import pytest

from sgnas_profilers.errors import BadInput
from sgnas_profilers.trt import plans

PLAN = b"an engine"
MANIFEST = {
    "flavour": "tensorrt",
    "version": "10.3.0.26",
    "platform": "Linux-aarch64",
    "compute_capability": "8.7",
    "plan_sha256": hashlib.sha256(PLAN).hexdigest(),
    "onnx_sha256": hashlib.sha256(b"onnx").hexdigest(),
}
HERE = {
    "flavour": "tensorrt",
    "version": "10.3.0.26",
    "platform": "Linux-aarch64",
    "compute_capability": "8.7",
}


def test_the_engine_of_this_device_passes() -> None:
    plans.check(PLAN, MANIFEST, HERE)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"flavour": "rtx"}, "is for TensorRT flavour tensorrt, this device has rtx"),
        ({"version": "10.7.0.23"}, r"TensorRT version 10\.3\.0\.26, this device has 10\.7\.0\.23"),
        ({"version": "11.4.0"}, "TensorRT version"),
        ({"platform": "Linux-x86_64"}, "platform Linux-aarch64, this device has Linux-x86_64"),
        ({"compute_capability": "8.6"}, r"compute capability 8\.7, this one has 8\.6"),
    ],
)
def test_each_difference_is_named_with_the_way_out(changes: dict[str, str], message: str) -> None:
    with pytest.raises(BadInput, match=message) as no:
        plans.check(PLAN, MANIFEST, {**HERE, **changes})
    assert no.value.cure is not None
    assert "sgnas export --format tensorrt" in no.value.cure


@pytest.mark.parametrize("plan", [b"", b"another engine"])
def test_a_changed_file_is_refused(plan: bytes) -> None:
    with pytest.raises(BadInput, match=r"empty|not the one"):
        plans.check(plan, MANIFEST, HERE)


@pytest.mark.parametrize("name", ["flavour", "version", "platform", "compute_capability"])
def test_an_incomplete_manifest_is_refused(name: str) -> None:
    with pytest.raises(BadInput, match="does not say its"):
        plans.check(PLAN, {**MANIFEST, name: ""}, HERE)


def test_trtexec_tells_fewer_numbers_and_no_capability() -> None:
    here = {**HERE, "version": "10.3.0"}
    del here["compute_capability"]
    plans.check(PLAN, MANIFEST, here)
    with pytest.raises(BadInput, match="version"):
        plans.check(PLAN, MANIFEST, {**here, "version": "10.3.1"})


@pytest.mark.parametrize(
    ("built_for", "level", "gpu", "runs"),
    [
        ("8.6,8.9", "none", "8.9", True),
        ("8.6,8.9", "none", "12.0", False),
        ("8.6", "ampere_plus", "12.0", True),
        ("8.6", "ampere_plus", "7.5", False),
        ("8.6", "same_compute_capability", "8.9", False),
        ("portable", "none", "8.6", True),
        ("portable", "none", "7.0", False),
        ("of the board it was built on", "none", "8.7", True),
    ],
)
def test_which_gpus_an_engine_runs_on(built_for: str, level: str, gpu: str, runs: bool) -> None:
    manifest = {**MANIFEST, "compute_capability": built_for, "hardware_compatibility": level}
    here = {**HERE, "compute_capability": gpu}
    if runs:
        plans.check(PLAN, manifest, here)
    else:
        with pytest.raises(BadInput, match="compute capability"):
            plans.check(PLAN, manifest, here)


def test_what_is_known_without_a_gpu_is_compared_and_the_rest_passes() -> None:
    plans.check_early(PLAN, MANIFEST, {})
    plans.check_early(PLAN, MANIFEST, {"platform": "Linux-aarch64"})
    with pytest.raises(BadInput, match="platform Linux-aarch64, this device has Linux-x86_64"):
        plans.check_early(PLAN, MANIFEST, {"platform": "Linux-x86_64"})
    with pytest.raises(BadInput, match="not the one"):
        plans.check_early(b"another engine", MANIFEST, {})
    with pytest.raises(BadInput, match="does not say its TensorRT version"):
        plans.check_early(PLAN, {**MANIFEST, "version": ""}, {})


def test_an_engine_of_an_older_onnx_file_is_stale() -> None:
    assert not plans.stale(MANIFEST, b"onnx")
    assert plans.stale(MANIFEST, b"newer onnx")
