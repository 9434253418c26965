"""OpenVINO: the ONNX file that OpenVINO reads, proven to run there.

OpenVINO's own form of a network is a pair of files that depends on its version; it reads ONNX
directly, and compiles it for the processor at hand when it is opened. So the artefact is one file,
`NAME.ov.onnx`. In int8 its integers are of the kind that OpenVINO is fast with.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from sgnas_deploy.emitter.weights import Array
from sgnas_deploy.export import Artefact, Job, onnx
from sgnas_profilers.backends import openvino as backend

SUFFIX: Final = ".ov.onnx"


def build(job: Job) -> Artefact:
    """The ONNX file, and the version of OpenVINO that it was compared in.

    Raises:
        BadInput: int8 without images to calibrate on.
        EnvironmentProblem: OpenVINO is missing.
    """
    version = str(backend.load_runtime().__version__)
    made = onnx.build(job)
    return replace(made, runtime={"runtime": "openvino", "version": version})


def run(artefact: bytes, images: Array, runtime: Mapping[str, str] | None = None) -> Array:
    """Logits by OpenVINO on the CPU; images are padded to whole batches.

    Raises:
        BadInput: OpenVINO cannot read the artefact.
        EnvironmentProblem: OpenVINO is missing.
    """
    compiled = backend.compile_model(backend.load_runtime(), artefact, threads=1)
    request = compiled.create_infer_request()
    shape = compiled.inputs[0].partial_shape
    batch = shape[0].get_length() if shape[0].is_static else None

    def once(part: Array) -> Any:
        return request.infer({0: part})[compiled.outputs[0]]

    return onnx.in_batches(once, batch, images)
