"""Costs of blocks that were not measured, from those that were.

The logarithm of a block's cost is a prior plus a Gaussian process over what the block itself says
(its convolutions, shapes, operations, traffic), so that nothing here knows any space. The prior is
a roofline fitted to the measured blocks, or the costs on another device (`transfer`). Blocks of one
shape share an offset and a smooth function of the widths; all shapes share a smooth function of
size, and a part of how widths matter. How much of each there is, the marginal likelihood decides
among a few dozen settings. A leave-one-out residual has a closed form, so that the stated errors
are those of blocks that were predicted without themselves (Rasmussen and Williams, Gaussian
Processes for Machine Learning, 2006, sections 2.2 and 5.4).
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias, final

import numpy as np
import numpy.typing as npt

from sgnas_deploy.blocks import Block, macs, params
from sgnas_deploy.tables.statistics import Floats

Indices: TypeAlias = npt.NDArray[np.int64]

SHAPE_SPREAD: Final = 0.3
"""Standard deviation, of the logarithm, of a shape's offset; and of the function of size."""

OFFSET_SPREAD: Final = 1.0
"""The same of what all blocks have in common."""

WITHIN_SPREADS: Final = (0.05, 0.1, 0.2)
WITHIN_LENGTHS: Final = (1.0, 2.0, 4.0)
SHARED_SPREADS: Final = (0.1, 0.3)
NOISES: Final = (0.005, 0.01, 0.02, 0.04, 0.08, 0.16)
SCALES: Final = {"roofline": (1.0,), "transfer": (0.1, 0.25, 0.5, 1.0)}
"""Factors on all spreads: a device that is much like another has little left to explain."""

USUAL: Final = (0.1, 2.0, 0.3, 0.01)
"""Within-shape spread and length, shared spread, noise: for a design before any measurement."""


@final
@dataclass(frozen=True)
class Features:
    """What blocks say of themselves; n blocks.

    Attributes:
        keys: of the blocks.
        shape: number of each block's shape (kind, input, output), (n,).
        inner: presence and relative width of each convolution, (n, f).
        size: standardised logarithms of operations, parameters and traffic, (n, 3).
        work: 1, convolutions, operations, traffic: the roofline's terms, (n, 4).
    """

    keys: tuple[str, ...]
    shape: Floats
    inner: Floats
    size: Floats
    work: Floats

    @staticmethod
    def of(blocks: Sequence[Block]) -> Features:
        """Features of blocks, relative to each other."""
        numbers: dict[tuple[object, ...], int] = {}
        shape = np.array(
            [
                numbers.setdefault((b.kind, b.input_shape, b.output_shape), len(numbers))
                for b in blocks
            ],
            dtype=np.float64,
        )
        names = sorted({conv.name for block in blocks for conv in block.convs})
        at = {name: i for i, name in enumerate(names)}
        width = np.zeros((len(blocks), len(names)))
        for row, block in zip(width, blocks, strict=True):
            for conv in block.convs:
                row[at[conv.name]] += conv.c_out
        present = (width > 0).astype(np.float64)
        for number in range(len(numbers)):
            width[shape == number] /= np.maximum(width[shape == number].max(axis=0), 1)
        work = np.array([[1.0, len(b.convs), macs(b), _traffic(b)] for b in blocks])
        size = np.log(1 + np.array([[macs(b), params(b), _traffic(b)] for b in blocks]))
        size = (size - size.mean(axis=0)) / np.maximum(size.std(axis=0), 1e-9)
        return Features(
            tuple(block.key for block in blocks), shape, np.hstack([present, width]), size, work
        )


def _traffic(block: Block) -> float:
    """Elements that a block's convolutions read and write, weights included."""
    return float(
        sum(
            conv.c_in * (conv.size_out * conv.stride) ** 2
            + conv.c_out * conv.size_out**2
            + conv.params
            for conv in block.convs
        )
    )


@final
class Kernel:
    """Covariances of the blocks' logarithmic costs, for any setting."""

    def __init__(self, features: Features) -> None:
        """Take the distances once; a setting only weighs them."""
        self._same = (features.shape[:, None] == features.shape[None]).astype(np.float64)
        self._inner = _distances(features.inner)
        self._size = np.exp(-_distances(features.size) / 2)

    def __call__(self, within: float, length: float, shared: float, scale: float = 1.0) -> Floats:
        """Covariances, (n, n); the offset that all have in common is not scaled."""
        near = np.exp(-self._inner / (2 * length * length))
        varied = SHAPE_SPREAD**2 * (self._same + self._size)
        varied += (within**2 * self._same + shared**2) * near
        return np.asarray(OFFSET_SPREAD**2 + scale**2 * varied)

    def among(self, index: Indices) -> Kernel:
        """The same for some of the blocks."""
        part = Kernel.__new__(Kernel)
        at = np.ix_(index, index)
        part._same, part._inner, part._size = self._same[at], self._inner[at], self._size[at]
        return part


def _distances(points: Floats) -> Floats:
    """Squared distances, (n, n)."""
    square = np.square(points).sum(axis=1)
    return np.asarray(np.maximum(square[:, None] + square[None] - 2 * points @ points.T, 0))


