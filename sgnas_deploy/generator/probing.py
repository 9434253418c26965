"""What options are worth, learned from probes of the frozen supernet.

The published training asks the supernet for the loss of a *mixture* of all networks, at every step.
A mixture is no network, its gradient is noisy, and every step costs a forward and a backward pass.
Here instead some hundred networks are looked at, forward only, on the images kept apart, and their
losses are explained by a product of one smooth function per decision: their logarithms by a sum (an
additive Gaussian process). What two layers do to a bad network does not double in a good one.
The generator then minimises the expectation of that sum under its own probabilities, which is
exact, has no noise and needs no image.

The first probes are random. The later ones are the best networks, for random budgets, of functions
drawn from what is known so far (Thompson sampling): so what is learned is learned where it decides.

Ours, not the paper's; `Recipe.taught_by` selects it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias, final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from sgnas_deploy import events
from sgnas_deploy.data import Images, Preprocessing
from sgnas_deploy.data.batches import to_array
from sgnas_deploy.events import Reporter
from sgnas_deploy.generator.recipe import Recipe
from sgnas_deploy.generator.scale import LatencyModel, Scale
from sgnas_deploy.generator.within import best_within
from sgnas_deploy.spaces import Space
from sgnas_deploy.supernet.base import Supernet
from sgnas_deploy.training.precision import Arithmetic

Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]
Options: TypeAlias = tuple[int, ...]

STEPS: Final = 40
"""Steps of an epoch: without images nothing else says how many there are."""

TOGETHER: Final = 128
"""Images in one pass."""

LENGTHS: Final = (0.5, 1.0, 2.0, 4.0)
"""Distances of options' features over which their worth may change, to choose from."""

NOISES: Final = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
"""Variances of what no sum explains, to choose from; that of the sum is 1."""

GROUP_VARIANCE: Final = 1.0
"""Of the mean loss of a group of images, which no option is to blame for."""

SMALLEST: Final = 1e-6
"""A cross-entropy below which networks are taken to be alike."""

JITTER: Final = 1e-9
"""Added to variances before a root is taken: options may be exactly alike."""


@final
@dataclass(frozen=True)
class Probes:
    """Networks that were looked at.

    Attributes:
        networks: options, shape (n, decisions).
        groups: which group of images each has seen, shape (n,).
        losses: logarithm of the mean cross-entropy of each, shape (n,).
    """

    networks: Ints
    groups: Ints
    losses: Floats

    def __add__(self, other: Probes) -> Probes:
        """Both."""
        return Probes(
            np.concatenate([self.networks, other.networks]),
            np.concatenate([self.groups, other.groups]),
            np.concatenate([self.losses, other.losses]),
        )


@final
@dataclass(frozen=True)
class Worth:
    """What each option adds to the loss of a network.

    Attributes:
        losses: one array (options,) per decision: what it adds to the logarithm of the
            cross-entropy.
        level: what all of them are added to.
        explained: share of the variance of the probes' losses that the sum predicts, each probe
            left out once; below 0 where it is worse than their mean.
        covariance: how sure that is, over the options of all decisions in order.
    """

    losses: tuple[Floats, ...]
    level: float
    explained: float
    covariance: Floats = field(repr=False)

    def draws(self, count: int, rng: np.random.Generator) -> tuple[Floats, ...]:
        """Functions that may be the true ones: one array (count, options) per decision."""
        values, vectors = np.linalg.eigh(self.covariance)
        root = vectors * np.sqrt(np.maximum(values, 0))
        drawn = rng.standard_normal((count, len(root))) @ root.T + np.concatenate(self.losses)
        ends = np.cumsum([len(own) for own in self.losses])[:-1]
        return tuple(np.split(drawn, ends, axis=1))


