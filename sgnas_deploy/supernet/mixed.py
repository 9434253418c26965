"""The unified supernet of the mixed-kernel spaces (SGNAS, CVPR 2021, section 3), fast form.

A layer holds one expansion convolution, six sub-blocks of three depthwise convolutions each, and
one projection without normalisation, followed by a *switchable* normalisation: one per number of
active sub-blocks. A skipped sub-block contributes zeros.

Only active sub-blocks are computed: per kernel size, the weights of the sub-blocks that have it
are gathered and run as one expansion, one depthwise convolution and one projection, and the
projections are summed, which is the same as projecting the concatenation. `plain` has the slow
and obvious form with the same parameters; tests hold both together.

One thing is ours. The mean of the projected sum depends on which branches are active, not only on
how many, and a running mean shared by all sub-networks of one number fits none of them. But the
projection is linear: the mean of any set of branches, or of any mixture, is the projected sum of
the branches' own means. So every branch keeps a running mean of its output (`centres`), and in
eval mode the switchable normalisation subtracts the mean that follows; its running variance and
its weights stay those of the number. Training is untouched: batch statistics are used there.

The supernet has the space's activation and never squeeze-and-excitation, as the paper does.
"""

from __future__ import annotations

from typing import Final, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from sgnas_deploy.blocks import Activation
from sgnas_deploy.blocks.mb import KERNELS
from sgnas_deploy.spaces import Space, check_options
from sgnas_deploy.spaces.mixed import SUB_BLOCKS, LayerShape, MixedSpace
from sgnas_deploy.supernet.base import Choice, Supernet
from sgnas_deploy.supernet.depthwise import pixel_sums
from sgnas_deploy.supernet.mixture import Branch, mixture
from sgnas_deploy.supernet.norm import MOMENTUM, ConvNorm, Norm, activate, pointwise
from sgnas_deploy.supernet.sampling import SKIP, FairSampler
from sgnas_deploy.supernet.trained import Moments, branch

LEAST_GATE: Final = 0.01
"""Gates below it count as zero, as in the reference."""


