"""ONNX: the emitter's graph with trained weights, in any precision."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final, cast

import numpy as np
import onnx

from sgnas_deploy import __version__, emitter, spaces
from sgnas_deploy.emitter.weights import Array
from sgnas_deploy.errors import BadInput, EnvironmentProblem
from sgnas_deploy.export import Artefact, Job
from sgnas_deploy.precision import calibrate, fp16

SUFFIX: Final = ".onnx"
_DYNAMIC_BATCH: Final = 16
"""Images that are run together where the file leaves it open."""


def build(job: Job) -> Artefact:
    """The serialised model, passed by `onnx.checker` with full shape inference.

    Raises:
        BadInput: int8 without images to calibrate on.
        ClearNo: a network whose activations are not finite.
        EnvironmentProblem: int8 or fp16 with images, and ONNX Runtime is missing.
    """
    ranges: Mapping[str, float] | None = None
    keep: Collection[str] = ()
    notes: tuple[str, ...] = ()
    if job.precision == "fp16":
        model = _emit(job, "fp32", "dynamic")
        seen = {} if job.images is None else calibrate.largest(model, job.images)
        keep = sorted(fp16.unfit(model, seen))
        if keep:
            notes = (
                f"{len(keep)} of {len(model.graph.node)} nodes leave the range of half precision "
                f"and stay in single, first {keep[0]}: slower than its table says",
            )
    elif job.precision == "int8":
        if job.images is None:
            raise BadInput(
                "int8 needs images to calibrate on", "name some with: --calibration DATA"
            )
        ranges = calibrate.ranges(_emit(job, "fp32", "dynamic"), job.images)
    model = _emit(job, job.precision, job.batch, ranges, keep)
    onnx.checker.check_model(model, full_check=True)
    return Artefact(cast(bytes, model.SerializeToString()), notes=notes, kept=tuple(keep))


def _emit(
    job: Job,
    precision: str,
    batch: emitter.Batch,
    ranges: Mapping[str, float] | None = None,
    keep: Collection[str] = (),
) -> onnx.ModelProto:
    architecture = job.model.architecture.architecture
    return emitter.emit_network(
        spaces.load(architecture.space),
        architecture.options,
        job.form,
        batch,
        job.weights,
        metadata(job),
        precision=precision,
        backend=job.backend,
        ranges=ranges,
        keep=keep,
    )


def with_batch(model: bytes, batch: int) -> bytes:
    """A file with a dynamic batch, its batch fixed; one that is fixed already stays as it is."""
    found = onnx.load_from_string(model)
    changed = False
    for put in (*found.graph.input, *found.graph.output):
        first = put.type.tensor_type.shape.dim[0]
        if first.HasField("dim_param"):
            first.dim_value = batch
            changed = True
    return bytes(found.SerializeToString()) if changed else model


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


def run(artefact: bytes, images: Array, runtime: Mapping[str, str] | None = None) -> Array:
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

    def once(part: Array) -> Any:
        return session.run(None, {source.name: part})[0]

    return in_batches(once, source.shape[0], images)


def in_batches(once: Callable[[Array], Any], batch: object, images: Array) -> Array:
    """Logits of any number of images by a runtime that takes so many at a time.

    Args:
        once: runs one batch.
        batch: size of the batch axis; what is no number is dynamic.
        images: (n, channels, height, width); padded to whole batches.
    """
    size = batch if isinstance(batch, int) and batch > 0 else _DYNAMIC_BATCH
    padded = np.concatenate([images, np.zeros((-len(images) % size, *images.shape[1:]), "f4")])
    parts = [np.array(once(padded[start : start + size])) for start in range(0, len(padded), size)]
    return cast(Array, np.concatenate(parts)[: len(images)])
