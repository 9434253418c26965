"""Ranges of a trained network's activations, seen on real images through ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnx

from sgnas_deploy.errors import ClearNo, EnvironmentProblem

METHOD: Final = "least squared error of 8 bits over a histogram of 2048 bins"
_BINS: Final = 2048
_BATCH: Final = 8
_TRIED: Final = np.linspace(0.1, 1.0, 91)
"""Shares of the largest value that are tried as a range."""
_LEVELS: Final = 127

Visit = Callable[[str, npt.NDArray[np.float32]], None]


def largest(model: onnx.ModelProto, images: npt.NDArray[np.float32]) -> dict[str, float]:
    """Largest absolute value of each tensor of floats.

    Args:
        model: in single precision, with a dynamic batch.
        images: (n, channels, height, width), normalised.

    Raises:
        ClearNo: a value is not finite.
        EnvironmentProblem: ONNX Runtime is missing.
    """
    found: dict[str, float] = {}

    def visit(name: str, values: npt.NDArray[np.float32]) -> None:
        value = float(np.abs(values).max())
        found[name] = max(value, found.get(name, 0.0)) if np.isfinite(value) else float("inf")

    _visit(model, images, visit)
    broken = [name for name, value in found.items() if not np.isfinite(value)]
    if broken:
        raise ClearNo(
            f"the network is not finite in single precision already, first at {broken[0]}",
            "retrain it",
        )
    return found


def ranges(model: onnx.ModelProto, images: npt.NDArray[np.float32]) -> dict[str, float]:
    """Range of each tensor: where 8 bits, cut off there, lose the least.

    A range up to the largest value would spend most of the 127 steps on a few outliers; the one
    with the least squared error over the images balances what is cut off against the coarseness
    of the steps.

    Args:
        model: in single precision, with a dynamic batch.
        images: (n, channels, height, width), normalised.

    Returns:
        The largest absolute value to be represented, of each tensor.

    Raises:
        ClearNo: a value is not finite.
        EnvironmentProblem: ONNX Runtime is missing.
    """
    top = largest(model, images)
    counts = {name: np.zeros(_BINS) for name in top}

    def visit(name: str, values: npt.NDArray[np.float32]) -> None:
        if top[name] > 0:
            where = np.abs(values).ravel() * np.float32(_BINS / top[name])
            bins = np.minimum(where.astype(np.int64), _BINS - 1)
            counts[name] += np.bincount(bins, minlength=_BINS)

    _visit(model, images, visit)
    return {name: top[name] * best_share(counts[name]) for name in top}


def best_share(counts: npt.NDArray[np.float64]) -> float:
    """Share of the largest value that is the best range for a histogram of absolute values.

    Args:
        counts: of equal bins from 0 to the largest value.
    """
    # Zeros are exact whatever the range.
    counts = counts.copy()
    counts[0] = 0
    centres = (np.arange(len(counts)) + 0.5) / len(counts)
    errors = []
    for share in _TRIED:
        step = share / _LEVELS
        lost = np.where(centres > share, (centres - share) ** 2, step**2 / 12)
        errors.append(float((counts * lost).sum()))
    return float(_TRIED[int(np.argmin(errors))])


def _visit(model: onnx.ModelProto, images: npt.NDArray[np.float32], visit: Visit) -> None:
    """Show every tensor of floats, in parts of a few images."""
    try:
        import onnxruntime
    except (ImportError, OSError) as error:
        raise EnvironmentProblem(
            f"calibration needs ONNX Runtime ({error})", "pip install 'sgnas-deploy[cpu]'"
        ) from error
    (source,) = (put.name for put in model.graph.input)
    open_model = onnx.ModelProto()
    open_model.CopyFrom(model)
    known = {put.name for put in open_model.graph.output}
    for node in model.graph.node:
        for name in node.output:
            if name not in known:
                put = open_model.graph.output.add(name=name)
                put.type.tensor_type.elem_type = onnx.TensorProto.FLOAT
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session: Any = onnxruntime.InferenceSession(
        open_model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    names = [put.name for put in session.get_outputs()]
    for start in range(0, len(images), _BATCH):
        part = images[start : start + _BATCH]
        visit(source, part)
        for name, values in zip(names, session.run(names, {source: part}), strict=True):
            visit(name, values)
