"""The published CIFAR space: the ImageNet layers at 32x32, with two strides fewer."""

from sgnas_deploy.spaces.imagenet import LAYERS
from sgnas_deploy.spaces.mixed import MixedSpace


def space(variants: tuple[str, ...]) -> MixedSpace:
    """The space with variants; 10 classes (`cifar+c100` for CIFAR-100)."""
    (first, _), *others = LAYERS
    return MixedSpace(
        name="cifar",
        resolution=32,
        classes=10,
        stem=(32, 16),
        stem_stride=1,
        layers=((first, 1), *others),
        head=1280,
    ).variant(variants)