class MixedLayer(nn.Module):
    """One searchable layer with all of its sub-blocks.

    Attributes:
        expand: C to 6C channels; sub-block b owns the channels from b * C on.
        depthwise: `k3`, `k5`, `k7`, each for all six sub-blocks.
        project: 6C channels to the output, without normalisation.
        norms: the switchable normalisation, by the number of active sub-blocks.
        centres: running mean of each branch's output, (3, 6C).
    """

    centres: Tensor
    sub_blocks: Tensor

    def __init__(self, shape: LayerShape, activation: Activation, min_active: int) -> None:
        super().__init__()
        width = SUB_BLOCKS * shape.c_in
        self.activation = activation
        self.min_active = min_active
        self.stride = shape.stride
        self.residual = shape.stride == 1 and shape.c_in == shape.c_out
        self.expand = ConvNorm(shape.c_in, width, 1)
        self.depthwise = nn.ModuleDict(
            {f"k{k}": ConvNorm(width, width, k, shape.stride, depthwise=True) for k in KERNELS}
        )
        self.project = nn.Parameter(torch.empty(shape.c_out, width, 1, 1))
        nn.init.normal_(self.project, std=(2 / shape.c_out) ** 0.5)
        self.norms = nn.ModuleDict(
            {str(n): Norm(shape.c_out) for n in range(min_active, SUB_BLOCKS + 1)}
        )
        self.register_buffer("centres", torch.zeros(len(KERNELS), width))
        self.register_buffer(
            "sub_blocks", torch.arange(width).view(SUB_BLOCKS, shape.c_in), persistent=False
        )

    def channels(self, sub_blocks: list[int]) -> Tensor:
        """The expanded channels that some sub-blocks own, in the order named."""
        return self.sub_blocks[sub_blocks].flatten()

    def norm(self, active: int) -> Norm:
        """The normalisation for a number of active sub-blocks."""
        return cast(Norm, self.norms[str(active)])

    def kernel(self, index: int) -> ConvNorm:
        """The depthwise convolutions of a kernel index."""
        return cast(ConvNorm, self.depthwise[f"k{KERNELS[index]}"])

    def forward(self, x: Tensor, kernels: tuple[int, ...]) -> Tensor:
        """Map x (B, C, H, W) through the sub-blocks, each with a kernel index or `SKIP`."""
        norm = self.norm(sum(chosen != SKIP for chosen in kernels))
        # On a GPU, and where it is compiled, PyTorch's own differentiation.
        as_one = norm.training and not x.is_cuda and not torch.compiler.is_compiling()
        moments = Moments.of(x) if as_one else None
        parts: list[Tensor] = []
        for index in range(len(KERNELS)):
            sub_blocks = [b for b, chosen in enumerate(kernels) if chosen == index]
            if not sub_blocks:
                continue
            channels = self.channels(sub_blocks)
            if moments is not None:
                parts.append(self.trained(x, moments, index, channels))
                continue
            h = activate(self.expand(x, channels), self.activation)
            h = activate(self.kernel(index)(h, channels), self.activation)
            if norm.training:
                pixels = len(h) * h.shape[2] * h.shape[3]
                sums = pixel_sums(h.detach()).to(self.centres.dtype).sum(0)
                self.follow(index, channels, sums / pixels)
            parts.append(functional.conv2d(h, self.project.index_select(1, channels)))
        y = _sum(parts)
        y = norm(y) if norm.training else norm.centred(y, self.mean(kernels).view(1, -1, 1, 1))
        return x + y if self.residual else y

    def trained(self, x: Tensor, moments: Moments, index: int, channels: Tensor) -> Tensor:
        """One kernel's part of `forward` in training; running statistics follow."""
        expand, kernel = self.expand, self.kernel(index)
        part, seen = branch(
            x,
            moments,
            (expand.weight.index_select(0, channels), expand.norm.affine_of(channels)),
            (kernel.weight.index_select(0, channels), kernel.norm.affine_of(channels)),
            self.project.index_select(1, channels),
            self.stride,
            self.activation,
        )
        expand.norm.follow(channels, *seen.expanded, seen.counts[0])
        kernel.norm.follow(channels, *seen.convolved, seen.counts[1])
        self.follow(index, channels, seen.outputs)
        return part

    def follow(self, index: int, channels: Tensor, mean: Tensor) -> None:
        """Let the running means of some branches of a kernel follow a batch's (n,)."""
        old = self.centres[index, channels]
        self.centres[index, channels] = old.lerp(mean.to(old.dtype), MOMENTUM)

    def mean(self, kernels: tuple[int, ...]) -> Tensor:
        """Mean (C_out,) of the projected sum of the active branches."""
        centres = torch.zeros_like(self.centres[0])
        for sub_block, chosen in enumerate(kernels):
            if chosen != SKIP:
                channels = self.sub_blocks[sub_block]
                centres[channels] = self.centres[chosen, channels]
        return self.project[:, :, 0, 0] @ centres

    def soft_forward(self, x: Tensor, gates: Tensor) -> Tensor:
        """Map x (B, C, H, W) through all sub-blocks, weighed by gates (B, 6, 4) or (1, 6, 4).

        Every image has gates of its own, or all have the same.

        The normalisation of an image is the one for its expected number of active sub-blocks,
        rounded. Eval mode whatever the module's mode, and no gradient reaches the weights.
        """
        weights = _without_small(gates)
        used = (weights.detach() > 0).any(0).tolist()
        active = [b for b in range(SUB_BLOCKS) if any(used[b])]
        if not active:
            raise ValueError("the gates skip every sub-block of a layer")
        c_in = x.shape[1]
        own = self.channels(active)
        whole = len(active) == SUB_BLOCKS
        h = self.expand.frozen(x, None if whole else own, self.activation)
        branches = []
        for index in range(len(KERNELS)):
            sub_blocks = [b for b in active if used[b][index]]
            if sub_blocks:
                everywhere = len(sub_blocks) == SUB_BLOCKS
                part = self.kernel(index).folded(None if everywhere else self.channels(sub_blocks))
                at = None if sub_blocks == active else [active.index(b) for b in sub_blocks]
                branches.append(Branch(*part, index, at))
        h = mixture(h, weights[:, active], branches, self.stride, self.activation)
        project = self.project.detach()
        scale, shift = self.switched(gates)
        # The mean of the mixture, (gates, C_out): branches' means, weighed as the branches are.
        centres = torch.einsum("bsk,ksc->bsc", weights, self.centres.view(SKIP, SUB_BLOCKS, c_in))
        mean = (centres.flatten(1) @ project[:, :, 0, 0].t())[:, :, None, None]
        shift = shift - mean * scale
        if not whole:
            project = project[:, own]
        if len(gates) == 1:
            # One normalisation for all images: the projection takes it in.
            weight = project * scale.view(-1, 1, 1, 1)
            y = pointwise(h, weight.to(h.dtype), shift.flatten().to(h.dtype))
        else:
            y = pointwise(h, project.to(h.dtype))
            y = torch.addcmul(shift.to(y.dtype), y, scale.to(y.dtype))
        return x + y if self.residual else y

    def switched(self, gates: Tensor) -> tuple[Tensor, Tensor]:
        """Scale and shift (gates, C_out, 1, 1) of each normalisation, after the mean."""
        expected = SUB_BLOCKS - gates.detach()[:, :, SKIP].sum(1)
        at = expected.round().long().clamp(self.min_active, SUB_BLOCKS) - self.min_active
        norms = [self.norm(n) for n in range(self.min_active, SUB_BLOCKS + 1)]
        scale = torch.stack([norm.scale() for norm in norms])
        shift = torch.stack([norm.bias.detach() for norm in norms])
        return scale[at, :, None, None], shift[at, :, None, None]


