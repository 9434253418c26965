"""ONNX: the emitter's graph with trained weights."""

from __future__ import annotations

import json
from typing import Final, cast

import numpy as np
import onnx

from sgnas_deploy import __version__, emitter, spaces
from sgnas_deploy.emitter.weights import Array
from sgnas_deploy.errors import EnvironmentProblem, NotBuiltYet
from sgnas_deploy.export import Job

SUFFIX: Final = ".onnx"


def build(job: Job) -> bytes:
    """The serialised model, passed by `onnx.checker` with full shape inference.

    Raises:
        NotBuiltYet: a precision other than fp32.
    """
    if job.precision != "fp32":
        raise NotBuiltYet(
            f"ONNX export in precision {job.precision} is not built yet",
            "run: sgnas export --precision fp32",
        )
    architecture = job.model.architecture.architecture
    space = spaces.load(architecture.space)
    model = emitter.emit_network(
        space, architecture.options, job.form, job.batch, job.weights, metadata(job)
    )
    onnx.checker.check_model(model, full_check=True)
    return cast(bytes, model.SerializeToString())


def metadata(job: Job) -> dict[str, str]:
    """What the model says about itself to whoever has lost its sidecar; values are text or JSON."""
    described = job.model.architecture
    return {
        "sgnas.version": __version__,
        "sgnas.name": job.name,
        "sgnas.space": described.space,
        "sgnas.architecture": described.architecture.id,
        "sgnas.options": json.dumps(described.options),
        "sgnas.labels": json.dumps(described.labels),
        "sgnas.form": job.form,
        "sgnas.precision": job.precision,
        "sgnas.weights_sha256": job.model.weights_sha256,
        "sgnas.classes": json.dumps(job.model.classes, ensure_ascii=False),
        "sgnas.preprocessing": job.model.preprocessing.model_dump_json(),
    }


def run(artefact: bytes, images: Array) -> Array:
    """Logits by ONNX Runtime on the CPU; images are padded to whole batches.

    Raises:
        EnvironmentProblem: ONNX Runtime is missing.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise EnvironmentProblem(
            f"comparing an ONNX export needs ONNX Runtime ({error})",
            "pip install 'sgnas-deploy[cpu]'",
        ) from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # a few images: spinning threads would only cost
    session = onnxruntime.InferenceSession(artefact, options, providers=["CPUExecutionProvider"])
    (source,) = session.get_inputs()
    batch: int = source.shape[0]
    padded = np.concatenate([images, np.zeros((-len(images) % batch, *images.shape[1:]), "f4")])
    parts = [
        session.run(None, {source.name: padded[start : start + batch]})[0]
        for start in range(0, len(padded), batch)
    ]
    return cast(Array, np.concatenate(parts)[: len(images)])