@final
class Prober:
    """Looks at networks, each with the next group of the images.

    Args:
        frozen: the trained supernet; on its device.
        images: labelled images.
        indices: which of them may be looked at, shape (m,).
        preprocessing: how an image becomes an input.
        recipe: how many images a group has.
        rng: decides the groups.
    """

    def __init__(
        self,
        frozen: Supernet,
        images: Images,
        indices: Ints,
        preprocessing: Preprocessing,
        recipe: Recipe,
        rng: np.random.Generator,
    ) -> None:
        self._frozen = frozen.eval()
        self._images = images
        self._preprocessing = preprocessing
        self._device = next(frozen.parameters()).device
        self._arithmetic = Arithmetic(recipe.precision, self._device.type)
        size = min(recipe.probe_images, len(indices))
        shuffled = rng.permutation(indices)
        self._groups = [shuffled[i : i + size] for i in range(0, len(indices) - size + 1, size)]
        self._looked = 0

    def look(self, networks: Sequence[Options], stage: events.Stage) -> Probes:
        """The losses of networks, their logarithms."""
        groups = (self._looked + np.arange(len(networks))) % len(self._groups)
        self._looked += len(networks)
        losses = np.empty(len(networks))
        for group in np.unique(groups).tolist():
            own = self._groups[group]
            inputs = torch.from_numpy(to_array(self._images, own, self._preprocessing))
            labels = torch.from_numpy(self._images.labels[own]).to(self._device)
            for index in np.flatnonzero(groups == group).tolist():
                loss = self._loss(networks[index], inputs.to(self._device), labels)
                losses[index] = np.log(max(loss, SMALLEST))
                stage.advance(note=f"loss {loss:.3f}")
        return Probes(np.array(networks), groups, losses)

    def _loss(self, options: Options, inputs: Tensor, labels: Tensor) -> float:
        choice = self._frozen.choice_of(options)
        total = 0.0
        with torch.inference_mode():
            for at in range(0, len(labels), TOGETHER):
                part = inputs[at : at + TOGETHER].contiguous(memory_format=torch.channels_last)
                with self._arithmetic.passes():
                    logits = self._frozen(part, choice)
                own = labels[at : at + TOGETHER]
                total += float(functional.cross_entropy(logits.float(), own, reduction="sum"))
        return total / len(labels)


