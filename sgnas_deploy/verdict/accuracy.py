"""Top-1 accuracy of an exported network on the images that nothing was trained on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sgnas_deploy.data import DataSet, Preprocessing
from sgnas_deploy.data.batches import to_array
from sgnas_deploy.errors import BadInput, EnvironmentProblem
from sgnas_deploy.events import Reporter, stage


def check_classes(name: str, classes: Sequence[str], data: DataSet) -> None:
    """Raise unless the network was trained for the classes of the data.

    Raises:
        BadInput: other classes, or another order.
    """
    if tuple(classes) == data.classes:
        return
    for index, (own, other) in enumerate(zip(classes, data.classes, strict=False)):
        if own != other:
            what = f"class {index} is {own!r} there and {other!r} in the data"
            break
    else:
        what = f"it has {len(classes)} classes, the data {len(data.classes)}"
    raise BadInput(
        f"{name} was not trained on the classes of {data.name}: {what}",
        "name the data that it was trained on with --data",
    )


def top1(
    name: str,
    model: bytes,
    batch: int,
    preprocessing: Preprocessing,
    data: DataSet,
    reporter: Reporter,
) -> float:
    """Share of the validation images whose class gets the largest logit, by ONNX Runtime.

    Args:
        name: what to call the network.
        model: the ONNX file's bytes.
        batch: its fixed batch size; a last batch is filled up.
        preprocessing: how an image becomes an input.
        data: where the images are.
        reporter: who listens.

    Raises:
        EnvironmentProblem: ONNX Runtime is not installed.
        BadInput: an image cannot be read, or the model cannot be run.
    """
    try:
        import onnxruntime
    except (ImportError, OSError) as error:
        raise EnvironmentProblem(
            f"accuracy needs ONNX Runtime ({error})", "pip install 'sgnas-deploy[cpu]'"
        ) from error
    count = len(data.val)
    right = 0
    try:
        session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
        put = session.get_inputs()[0].name
    except Exception as error:  # the runtime's exceptions have no base of their own
        raise BadInput(
            f"onnxruntime cannot open {name}: {error}", "make it anew with: sgnas export"
        ) from error
    with stage(reporter, f"accuracy of {name}", count, "images") as progress:
        for start in range(0, count, batch):
            indices = np.arange(start, min(start + batch, count))
            # Repeats the last image, so that the batch is full.
            filled = np.minimum(np.arange(start, start + batch), count - 1)
            images = to_array(data.val, filled, preprocessing)
            try:
                (logits,) = session.run(None, {put: images})
            except Exception as error:  # as above
                raise BadInput(
                    f"onnxruntime cannot run {name}: {error}", "make it anew with: sgnas export"
                ) from error
            guesses = np.asarray(logits)[: len(indices)].argmax(axis=1)
            right += int((guesses == data.val.labels[indices]).sum())
            progress.advance(len(indices))
    return right / count