class MixedSupernet(Supernet):
    """The unified supernet.

    Args:
        space: the space; its classes, resolution and activation are the supernet's.
        layer: what a layer is; `plain` puts its own here.
    """

    # Small enough for the caches, and for a small peak of memory.
    soft_together: int | None = 16

    def __init__(self, space: MixedSpace, layer: type[MixedLayer] = MixedLayer) -> None:
        super().__init__()
        self.space: MixedSpace = space
        mid, out = space.stem
        self.stem = nn.ModuleDict(
            {
                "conv": ConvNorm(space.channels, mid, 3, space.stem_stride),
                "depthwise": ConvNorm(mid, mid, 3, depthwise=True),
                "project": ConvNorm(mid, out, 1),
            }
        )
        self.layers = nn.ModuleList(
            layer(shape, space.activation, space.min_active) for shape in space.shapes
        )
        last = space.shapes[-1].c_out
        classifier = nn.Linear(space.head, space.classes)
        nn.init.normal_(classifier.weight, std=0.01)
        nn.init.zeros_(classifier.bias)
        self.head = nn.ModuleDict({"conv": ConvNorm(last, space.head, 1), "classifier": classifier})

    def forward(self, images: Tensor, choice: Choice) -> Tensor:
        """Logits (B, classes) of one sub-network for images (B, 3, R, R)."""
        x = images
        for name in ("conv", "depthwise"):
            x = activate(self.stem[name](x), self.space.activation)
        x = self.stem["project"](x)
        for layer, kernels in zip(self.layers, choice, strict=True):
            x = layer(x, kernels)
        x = activate(self.head["conv"](x), self.space.activation)
        x = functional.dropout(x.mean((2, 3)), self.dropout, self.training)
        return self.head["classifier"](x)  # type: ignore[no-any-return]

    def soft_forward(self, images: Tensor, gates: Tensor) -> Tensor:
        """Logits (B, classes) of one mixture of sub-networks per image, or of one for all images.

        Always as in eval mode, and gradients flow to the gates only: no weight gradient is
        computed. Gates below 0.01 count as zero; a branch that no image uses is not computed.
        An image's logits depend on its own gates alone. All is computed in the images' precision,
        or in that of an autocast.

        Args:
            images: (B, 3, R, R).
            gates: (B, layers, 6, 4), weights of kernels 3, 5, 7 and of skipping, or (1, layers, 6,
                4) for all images, which is faster. The first sub-block of a layer should not be
                skipped.
        """
        kind = images.device.type
        if torch.is_autocast_enabled(kind):
            # Casts layer by layer would go back and forth.
            precision = torch.get_autocast_dtype(kind)
            with torch.autocast(kind, enabled=False):
                return self.soft_forward(images.to(precision), gates)
        x = images
        for name in ("conv", "depthwise"):
            x = self._frozen(self.stem, name, x, self.space.activation)
        x = self._frozen(self.stem, "project", x)
        for layer, layer_gates in zip(self.layers, gates.unbind(1), strict=True):
            x = cast(MixedLayer, layer).soft_forward(x, layer_gates)
        x = self._frozen(self.head, "conv", x, self.space.activation)
        classifier = cast(nn.Linear, self.head["classifier"])
        weight, bias = classifier.weight.detach(), classifier.bias.detach()
        return functional.linear(x.mean((2, 3), dtype=weight.dtype), weight, bias)

    def _frozen(
        self, block: nn.ModuleDict, name: str, x: Tensor, activation: Activation | None = None
    ) -> Tensor:
        return cast(ConvNorm, block[name]).frozen(x, activation=activation)

    def choice_of(self, options: tuple[int, ...]) -> Choice:
        """The canonical sub-network of an architecture.

        Sub-blocks of one kernel size are interchangeable. The canonical order is: first those of
        kernel 3, then of 5, then of 7, then the skipped ones.

        Raises:
            BadInput: not one valid option per decision.
        """
        check_options(self.space, options)
        found: list[tuple[int, ...]] = []
        for option in options:
            counts = self.space.multisets[option]
            chosen = [index for index, n in enumerate(counts) for _ in range(n)]
            found.append(tuple(chosen + [SKIP] * (SUB_BLOCKS - len(chosen))))
        return tuple(found)

    def widest(self) -> Choice:
        """All six sub-blocks of every layer, two of each kernel size."""
        counts = (SUB_BLOCKS // len(KERNELS),) * len(KERNELS)
        option = [tuple(multiset) for multiset in self.space.multisets].index(counts)
        return self.choice_of((option,) * len(self.space.layers))

    def sampler(self, seed: int) -> FairSampler:
        """Strictly fair draws."""
        return FairSampler(self.space, seed)

    def inherited(self, options: tuple[int, ...]) -> dict[str, Tensor]:
        """A deployed network's tensors, cut out of the canonical sub-network."""
        found: dict[str, Tensor] = {}
        for block_name, block in (("stem", self.stem), ("head", self.head)):
            for name, part in block.items():
                if isinstance(part, ConvNorm):
                    found |= _renamed(f"{block_name}.{name}", part.weight, part.norm)
        classifier = cast(nn.Linear, self.head["classifier"])
        found["head.classifier.conv.weight"] = classifier.weight.detach()[:, :, None, None]
        found["head.classifier.conv.bias"] = classifier.bias.detach()
        for i, kernels in enumerate(self.choice_of(options)):
            layer = cast(MixedLayer, self.layers[i])
            active: list[int] = []
            for index, kernel in enumerate(KERNELS):
                sub_blocks = [b for b, chosen in enumerate(kernels) if chosen == index]
                if sub_blocks:
                    at = layer.channels(sub_blocks)
                    branch = {"expand": layer.expand, "depthwise": layer.kernel(index)}
                    for name, part in branch.items():
                        found |= _renamed(
                            f"layers.{i}.k{kernel}.{name}", part.weight, part.norm, at
                        )
                active += sub_blocks
            project = f"layers.{i}.project"
            weight = layer.project[:, layer.channels(active)]
            found |= _renamed(project, weight, layer.norm(len(active)))
            found[f"{project}.bn.running_mean"] = layer.mean(kernels).detach()
        return {name: tensor.clone() for name, tensor in found.items()}


def _renamed(
    name: str, weight: Tensor, norm: Norm, channels: Tensor | None = None
) -> dict[str, Tensor]:
    """Some output channels of a convolution under a deployed network's names."""
    parts = {f"{name}.bn.{key}": tensor for key, tensor in norm.state_dict().items()}
    parts[f"{name}.conv.weight"] = weight.detach()
    return parts if channels is None else {key: part[channels] for key, part in parts.items()}


def build(space: Space) -> MixedSupernet:
    """A fresh supernet of a mixed-kernel space."""
    return MixedSupernet(cast(MixedSpace, space))


def _without_small(gates: Tensor) -> Tensor:
    kernels = gates[:, :, :SKIP]
    return kernels * (kernels.detach() >= LEAST_GATE)


def _sum(parts: list[Tensor]) -> Tensor:
    first, *others = parts
    for part in others:
        first = first + part
    return first
