"""The supernet of the cell spaces: every edge of every cell holds its operations once.

Trained by sampling single paths (Guo et al., ECCV 2020): each pass draws a cell at random, and only
its live edges are computed. Cells are drawn with a taste in operations, the same for all edges and
itself uniform: were all edges independent, a cell with much of one operation would almost never
come up, and its weights would never be trained together.

Normalisation always uses the statistics of the batch at hand, in training and in evaluation: what
reaches an edge depends on all the operations before it, so that a running mean of many sub-networks
fits none of them. Accuracy therefore depends a little on which images are looked at together;
`evaluation` always takes the same.
"""

from __future__ import annotations

from typing import Any, cast, final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from sgnas_deploy.blocks.cell import EDGES, KERNELS, OPERATIONS
from sgnas_deploy.spaces import Space
from sgnas_deploy.spaces.cell import CellSpace, canonical_networks
from sgnas_deploy.supernet.base import Choice, Supernet
from sgnas_deploy.supernet.norm import EPSILON, MOMENTUM, NormTensors

NODES = 4
_SKIP, _POOL = OPERATIONS.index("skip_connect"), OPERATIONS.index("avg_pool_3x3")


class BatchNorm(NormTensors):
    """Batch normalisation by the batch's own statistics, in every mode.

    Running statistics are followed in training and never used here: a deployed network that
    inherits weights starts with them.

    Args:
        channels: of the map.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Normalise x (B, C, H, W)."""
        mean, var = (self.running_mean, self.running_var) if self.training else (None, None)
        return functional.batch_norm(x, mean, var, self.weight, self.bias, True, MOMENTUM, EPSILON)

    def inherited(self) -> dict[str, Tensor]:
        """The tensors of a deployed normalisation."""
        return {
            "weight": self.weight.detach(),
            "bias": self.bias.detach(),
            "running_mean": self.running_mean,
            "running_var": self.running_var,
        }


