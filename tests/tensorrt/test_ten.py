"""The flavour `tensorrt`, against a module in the shape of 10.3. The real one has not yet run."""

from __future__ import annotations

from typing import Any

import pytest

from sgnas_profilers.errors import BadInput, EnvironmentProblem
from sgnas_profilers.trt.build import build
from sgnas_profilers.trt.load import Runtime, load
from sgnas_profilers.trt.options import BuildOptions
from tests.tensorrt import trt_models
from tests.tensorrt.fake_trt import FakeTrt

DEVICE = {"gpu": "Fake Orin", "compute_capability": "8.7"}


def test_facts_name_the_gpu_it_was_built_on() -> None:
    engine = build(trt_models.network(), runtime=FakeTrt().runtime(), device=DEVICE)
    assert engine.facts["flavour"] == "tensorrt"
    assert engine.facts["version"] == "10.3.0.26"
    assert engine.facts["compute_capability"] == "8.7"
    assert engine.facts["gpu"] == "Fake Orin"
    assert engine.facts["precision"] == "fp32"


def test_options_reach_the_builder() -> None:
    trt = FakeTrt()
    options = BuildOptions(
        workspace_bytes=1 << 20,
        optimisation_level=5,
        hardware_compatibility="ampere_plus",
        batch=(1, 2, 4),
    )
    build(trt_models.network(batch="n"), options, runtime=trt.runtime(), device=DEVICE)
    (config,) = trt.configs
    shape = (3, 16, 16)
    assert config.set == {
        "workspace": 1 << 20,
        "profile": {"images": ((1, *shape), (2, *shape), (4, *shape))},
    }
    assert config.builder_optimization_level == 5
    assert config.hardware_compatibility_level == "ampere+"
    assert config.profiling_verbosity == "detailed"


def test_the_timing_cache_grows_from_build_to_build() -> None:
    runtime = FakeTrt().runtime()
    first = build(trt_models.network(), runtime=runtime)
    assert first.timing_cache == b"learnt;"
    second = build(trt_models.network(), runtime=runtime, timing_cache=first.timing_cache)
    assert second.timing_cache == b"learnt;learnt;"


def test_a_level_that_10_3_lacks_is_refused_by_name() -> None:
    options = BuildOptions(hardware_compatibility="same_compute_capability")
    with pytest.raises(BadInput, match=r"TensorRT 10\.3\.0\.26 has no hardware compatibility"):
        build(trt_models.network(), options, runtime=FakeTrt().runtime())


def test_compute_capabilities_are_for_the_other_flavour() -> None:
    options = BuildOptions(compute_capabilities=("8.6",))
    with pytest.raises(BadInput, match="builds for the GPU that it runs on") as no:
        build(trt_models.network(), options, runtime=FakeTrt().runtime())
    assert no.value.cure == "leave it out, or choose the flavour rtx"


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        (["Error Code 4: no implementation for node conv"], BadInput),
        (["Cuda Runtime (out of memory)"], EnvironmentProblem),
        (["createInferBuilder: CUDA initialization failure with error: 35"], EnvironmentProblem),
    ],
)
def test_a_failed_build_says_what_the_log_said(said: list[str], kind: type[Exception]) -> None:
    trt = FakeTrt()
    trt.said = [*said, *said, "[checkMacros.cpp::catchCudaError::212] Error Code 1: Cuda"]
    with pytest.raises(kind) as no:
        build(trt_models.network(), runtime=trt.runtime())
    assert str(no.value).count(said[0]) == 1
    assert "checkMacros" not in str(no.value)


def test_too_old_a_tensorrt_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    trt: Any = FakeTrt()
    trt.__version__ = "8.6.1"
    monkeypatch.setitem(__import__("sys").modules, "tensorrt", trt)
    with pytest.raises(EnvironmentProblem, match=r"version 8\.6\.1 is older than 10\.3"):
        load("tensorrt")
    trt.__version__ = "10.3.0"
    assert load("auto") == Runtime(trt, "tensorrt", "10.3.0")
