"""`sgnas profile --precision`: measured is the precision, and whether it pays is said."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from sgnas_deploy import tables
from sgnas_deploy.pipeline.profile import ProfileRequest, profile
from sgnas_profilers.backends import RunOptions
from sgnas_profilers.timing import TimingPlan
from sgnas_profilers.transports import Agent, Measurement
from tests.fakes.device import FakeDevice, Law
from tests.fakes.reporters import Listener

HALF, SIGNED, UNSIGNED = (
    onnx.TensorProto.FLOAT16,
    onnx.TensorProto.INT8,
    onnx.TensorProto.UINT8,
)


class _Fast(Law):
    """Half the time for what is not single precision."""

    def run_s(self, model: bytes) -> float:
        graph = onnx.load_from_string(model).graph
        kinds = {t.data_type for t in graph.initializer}
        share = 0.5 if kinds & {HALF, SIGNED} else 1.0
        return share * super().run_s(model)


class _Inputs(FakeDevice):
    """Remembers what kinds of input it was given."""

    def __init__(self, **settings: object) -> None:
        super().__init__(**settings)  # type: ignore[arg-type]
        self.kinds: set[int] = set()

    def start(self, backend: str, options: RunOptions) -> Agent:
        agent = super().start(backend, options)
        measure, kinds = agent.measure, self.kinds

        class Seeing:
            hello = agent.hello
            close = agent.close

            def measure(self, model: bytes, plan: TimingPlan) -> Measurement:
                put = onnx.load_from_string(model).graph.input[0]
                if put.name == "input":
                    kinds.add(put.type.tensor_type.elem_type)
                return measure(model, plan)

        return Seeing()  # type: ignore[return-value]


def run(
    tmp_path: Path, device: FakeDevice, **flags: object
) -> tuple[tables.LatencyTable, Listener]:
    listener = Listener()
    settings = {"device": "cpu", "space": "tiny", "quality": "quick", "form": "concat", **flags}
    request = ProfileRequest(workdir=tmp_path, max_blocks=60, **settings)  # type: ignore[arg-type]
    return tables.read(profile(request, listener, device).table), listener


@pytest.mark.parametrize(
    ("precision", "backend", "kind"),
    [
        ("fp16", "onnxruntime", HALF),
        ("int8", "onnxruntime", UNSIGNED),
        ("int8", "openvino", SIGNED),
    ],
)
def test_blocks_are_measured_in_the_precision_between_their_borders(
    tmp_path: Path, precision: str, backend: str, kind: int
) -> None:
    device = _Inputs(law=_Fast())
    table, listener = run(tmp_path, device, precision=precision, backend=backend)
    assert (table.precision, table.backend) == (precision, backend)
    assert device.kinds == {kind}
    notes = listener.notes
    assert f"{precision} takes 0.50 of the time of fp32, on one network" in notes


def test_a_precision_that_is_not_faster_is_a_finding(tmp_path: Path) -> None:
    _, listener = run(tmp_path, FakeDevice(), precision="fp16")
    said = listener.warnings
    assert any(text.startswith("fp16 is not faster here: ") for text in said)


def test_single_precision_is_compared_with_nothing(tmp_path: Path) -> None:
    _, listener = run(tmp_path, FakeDevice())
    assert not any("of the time of fp32" in getattr(event, "text", "") for event in listener.events)