def learn(
    prober: Prober,
    features: Sequence[Floats],
    space: Space,
    model: LatencyModel,
    scale: Scale,
    recipe: Recipe,
    rng: np.random.Generator,
    reporter: Reporter,
) -> Worth:
    """Look at random networks, then at those that may be the best ones, and explain them.

    Args:
        prober: looks.
        features: one array (options, features) per decision, see `Generator.option_features`.
        space: of the networks.
        model: the table's predictor.
        scale: its feasible range.
        recipe: how many networks, in how many rounds.
        rng: decides the networks.
        reporter: listens.
    """
    rounds = min(recipe.probe_rounds, recipe.probes // 2)
    sizes = [len(part) for part in np.array_split(np.arange(recipe.probes), rounds)]
    with events.stage(reporter, "looking at probes", recipe.probes, "networks") as stage:
        probes = prober.look([space.sample(rng) for _ in range(sizes[0])], stage)
        for size in sizes[1:]:
            scores = [-own for own in explain(features, probes).draws(size, rng)]
            width_s = scale.slowest_s - scale.fastest_s
            budgets_s = scale.fastest_s + rng.uniform(0, 1, size) * width_s
            best = best_within(model, scale, scores, budgets_s, None)
            probes += prober.look([one.options for one in best], stage)
    return explain(features, probes)


def explain(features: Sequence[Floats], probes: Probes) -> Worth:
    """Explain the probes' losses by a sum over decisions.

    Each decision has a Gaussian process over its options' features; length scale and noise are
    those of the highest marginal likelihood, the scale of the whole in closed form.

    Args:
        features: one array (options, features) per decision.
        probes: what was looked at, two networks or more.
    """
    n, decisions = probes.networks.shape
    spread = float(probes.losses.std()) or 1.0
    y = (probes.losses - probes.losses.mean()) / spread
    squares = [_squares(own) for own in features]
    chosen = list(zip(squares, probes.networks.T, strict=True))
    same = GROUP_VARIANCE * (probes.groups[:, None] == probes.groups)
    best: tuple[float, float, float, Floats] | None = None
    for length in LENGTHS:
        summed = sum(_kernel(square[np.ix_(own, own)], length) for square, own in chosen)
        for noise in NOISES:
            inverse, log_determinant = _inverted(summed / decisions + same + noise * np.eye(n))
            scale = max(float(y @ inverse @ y) / n, JITTER)
            evidence = -0.5 * (n * np.log(scale) + log_determinant)
            if best is None or evidence > best[0]:
                best = (evidence, length, scale, inverse)
    assert best is not None
    _, length, scale, inverse = best
    weights = inverse @ y
    across = [_kernel(square[:, own], length) / decisions for square, own in chosen]
    stacked = np.concatenate(across)
    covariance = -stacked @ inverse @ stacked.T
    start = 0
    for square in squares:
        own = slice(start, start + len(square))
        covariance[own, own] += _kernel(square, length) / decisions
        start = own.stop
    left_out = np.square(weights / np.diag(inverse)).mean() / max(np.square(y).mean(), JITTER)
    return Worth(
        tuple(spread * part @ weights for part in across),
        float(probes.losses.mean()),
        float(1 - left_out),
        spread**2 * scale * (covariance + JITTER * np.eye(start)),
    )


@final
class Teacher:
    """What a generator learns from, instead of the supernet's mixtures.

    The worth of options is counted in units of its spread over random networks, so that the
    budget's part of a loss weighs the same whatever the supernet is. Entropy is rewarded: then the
    best probabilities are not certain but proportional to exp(-worth / reward), under a budget
    too, and an option's score says how much it is worth and not only whether it is the best.

    Args:
        losses: the worth of options, one array (options,) per decision, see `Worth`.
        level: see `Worth`.
        entropy: reward of a unit of entropy, in units of the mean spread of a decision.
        device: where scores are.
    """

    def __init__(
        self, losses: Sequence[Floats], level: float, entropy: float, device: torch.device
    ) -> None:
        self._level = level
        spreads = np.array([own.std() for own in losses])
        self.unit = float(np.sqrt(np.square(spreads).sum())) or 1.0
        self._reward = entropy * float(spreads.mean()) / self.unit
        self._worth = [torch.from_numpy(own / self.unit).to(device) for own in losses]

    def loss(self, scores: Sequence[Tensor]) -> Tensor:
        """Expected worth of mixtures less the reward of their entropy, in units, shape (B,).

        Exact, for decisions are independent.

        Args:
            scores: log-probability of every option, one tensor (B, options) per decision.
        """
        parts = [
            (own.exp() * (worth.to(own.dtype) + self._reward * own)).sum(1)
            for own, worth in zip(scores, self._worth, strict=True)
        ]
        return torch.stack(parts).sum(0)

    def expected(self, scores: Sequence[Tensor]) -> Tensor:
        """Cross-entropy of mixtures, the geometric mean that is expected, shape (B,)."""
        pairs = zip(scores, self._worth, strict=True)
        parts = [own.detach().exp() @ worth.to(own.dtype) for own, worth in pairs]
        return (self._level + self.unit * torch.stack(parts).sum(0)).exp()


@final
class NoImages:
    """A feed for a training that needs none: empty batches."""

    @property
    def batch(self) -> int:
        """Images a step."""
        return 0

    @property
    def steps(self) -> int:
        """Batches an epoch."""
        return STEPS

    def batches(self, epoch: int, start: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Empty batches from step `start` on."""
        del epoch
        for _ in range(start, STEPS):
            yield torch.zeros(0, 3, 1, 1), torch.zeros(0, dtype=torch.int64)


def _squares(features: Floats) -> Floats:
    difference = features[:, None, :] - features[None, :, :]
    found: Floats = np.square(difference).sum(-1)
    return found


def _kernel(squares: Floats, length: float) -> Floats:
    found: Floats = np.exp(-0.5 * squares / length**2)
    return found


def _inverted(matrix: Floats) -> tuple[Floats, float]:
    """Inverse and logarithm of the determinant of a positive definite matrix."""
    lower = torch.linalg.cholesky(torch.from_numpy(matrix))
    inverse: Floats = torch.cholesky_inverse(lower).numpy()
    return inverse, 2 * float(lower.diagonal().log().sum())
