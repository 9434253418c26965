"""TensorRT: an engine, built from the ONNX file of the same network and precision.

Its manifest says what it is bound to. The engine's answers are compared where a GPU is there to run
it; elsewhere the ONNX file that it was built from is, and the manifest says so. The flavour
`tensorrt` has not yet run on hardware.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from sgnas_deploy.emitter.weights import Array
from sgnas_deploy.errors import BadInput, EnvironmentProblem
from sgnas_deploy.export import Artefact, Job, NotRunHere, engines, onnx
from sgnas_profilers import cuda
from sgnas_profilers.trt import load as loading
from sgnas_profilers.trt.runner import Runner

SUFFIX: Final = ".plan"

_NOTES: Final = {
    "tensorrt": "engines of TensorRT have not yet run on hardware with this version of sgnas",
    "rtx": "this is an engine of TensorRT for RTX: none for a Jetson, and not yet run on hardware "
    "with this version of sgnas",
}


def build(job: Job) -> Artefact:
    """The engine, after its precision was looked up in the network that TensorRT has read.

    Raises:
        BadInput: TensorRT cannot use the network or an option, or it is not in the precision.
        EnvironmentProblem: no TensorRT, no GPU where one is needed, or no way to the device.
    """
    made = onnx.build(job)
    built = engines.build(made.data, job.engine, job.precision, job.batch, job.on_progress)
    return Artefact(
        data=built.artefact,
        runtime=dict(built.facts),
        source=made.data,
        notes=(*made.notes, _NOTES[built.facts["flavour"]]),
    )


def run(artefact: bytes, images: Array) -> Array:
    """Logits by the GPU of this machine; images are padded to whole batches.

    Raises:
        NotRunHere: there is no GPU, or the engine is for another one.
    """
    try:
        gpu = cuda.load()
        runner = Runner(loading.load(), gpu, artefact)
    except (BadInput, EnvironmentProblem) as error:
        raise NotRunHere(
            f"the engine cannot run on this machine: {error.message}", error.cure
        ) from error
    batch = runner.shape[0] if runner.shape[0] > 0 else 1
    padded = np.concatenate([images, np.zeros((-len(images) % batch, *images.shape[1:]), "f4")])
    rows = []
    for start in range(0, len(padded), batch):
        part = np.ascontiguousarray(padded[start : start + batch], "<f4")
        rows.append(np.array(runner.run(part.tobytes(), part.shape), "f4").reshape(batch, -1))
    logits: Array = np.concatenate(rows)[: len(images)]
    return logits