class ConvNorm(nn.Module):
    """A convolution without bias, then batch normalisation."""

    def __init__(self, c_in: int, c_out: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(c_out, c_in, kernel, kernel))
        nn.init.normal_(self.weight, std=(2 / (kernel * kernel * c_out)) ** 0.5)
        self.norm = BatchNorm(c_out)
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """X (B, c_in, H, W) to (B, c_out, H / stride, W / stride)."""
        y = functional.conv2d(x, self.weight, None, self.stride, self.weight.shape[-1] // 2)
        return cast(Tensor, self.norm(y))


class SuperCell(nn.Module):
    """A cell with both convolutions on each of the six edges."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.edges = nn.ModuleList(
            nn.ModuleDict(
                {name: ConvNorm(channels, channels, kernel) for name, kernel in KERNELS.items()}
            )
            for _ in EDGES
        )

    def conv(self, edge: int, option: int) -> ConvNorm:
        """The convolution of an edge."""
        return cast(ConvNorm, cast(nn.ModuleDict, self.edges[edge])[OPERATIONS[option]])

    def forward(self, x: Tensor, options: tuple[int, ...]) -> Tensor:
        """Map x (B, C, H, W) through a canonical cell."""
        nodes: list[Tensor | None] = [x] + [None] * (NODES - 1)
        rectified: list[Tensor | None] = [None] * NODES
        for edge, ((source, target), option) in enumerate(zip(EDGES, options, strict=True)):
            if OPERATIONS[option] == "none":
                continue
            h = nodes[source]
            assert h is not None  # canonical: an edge that is there starts at a node that is
            if option == _SKIP:
                y = h
            elif option == _POOL:
                y = pool(h)
            else:
                r = rectified[source]
                if r is None:
                    rectified[source] = r = functional.relu(h)
                y = self.conv(edge, option)(r)
            there = nodes[target]
            nodes[target] = y if there is None else there + y
        last = nodes[-1]
        assert last is not None
        return last

    def soft_forward(self, x: Tensor, gates: Tensor) -> Tensor:
        """Map x (B, C, H, W) through all operations, weighed by gates (B, 6, 5)."""
        nodes: list[Tensor] = [x]
        rectified: list[Tensor] = []
        for edge, (source, target) in enumerate(EDGES):
            if source == len(rectified):
                rectified.append(functional.relu(nodes[source]))
            weights = gates[:, edge, :, None, None, None].unbind(1)
            h = nodes[source]
            y = weights[_SKIP] * h + weights[_POOL] * pool(h)
            for name in KERNELS:
                option = OPERATIONS.index(name)
                y = y + weights[option] * self.conv(edge, option)(rectified[source])
            if target == len(nodes):
                nodes.append(y)
            else:
                nodes[target] = nodes[target] + y
        return nodes[-1]


class SuperReduction(nn.Module):
    """The residual block that halves the map."""

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        self.first = ConvNorm(c_in, c_out, 3, 2)
        self.second = ConvNorm(c_out, c_out, 3)
        self.shortcut = nn.Conv2d(c_in, c_out, 1)
        nn.init.zeros_(cast(Tensor, self.shortcut.bias))

    def forward(self, x: Tensor) -> Tensor:
        """X (B, c_in, H, W) to (B, c_out, H / 2, W / 2)."""
        y = self.second(functional.relu(self.first(functional.relu(x))))
        return cast(Tensor, y + self.shortcut(functional.avg_pool2d(x, 2)))


@final
class CellSupernet(Supernet):
    """The supernet of a cell space.

    Args:
        space: the space; its classes, resolution, width and cells are the supernet's.
    """

    def __init__(self, space: CellSpace) -> None:
        super().__init__()
        self.space: CellSpace = space
        widths = [block.channels for block in _cells(space)]
        self.stem = ConvNorm(space.channels, widths[0], 3)
        self.cells = nn.ModuleList(SuperCell(width) for width in widths)
        self.reductions = nn.ModuleList(
            SuperReduction(space.width << i, space.width << (i + 1)) for i in range(2)
        )
        self.norm = BatchNorm(widths[-1])
        self.classifier = nn.Linear(widths[-1], space.classes)
        nn.init.normal_(self.classifier.weight, std=0.01)
        nn.init.zeros_(self.classifier.bias)

    def forward(self, images: Tensor, choice: Choice) -> Tensor:
        """Logits (B, classes) of one sub-network for images (B, 3, R, R)."""
        options = tuple(option for (option,) in choice)
        x = self.stem(images)
        for i, cell in enumerate(self.cells):
            x = self._reduced(i, x)
            x = cell(x, options)
        return self._logits(x)

    def soft_forward(self, images: Tensor, gates: Tensor) -> Tensor:
        """Logits (B, classes) of one mixture of cells per image.

        Normalisation is over the whole batch, so an image's logits depend on the other images and
        their gates too.

        Args:
            images: (B, 3, R, R).
            gates: (B, 6, 5), weights of the operations; `none` brings nothing.
        """
        x = self.stem(images)
        for i, cell in enumerate(self.cells):
            x = self._reduced(i, x)
            x = cast(SuperCell, cell).soft_forward(x, gates)
        return self._logits(x)

    def _reduced(self, cell: int, x: Tensor) -> Tensor:
        """The reduction before the first cell of a stage."""
        stage, first = divmod(cell, self.space.cells)
        return self.reductions[stage - 1](x) if stage and not first else x

    def _logits(self, x: Tensor) -> Tensor:
        pooled = functional.relu(self.norm(x)).mean((2, 3))
        pooled = functional.dropout(pooled, self.dropout, self.training)
        return cast(Tensor, self.classifier(pooled))

    def choice_of(self, options: tuple[int, ...]) -> Choice:
        """The sub-network of an architecture.

        Raises:
            BadInput: no canonical architecture.
        """
        self.space.check(options)
        return tuple((option,) for option in options)

    def widest(self) -> Choice:
        """A 3x3 convolution on every edge."""
        return self.choice_of((OPERATIONS.index("nor_conv_3x3"),) * len(EDGES))

    def sampler(self, seed: int) -> CellSampler:
        """Random cells."""
        return CellSampler(self.space, seed)

    def inherited(self, options: tuple[int, ...]) -> dict[str, Tensor]:
        """A deployed network's tensors; its running statistics are those of random sub-networks."""
        self.space.check(options)
        found = _renamed("stem.conv", self.stem)
        for i, cell in enumerate(self.cells):
            for edge, option in enumerate(options):
                if OPERATIONS[option] in KERNELS:
                    found |= _renamed(
                        f"cells.{i}.edge{edge}", cast(SuperCell, cell).conv(edge, option)
                    )
        for i, module in enumerate(self.reductions):
            block = cast(SuperReduction, module)
            found |= _renamed(f"reductions.{i}.first", block.first)
            found |= _renamed(f"reductions.{i}.second", block.second)
            for name, tensor in block.shortcut.named_parameters():
                found[f"reductions.{i}.shortcut.conv.{name}"] = tensor.detach()
        found |= {f"head.norm.bn.{name}": t for name, t in self.norm.inherited().items()}
        ones = torch.ones_like(self.norm.running_mean)
        found["head.norm.conv.weight"] = ones[:, None, None, None]
        found["head.classifier.conv.weight"] = self.classifier.weight.detach()[:, :, None, None]
        found["head.classifier.conv.bias"] = self.classifier.bias.detach()
        return {name: tensor.clone() for name, tensor in found.items()}


@final
class CellSampler:
    """Draws architectures as the space samples them: no operation is drawn more than another.

    Args:
        space: the space.
        seed: decides all draws.
    """

    def __init__(self, space: CellSpace, seed: int) -> None:
        self._space = space
        self._rng = np.random.default_rng(seed)

    def draw(self) -> Choice:
        """One canonical cell."""
        return tuple((option,) for option in self._space.sample(self._rng))

    def state(self) -> dict[str, Any]:
        """The random state."""
        return {"rng": self._rng.bit_generator.state}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on where `state` was taken."""
        self._rng.bit_generator.state = state["rng"]


def pool(x: Tensor) -> Tensor:
    """The benchmark's average pooling: what lies outside the map does not count."""
    return functional.avg_pool2d(x, 3, 1, 1, count_include_pad=False)


def build(space: Space) -> CellSupernet:
    """A fresh supernet of a cell space."""
    return CellSupernet(cast(CellSpace, space))


def _cells(space: CellSpace) -> list[Any]:
    blocks = space.network_blocks(tuple(canonical_networks()[-1].tolist()))
    return [block for name, block in blocks if name.startswith("cells.")]


def _renamed(name: str, part: ConvNorm) -> dict[str, Tensor]:
    found = {f"{name}.bn.{key}": tensor for key, tensor in part.norm.inherited().items()}
    found[f"{name}.conv.weight"] = part.weight.detach()
    return found
