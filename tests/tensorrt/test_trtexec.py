"""The backend trtexec, with a program that prints and writes what the real one does."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from sgnas_profilers.backends import RunOptions, trtexec
from sgnas_profilers.errors import BadInput, EnvironmentProblem
from sgnas_profilers.timing import TimingPlan, measure
from tests.fakes.clock import FakeClock
from tests.profilers import onnx_models
from tests.tensorrt import fake_trtexec, trt_models

ONNX = RunOptions(1)
MODEL = onnx_models.conv()


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    found = fake_trtexec.install(tmp_path)
    monkeypatch.setenv(trtexec.PROGRAM_VARIABLE, str(found))
    return found


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[list[str]]]:
    log = tmp_path / "calls"
    monkeypatch.setenv("FAKE_TRTEXEC_LOG", str(log))

    def read() -> list[list[str]]:
        return [json.loads(line) for line in log.read_text().splitlines()]

    return read


def test_each_query_is_handed_out_once_in_order(program: Path) -> None:
    with closing(trtexec.backend().open(MODEL, ONNX)) as session:
        clock = FakeClock()
        assert session.time_s(1, clock) == pytest.approx(1.000e-3)
        assert session.time_s(1, clock) == pytest.approx(1.001e-3)
        assert session.time_s(3, clock) == pytest.approx(1.002e-3 + 1.003e-3 + 1.004e-3)
        rest = session.time_s(fake_trtexec.QUERIES - 5, clock)
        assert session.time_s(1, clock) == pytest.approx(1.000e-3), "a new run"
        assert rest == pytest.approx(sum(1e-3 + i * 1e-6 for i in range(5, fake_trtexec.QUERIES)))


def test_the_engine_is_built_once(program: Path, calls: Callable[[], list[list[str]]]) -> None:
    with closing(trtexec.backend().open(MODEL, ONNX)) as session:
        timing = measure(session, TimingPlan(3, 0, 0, 3 * fake_trtexec.QUERIES), FakeClock(1))
    assert len(timing.samples_s) == 3 * fake_trtexec.QUERIES
    first, *later = calls()
    assert any(flag.startswith("--onnx=") for flag in first)
    assert "--stronglyTyped" in first
    assert len(later) == 3
    for flags in later:
        assert any(flag.startswith("--loadEngine=") for flag in flags)
    for flags in (first, *later):
        assert {"--useCudaGraph", "--noDataTransfers", "--useSpinWait"} <= set(flags)


@pytest.mark.parametrize(
    ("printed", "version", "defaults"),
    [
        ("100300", "10.3.0", "tensorrt-10"),
        ("101602", "10.16.2", "tensorrt-10"),
        ("110401", "11.4.1", "tensorrt-11"),
    ],
)
def test_both_generations_are_described(
    program: Path, monkeypatch: pytest.MonkeyPatch, printed: str, version: str, defaults: str
) -> None:
    monkeypatch.setenv("FAKE_TRTEXEC_VERSION", printed)
    facts = trtexec.backend().describe(ONNX)
    assert facts["version"] == version
    assert facts["defaults"] == defaults
    assert facts["mode"] == "graph"
    assert "--useCudaGraph" in facts["flags"]


@pytest.mark.parametrize(("printed", "flag"), [("100300", False), ("110401", True)])
def test_without_graphs_the_flags_differ_between_generations(
    program: Path, monkeypatch: pytest.MonkeyPatch, printed: str, flag: bool
) -> None:
    monkeypatch.setenv("FAKE_TRTEXEC_VERSION", printed)
    monkeypatch.setenv("SGNAS_CUDA_GRAPHS", "0")
    facts = trtexec.backend().describe(ONNX)
    assert facts["mode"] == "enqueue"
    assert "--useCudaGraph" not in facts["flags"]
    assert ("--noCudaGraph" in facts["flags"]) is flag
    with closing(trtexec.backend().open(MODEL, ONNX)) as session:
        assert session.time_s(1, FakeClock()) > 0


@pytest.mark.parametrize("printed", ["8601", "100001"])
def test_an_old_trtexec_is_refused(
    program: Path, monkeypatch: pytest.MonkeyPatch, printed: str
) -> None:
    monkeypatch.setenv("FAKE_TRTEXEC_VERSION", printed)
    with pytest.raises(EnvironmentProblem, match="trtexec is of TensorRT"):
        trtexec.backend().describe(ONNX)


@pytest.mark.parametrize(
    ("failure", "kind", "message"),
    [
        ("killed", EnvironmentProblem, "killed by signal 9"),
        ("memory", EnvironmentProblem, "ran out of memory: Error Code 2: OutOfMemory"),
        ("no gpu", EnvironmentProblem, "cannot use the GPU: Cuda failure: no CUDA-capable"),
        ("unknown --useSpinWait", EnvironmentProblem, "does not know a flag: .*--useSpinWait"),
        ("no times", EnvironmentProblem, "wrote no times"),
        ("cut times", EnvironmentProblem, "times cannot be read"),
        ("bad model", BadInput, "cannot build or run the model: Failed to parse onnx file"),
        ("no graph", BadInput, "could not capture a CUDA graph"),
    ],
)
def test_failures(
    program: Path,
    monkeypatch: pytest.MonkeyPatch,
    failure: str,
    kind: type[Exception],
    message: str,
) -> None:
    monkeypatch.setenv("FAKE_TRTEXEC", failure)
    with (
        closing(trtexec.backend().open(MODEL, ONNX)) as session,
        pytest.raises(kind, match=message),
    ):
        session.time_s(1, FakeClock())


def test_an_engine_is_built_and_timed_as_a_plan(
    program: Path, calls: Callable[[], list[list[str]]]
) -> None:
    told: list[float] = []
    plan, facts = trtexec.backend().build(  # type: ignore[attr-defined]
        trt_models.network(batch="n"),
        {
            "workspace_bytes": 3 << 20,
            "optimisation_level": 4,
            "hardware_compatibility": "ampere_plus",
            "batch": [1, 2, 4],
        },
        lambda phase, share: told.append(share),
    )
    assert plan.startswith(b"engine of ")
    assert facts["version"] == "10.3.0"
    assert facts["precision"] == "fp32"
    assert facts["precision_audit"].startswith("2 fp32 of 2")
    assert facts["engine_audit"].startswith("not made")
    assert told == [0.0, 1.0]
    flags = set(calls()[-1])
    assert {
        "--stronglyTyped",
        "--skipInference",
        "--memPoolSize=workspace:3",
        "--builderOptimizationLevel=4",
        "--hardwareCompatibilityLevel=ampere+",
        "--minShapes=images:1x3x16x16",
        "--optShapes=images:2x3x16x16",
        "--maxShapes=images:4x3x16x16",
    } <= flags
    with closing(trtexec.backend().open(plan, RunOptions(1, "plan"))) as session:
        assert session.time_s(1, FakeClock()) == pytest.approx(1e-3)
    assert not any(flag.startswith("--onnx") for flag in calls()[-1])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"flavour": "rtx"}, "flavour tensorrt"),
        ({"compute_capabilities": ["8.6"]}, "builds for the GPU"),
        ({"batch": [1, 2, 4]}, "batch is fixed"),
    ],
)
def test_what_trtexec_cannot_build(program: Path, options: dict[str, object], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        trtexec.backend().build(MODEL, options, lambda *_: None)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        (trt_models.network(), {"precision": "fp16"}, "but the ONNX file has 2 fp32 of 2"),
        (
            trt_models.quantised(),
            {"precision": "int8", "keep": []},
            "nobody has kept 'classifier' in fp32",
        ),
    ],
)
def test_a_file_in_another_precision_is_refused_before_trtexec_sees_it(
    program: Path,
    calls: Callable[[], list[list[str]]],
    model: bytes,
    options: dict[str, object],
    message: str,
) -> None:
    backend = trtexec.backend()
    with pytest.raises(BadInput, match=message):
        backend.build(model, options, lambda *_: None)  # type: ignore[attr-defined]
    assert all("--help" in flags for flags in calls()), "nothing but its version was asked for"


def test_a_symbolic_batch_is_refused(program: Path) -> None:
    with pytest.raises(BadInput, match="has no fixed shape"):
        trtexec.backend().open(onnx_models.relu("n"), ONNX)


def test_nothing_is_left_behind(
    program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    session = trtexec.backend().open(MODEL, ONNX)
    assert any(temporary.iterdir())
    session.close()
    session.close()
    assert not any(temporary.iterdir())


def test_where_it_is_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(trtexec.PROGRAM_VARIABLE, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(trtexec, "_JETPACK", str(tmp_path / "jetpack"))
    with pytest.raises(EnvironmentProblem, match="there is no trtexec") as no:
        trtexec.find_program()
    assert trtexec.PROGRAM_VARIABLE in str(no.value.cure)
    program = fake_trtexec.install(tmp_path)
    assert trtexec.find_program() == str(program)
    monkeypatch.setenv(trtexec.PROGRAM_VARIABLE, str(tmp_path / "nowhere"))
    with pytest.raises(EnvironmentProblem, match="which is no program"):
        trtexec.find_program()


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"[1]", b'[{"computeMs": "x"}]', b"\xff",
                                  b'[{"computeMs": NaN}]', b'[{"latencyMs": 1}]'])  # fmt: skip
def test_times_in_another_shape(data: bytes) -> None:
    with pytest.raises(EnvironmentProblem, match="times cannot be read"):
        trtexec.parse_times(data)


def test_a_program_that_is_no_trtexec() -> None:
    with pytest.raises(EnvironmentProblem, match="does not tell its version"):
        trtexec.parse_version("hello")
