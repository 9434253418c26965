"""TensorRT: an engine, built from the ONNX file of the same network and precision.

Its manifest says what it is bound to. The engine's answers are compared where a GPU is there to run
it; elsewhere the ONNX file that it was built from is, and the manifest says so. The flavour
`tensorrt` has not yet run on hardware.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from sgnas_deploy import artefacts
from sgnas_deploy.emitter.weights import Array
from sgnas_deploy.errors import BadInput, EnvironmentProblem, SgnasError
from sgnas_deploy.export import Artefact, Job, NotRunHere, engines, onnx
from sgnas_profilers import cuda
from sgnas_profilers.trt import load as loading
from sgnas_profilers.trt import plans
from sgnas_profilers.trt.build import platform_name
from sgnas_profilers.trt.runner import Runner

SUFFIX: Final = ".plan"

_NOTES: Final = {
    "tensorrt": f"engines of TensorRT have {artefacts.UNTRIED}",
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
    built = engines.build(
        made.data, job.engine, job.precision, job.batch, job.on_progress, made.kept
    )
    facts = dict(built.facts)
    found = (
        f"asked for was {job.precision}: the network has {facts['precision_audit']}; "
        f"the engine by its inspector: {facts['engine_audit']}"
    )
    return Artefact(
        data=built.artefact,
        runtime=facts,
        source=made.data,
        notes=(*made.notes, found, _NOTES[facts["flavour"]]),
        kept=made.kept,
    )


def run(artefact: bytes, images: Array, runtime: Mapping[str, str] | None = None) -> Array:
    """Logits by the GPU of this machine; images are padded to whole batches.

    Raises:
        NotRunHere: there is no GPU or no such TensorRT, or the engine is for another machine.
        BadInput: the engine is not the one of its manifest, or it is for this machine and does not
            load or run.
        EnvironmentProblem: the GPU has too little memory.
    """
    runner = _opened(artefact, runtime or {})
    batch = runner.shape[0] if runner.shape[0] > 0 else 1
    padded = np.concatenate([images, np.zeros((-len(images) % batch, *images.shape[1:]), "f4")])
    rows = []
    for start in range(0, len(padded), batch):
        part = np.ascontiguousarray(padded[start : start + batch], "<f4")
        rows.append(np.array(runner.run(part.tobytes(), part.shape), "f4").reshape(batch, -1))
    logits: Array = np.concatenate(rows)[: len(images)]
    return logits


def _opened(plan: bytes, manifest: Mapping[str, str]) -> Runner:
    """The engine on this GPU, loaded only after its manifest was compared with the machine."""
    try:
        gpu = cuda.load()
        device = gpu.device()
        runtime = loading.load(manifest.get("flavour", "auto"))
    except EnvironmentProblem as error:
        raise _elsewhere(error) from error
    # What is incomplete or changed is wrong on any machine.
    plans.check_early(plan, manifest, {})
    here = {
        "flavour": runtime.flavour,
        "version": runtime.version,
        "platform": platform_name(),
        "compute_capability": device.compute_capability,
    }
    try:
        plans.check(plan, manifest, here)
    except BadInput as error:
        raise _elsewhere(error) from error
    try:
        return Runner(runtime, gpu, plan)
    except BadInput as error:
        # trtexec tells neither GPU nor, on some boards, a compute capability.
        if runtime.flavour == "tensorrt" and manifest.get("gpu") != device.name:
            raise _elsewhere(error) from error
        raise


def _elsewhere(error: SgnasError) -> NotRunHere:
    return NotRunHere(f"the engine cannot run on this machine: {error.message}", error.cure)
