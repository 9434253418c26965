"""What is checked before TensorRT is asked: options, ONNX files, audits."""

from __future__ import annotations

import json

import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgnas_deploy import emitter, spaces
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
            "keep": ["head"],
        }
    ) == BuildOptions(
        flavour="rtx",
        precision="int8",
        workspace_bytes=1 << 30,
        compute_capabilities=("8.6",),
        batch=(1, 8, 32),
        keep=("head",),
    )
    assert from_request({}).keep is None, "unknown is not the same as none"
    assert from_request({"keep": []}).keep == ()


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
        ({"keep": "conv"}, "list of names"),
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


def test_an_audit_needs_half_of_the_layers_where_the_exceptions_are_not_known() -> None:
    mostly = Audit({"fp16": 20, "fp32": 2})
    audit.check(mostly, "fp16")
    assert str(mostly) == "20 fp16, 2 fp32 of 22 convolutions and matrix products"
    with pytest.raises(BadInput, match="int8 was asked for, but the network has 20 fp16") as no:
        audit.check(mostly, "int8")
    assert no.value.cure == ("precision must be in the ONNX file: sgnas export --precision int8")
    audit.check(Audit({}), "fp16")


def test_an_audit_takes_no_other_exceptions_than_the_known_ones() -> None:
    mostly = Audit({"fp16": 20, "fp32": 1}, {"fp16": ("a",) * 20, "fp32": ("head",)})
    audit.check(mostly, "fp16")
    audit.check(mostly, "fp16", keep=("head", "never seen"))
    with pytest.raises(BadInput, match=r"has 20 fp16, 1 fp32 of 21.*has kept 'head' in fp32"):
        audit.check(mostly, "fp16", keep=())
    with pytest.raises(BadInput, match="nobody has kept 'a' in fp16"):
        audit.check(mostly, "fp32", keep=("head",))


@pytest.mark.parametrize(
    ("model", "told"),
    [
        (trt_models.network(), "2 fp32 of 2"),
        (trt_models.network(trt_models.HALF), "2 fp16 of 2"),
        (trt_models.quantised(), "1 fp32, 1 int8 of 2"),
        (
            onnx_models.one_node("MatMul", [("a", 1, [2, 3]), ("b", 1, [3, 5])], ("y", 1, [2, 5])),
            "1 unknown of 1",
        ),
    ],
)
def test_the_precision_of_an_onnx_file_is_read_without_tensorrt(model: bytes, told: str) -> None:
    assert str(audit.of_onnx(onnx_file.check(model))).startswith(told)


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_an_exported_network_is_wholly_in_its_precision(precision: str) -> None:
    space = spaces.load("tiny+r16+hswish+se")
    model = emitter.emit_network(
        space, (5, 40, 0, 82, 17, 60), "concat", 1, precision=precision, backend="tensorrt"
    )
    found = audit.of_onnx(onnx_file.check(model.SerializeToString()))
    heavy = [node.name for node in model.graph.node if node.op_type in ("Conv", "Gemm")]
    assert found.names == {precision: tuple(heavy)}


@pytest.mark.parametrize(
    ("engine", "network", "precision", "refused"),
    [
        ({"fp16": 9}, {"fp16": 9}, "fp16", False),
        ({"fp16": 8, "fp32": 1}, {"fp16": 9}, "fp16", True),
        ({"fp16": 8, "fp32": 1}, {"fp16": 8, "fp32": 1}, "fp16", False),
        ({"fp16": 7, "fp32": 2}, {"fp16": 8, "fp32": 1}, "fp16", True),
        ({"unknown": 3}, {"fp16": 9}, "fp16", False),
        ({"unknown": 3, "fp32": 1}, {"fp16": 9}, "fp16", True),
        ({}, {"fp16": 9}, "fp16", False),
        ({"fp16": 9}, {"fp32": 9}, "fp32", True),
        ({"int8": 5, "fp32": 4}, {"int8": 9}, "int8", False),
        ({"int8": 4, "fp32": 5}, {"int8": 9}, "int8", True),
        ({"unknown": 9}, {"int8": 9}, "int8", False),
    ],
)
def test_an_engine_is_held_against_its_network(
    engine: dict[str, int], network: dict[str, int], precision: str, refused: bool
) -> None:
    if not refused:
        audit.check_engine(Audit(engine), Audit(network), precision)
        return
    with pytest.raises(BadInput, match=f"{precision} was asked for and the network has"):
        audit.check_engine(Audit(engine), Audit(network), precision)


@pytest.mark.parametrize(
    ("kind", "name", "counts"),
    [
        ("Reformat", "Reformatting CopyNode for Input Tensor 0 to conv", {}),
        ("PointWiseV2", "PWN(conv.relu)", {}),
        ("Myelin", "{ForeignNode[stem.conv...head.gemm]}", {"unknown": 1}),
        ("kgen", "__myl_Cast_0", {}),
        ("gemm", "head", {"fp32": 1}),
        ("CudaDepthwiseConvolution", "depthwise", {"fp32": 1}),
    ],
)
def test_only_a_layers_type_makes_it_a_convolution(
    kind: str, name: str, counts: dict[str, int]
) -> None:
    layer = {"Name": name, "LayerType": kind, "Inputs": [{"Format/Datatype": "Float"}]}
    assert audit.of_engine(json.dumps({"Layers": [layer]})).counts == counts


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
            # A name says nothing, as ours do.
            "Inputs": [{"Name": "x.half", "Format/Datatype": f"Channel major {told} format"}],
        },
        {"Name": "pool", "LayerType": "Pooling", "Inputs": [{"Format/Datatype": "FP32"}]},
        "only a name",
    ]
    assert audit.of_engine(json.dumps({"Layers": layers})).counts == {precision: 1}


@pytest.mark.parametrize(
    ("layer", "precision"),
    [
        ({"Inputs": [{"Format/Datatype": "Float"}], "Weights": {"Type": "Half"}}, "fp16"),
        ({"Inputs": [{"Format/Datatype": "Float"}], "Weights": {"Type": "Float"}}, "fp32"),
        ({"Inputs": [{"Format/Datatype": "Int8"}], "Weights": {"Type": "Int8"}}, "int8"),
        ({"Inputs": [{"Name": "x.half"}]}, "unknown"),
        ({"Inputs": ["x"], "Weights": "many"}, "unknown"),
        ({}, "unknown"),
    ],
)
def test_an_inspected_layer_counts_by_the_narrower_of_data_and_weights(
    layer: dict[str, object], precision: str
) -> None:
    told = json.dumps({"Layers": [{"Name": "stem", "LayerType": "CaskConvolution", **layer}]})
    assert audit.of_engine(told).counts == {precision: 1}


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"Layers": 3}'])
def test_what_no_inspector_says(text: str) -> None:
    with pytest.raises(ValueError, match=r"no layers|Expecting value"):
        audit.of_engine(text)
