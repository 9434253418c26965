"""An engine on this machine: inspected after its build, and run for the comparison, or not."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping

import numpy as np
import pytest

from sgnas_deploy.errors import BadInput, EnvironmentProblem
from sgnas_deploy.export import NotRunHere, engines, tensorrt
from sgnas_profilers import cuda
from sgnas_profilers.trt import load as loading
from sgnas_profilers.trt.load import Runtime
from tests.tensorrt import trt_models
from tests.tensorrt.fake_cuda import FakeCuda
from tests.tensorrt.fake_trt import FakeTrt


def test_an_engine_of_this_machine_has_been_inspected(here: FakeTrt) -> None:
    half = trt_models.network(trt_models.HALF)
    built = engines.build(half, engines.Wish(), "fp16", 1)
    assert built.facts["engine_audit"].startswith("2 fp16 of 2")
    here.inspected = "mystery"
    built = engines.build(half, engines.Wish(), "fp16", 1)
    assert built.facts["engine_audit"].startswith("2 unknown of 2")
    assert "the types of 2 are not shown" in built.facts["engine_audit"]


def test_builds_of_one_export_share_what_they_learn(here: FakeTrt) -> None:
    wish = engines.Wish()
    for wished in (wish, wish, engines.Wish()):
        engines.build(trt_models.network(), wished, "fp32", 1)
    learnt = [config.cache.serialize() for config in here.configs]
    assert learnt == [b"learnt;", b"learnt;learnt;", b"learnt;"]


IMAGES = np.ones((3, 3, 16, 16), np.float32)


def built_here(
    plan: bytes | None = None, changes: Mapping[str, str] | None = None
) -> tuple[bytes, dict[str, str]]:
    """An engine of this machine and its manifest; another plan gets a manifest that fits it."""
    built = engines.build(trt_models.network(), engines.Wish(), "fp32", 1)
    data = built.artefact if plan is None else plan
    digest = hashlib.sha256(data).hexdigest()
    return data, {**built.facts, "plan_sha256": digest, **(changes or {})}


def test_an_engine_runs_where_its_gpu_is(here: FakeTrt, monkeypatch: pytest.MonkeyPatch) -> None:
    plan, manifest = built_here()
    asked: list[str] = []

    def load(flavour: str = "auto") -> Runtime:
        asked.append(flavour)
        return here.runtime()

    monkeypatch.setattr(loading, "load", load)
    assert tensorrt.run(plan, IMAGES, manifest).shape == (3, 10)
    assert asked == ["tensorrt"], "the flavour that it was built with"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": "10.7.0"}, "is for TensorRT version 10.7.0, this device has 10.3.0.26"),
        ({"platform": "Linux-other"}, "is for platform Linux-other"),
        ({"compute_capability": "9.0"}, "of compute capability 9.0, this one has 8.7"),
        ({"flavour": "rtx"}, "is for TensorRT flavour rtx"),
    ],
)
def test_a_foreign_engine_is_not_even_loaded(
    here: FakeTrt, changes: dict[str, str], message: str
) -> None:
    plan, manifest = built_here(changes=changes)
    before = here.loads
    with pytest.raises(NotRunHere, match=message):
        tensorrt.run(plan, IMAGES, manifest)
    assert here.loads == before


def test_an_engine_of_this_gpu_that_does_not_load_is_no_foreign_one(here: FakeTrt) -> None:
    plan, manifest = built_here(b"broken on the way")
    with pytest.raises(BadInput, match="TensorRT cannot load the engine"):
        tensorrt.run(plan, IMAGES, manifest)
    # Of the same kind, as far as numbers tell; but of another GPU, or of nobody knows which.
    for gpu in ("Another Orin", ""):
        with pytest.raises(NotRunHere, match="cannot run on this machine: TensorRT cannot load"):
            tensorrt.run(plan, IMAGES, {**manifest, "gpu": gpu})
    plan, manifest = built_here()
    here.room = False
    with pytest.raises(EnvironmentProblem, match="too little memory") as no:
        tensorrt.run(plan, IMAGES, manifest)
    assert not isinstance(no.value, NotRunHere)


@pytest.mark.parametrize("missing", [None, "version"])
def test_an_engine_of_no_manifest_is_wrong_on_any_machine(
    here: FakeTrt, missing: str | None
) -> None:
    plan, manifest = built_here()
    changed = {**manifest, missing: ""} if missing else manifest
    with pytest.raises(BadInput, match=r"does not say its TensorRT version|is not the one"):
        tensorrt.run(plan if missing else plan + b" ", IMAGES, changed)


def test_without_a_gpu_an_engine_is_not_run(here: FakeTrt, monkeypatch: pytest.MonkeyPatch) -> None:
    plan, manifest = built_here()

    def no_gpu() -> FakeCuda:
        raise EnvironmentProblem("CUDA cannot be used")

    monkeypatch.setattr(cuda, "load", no_gpu)
    with pytest.raises(NotRunHere, match="cannot run on this machine: CUDA cannot be used"):
        tensorrt.run(plan, IMAGES, manifest)


def test_tensorrt_on_this_machine_needs_its_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    trt = FakeTrt()
    monkeypatch.setattr(loading, "load", trt.runtime)

    def no_gpu() -> Callable[[], None]:
        raise EnvironmentProblem("CUDA cannot be used")

    monkeypatch.setattr(cuda, "load", no_gpu)
    with pytest.raises(EnvironmentProblem, match="CUDA cannot be used"):
        engines.build(trt_models.network(), engines.Wish(), "fp32", 1)
    monkeypatch.setattr(cuda, "load", lambda: trt.gpu)
    built = engines.build(trt_models.network(), engines.Wish(), "fp32", 1)
    assert built.facts["gpu"] == "Fake Orin"
