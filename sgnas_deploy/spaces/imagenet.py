"""The published ImageNet space: 19 layers at 224x224 (SGNAS, CVPR 2021)."""

from sgnas_deploy.spaces.mixed import MixedSpace

LAYERS = (
    *((32, 2), (32, 1)),
    *((40, 2), (40, 1), (40, 1), (40, 1)),
    *((80, 2), (80, 1), (80, 1), (80, 1)),
    *((96, 1), (96, 1), (96, 1), (96, 1)),
    *((192, 2), (192, 1), (192, 1), (192, 1)),
    (320, 1),
)


def space(variants: tuple[str, ...]) -> MixedSpace:
    """The space with variants."""
    return MixedSpace(
        name="imagenet",
        resolution=224,
        classes=1000,
        stem=(32, 16),
        stem_stride=2,
        layers=LAYERS,
        head=1280,
    ).variant(variants)