def design(features: Features, count: int, first: Sequence[int] = ()) -> list[int]:
    """Blocks in the order in which measuring them tells most.

    Each next one lowers the variance of the logarithms, summed over all blocks, most (a greedy
    A-optimal design), as far as the kernel knows before anything was measured. Weighing blocks by
    what they cost was tried on full tables of a CPU and predicted networks no better.

    Args:
        features: of the blocks.
        count: how many, all at most.
        first: blocks that come first whatever they tell, `count` at most.
    """
    noise = USUAL[3] ** 2
    rest = Kernel(features)(*USUAL[:3])
    chosen = [int(index) for index in first]
    left = np.ones(len(rest), dtype=bool)
    for number in range(min(count, len(rest))):
        if number == len(chosen):
            gain = np.square(rest).sum(axis=0) / (np.diag(rest) + noise)
            chosen.append(int(np.argmax(np.where(left, gain, -np.inf))))
        best = chosen[number]
        left[best] = False
        column = rest[:, best] / np.sqrt(max(rest[best, best], 0.0) + noise)
        rest -= np.outer(column, column)
    return chosen


@final
@dataclass(frozen=True)
class Surrogate:
    """Costs of all blocks, from some.

    Attributes:
        costs_s: of every block, seconds, (n,); those of measured ones are smoothed.
        errors: standard deviation of the relative error of each, (n,).
        residuals: measured / predicted - 1 of each measured block, predicted without it.
    """

    costs_s: Floats
    errors: Floats
    residuals: Floats

    @property
    def error(self) -> float:
        """Root mean square of the residuals."""
        return float(np.sqrt(np.mean(np.square(self.residuals))))


def surrogate(
    features: Features,
    measured_s: Mapping[str, float],
    prior_s: Mapping[str, float] | None = None,
    kernel: Kernel | None = None,
) -> Surrogate:
    """Predict all blocks from the measured ones.

    Args:
        features: of all blocks.
        measured_s: seconds of some of them, 3 or more.
        prior_s: costs of all on another device, seconds; None for a roofline.
        kernel: of the features, where there is one already.
    """
    index: Indices = np.array([i for i, key in enumerate(features.keys) if key in measured_s])
    seen = np.array([measured_s[features.keys[int(i)]] for i in index])
    if prior_s is None:
        prior = _roofline(features.work, index, seen)
        scales = SCALES["roofline"]
    else:
        prior = np.array([prior_s[key] for key in features.keys])
        scales = SCALES["transfer"]
    y = np.log(seen / prior[index])
    kernel = kernel or Kernel(features)
    among = kernel.among(index)
    best: tuple[float, tuple[float, float, float, float], float] | None = None
    for within, length, shared in itertools.product(WITHIN_SPREADS, WITHIN_LENGTHS, SHARED_SPREADS):
        for scale in scales:
            part = among(within, length, shared, scale)
            for noise in NOISES:
                likelihood = _likelihood(part + noise**2 * np.eye(len(y)), y)
                if best is None or likelihood > best[0] + 1e-9:
                    best = likelihood, (within, length, shared, scale), noise
    assert best is not None
    _, setting, noise = best
    covariance = kernel(*setting)
    inverse = np.linalg.inv(covariance[np.ix_(index, index)] + noise**2 * np.eye(len(y)))
    weights = inverse @ y
    across = covariance[:, index]
    found = across @ weights
    variance = np.diag(covariance) - np.einsum("ij,jk,ik->i", across, inverse, across)
    residuals = weights / np.diag(inverse)
    # The model's own idea of its errors is scaled to those that it really made.
    score = float(np.sqrt(np.mean(np.square(residuals) * np.diag(inverse))))
    deviation = np.sqrt(np.maximum(variance, 0) + noise**2) * max(score, 1.0)
    return Surrogate(
        costs_s=prior * np.exp(found),
        errors=np.minimum(deviation, 5.0),
        residuals=np.expm1(residuals),
    )


def _likelihood(covariance: Floats, y: Floats) -> float:
    try:
        lower = np.linalg.cholesky(covariance)
    except np.linalg.LinAlgError:
        return -np.inf
    white = np.linalg.solve(lower, y)
    return float(-0.5 * white @ white - np.log(np.diag(lower)).sum())


def _roofline(work: Floats, index: Indices, seen_s: Floats) -> Floats:
    """Seconds of all blocks as a non-negative sum of the terms of `work`, relative errors."""
    rows = work[index]
    scale = rows.mean(axis=0)
    design = rows / scale / seen_s[:, None]
    best: tuple[float, Floats] | None = None
    terms = range(work.shape[1])
    for count in terms:
        for kept in itertools.combinations(terms, count + 1):
            columns = list(kept)
            solution = np.linalg.lstsq(design[:, columns], np.ones(len(seen_s)), rcond=None)[0]
            if (solution < 0).any() or not (solution > 0).any():
                continue
            loss = float(np.square(design[:, columns] @ solution - 1).sum())
            if best is None or loss < best[0] * 0.999:
                full = np.zeros(len(scale))
                full[columns] = solution
                best = loss, full / scale
    # One positive column alone always has a positive solution.
    assert best is not None
    return np.asarray(work @ best[1])
