"""What is checked before TensorRT is asked: options, ONNX files, audits."""

from __future__ import annotations

import json

import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgnas_profilers.errors import BadInput
from sgnas_profilers.trt import audit, onnx_file
from sgnas_profilers.trt.audit import Audit
from sgnas_profilers.trt.options import BuildOptions, from_request
from tests.profilers import onnx_models
from tests.tensorrt import trt_models


def test_a_request_becomes_options() -> None:
    assert from_request({}) == BuildOptions()
    assert from_request(
        {
            "flavour": "rtx",
            "precision": "int8",
            "workspace_bytes": 1 << 30,
            "compute_capabilities": ["8.6"],
            "batch": [1, 8, 32],
        }
    ) == BuildOptions(
        flavour="rtx",
        precision="int8",
        workspace_bytes=1 << 30,
        compute_capabilities=("8.6",),
        batch=(1, 8, 32),
    )


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"fp16": True}, "no build option 'fp16'"),
        ({"flavour": 3}, "takes a text"),
        ({"flavour": "lite"}, "no flavour"),
        ({"precision": "bf16"}, "no precision"),
        ({"workspace_bytes": True}, "whole number"),
        ({"workspace_bytes": -1}, "impossible"),
        ({"optimisation_level": 6}, "between 0 and 5"),
        ({"hardware_compatibility": "all"}, "no hardware compatibility"),
        ({"compute_capabilities": ["8.7"]}, r"no compute capability '8\.7'"),
        ({"compute_capabilities": "8.6"}, "takes a list"),
        ({"compute_capabilities": ["8.6", "8.6"]}, "twice"),
        ({"batch": 8}, "three numbers"),
        ({"batch": [8, 4, 32]}, "not in order"),
        ({"batch": [0, 4, 32]}, "not in order"),
        ({"batch": [1, 2.5, 3]}, "whole number"),
    ],
)
def test_an_option_that_cannot_be_used(request_: dict[str, object], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        from_request(request_)  # type: ignore[arg-type]


def test_an_onnx_file_is_read_as_onnx_reads_it() -> None:
    for model in (trt_models.network(), trt_models.quantised(), onnx_models.relu("n")):
        proto = onnx.load_from_string(model)
        found = onnx_file.read(model)
        assert found.opset == proto.opset_import[0].version
        for ours, theirs in (
            (found.inputs, proto.graph.input),
            (found.outputs, proto.graph.output),
        ):
            assert [put.name for put in ours] == [put.name for put in theirs]
            assert [put.kind for put in ours] == [put.type.tensor_type.elem_type for put in theirs]
            assert [put.shape for put in ours] == [
                tuple(
                    size.dim_value if size.HasField("dim_value") else None
                    for size in put.type.tensor_type.shape.dim
                )
                for put in theirs
            ]


def check_or_refuse(data: bytes) -> None:
    try:
        found = onnx_file.check(data)
    except BadInput:
        return
    assert found.outputs
    assert 0 < found.opset <= onnx_file.NEWEST_OPSET


@given(st.binary(max_size=200))
def test_any_bytes_are_a_model_or_refused(data: bytes) -> None:
    check_or_refuse(data)


@given(at=st.integers(0, 500), byte=st.integers(0, 255), length=st.integers(0, 600))
def test_a_mutated_model_is_a_model_or_refused(at: int, byte: int, length: int) -> None:
    model = bytearray(onnx_models.relu())
    model[at % len(model)] = byte
    check_or_refuse(bytes(model[:length]))


def test_an_audit_needs_half_of_the_layers() -> None:
    mostly = Audit({"fp16": 20, "fp32": 2})
    audit.check(mostly, "fp16")
    assert str(mostly) == "20 fp16, 2 fp32 of 22 convolutions and matrix products"
    with pytest.raises(BadInput, match="int8 was asked for, but the network has 20 fp16") as no:
        audit.check(mostly, "int8")
    assert no.value.cure == ("precision must be in the ONNX file: sgnas export --precision int8")
    audit.check(Audit({}), "fp16")


@pytest.mark.parametrize(
    "words",
    [
        ("FP16", "fp16"),
        ("Half", "fp16"),
        ("Int8", "int8"),
        ("FP32", "fp32"),
        ("Float", "fp32"),
        ("BF9", "unknown"),
    ],
)
def test_what_an_inspector_says(words: tuple[str, str]) -> None:
    told, precision = words
    layers = [
        {
            "Name": "conv",
            "LayerType": "CaskConvolution",
            "Inputs": [{"Name": "x", "Format/Datatype": f"Channel major {told} format"}],
        },
        {"Name": "pool", "LayerType": "Pooling", "Inputs": [{"Format/Datatype": "FP32"}]},
        "only a name",
    ]
    assert audit.of_engine(json.dumps({"Layers": layers})).counts == {precision: 1}


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"Layers": 3}'])
def test_what_no_inspector_says(text: str) -> None:
    with pytest.raises(ValueError, match=r"no layers|Expecting value"):
        audit.of_engine(text)
