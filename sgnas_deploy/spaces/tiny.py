"""A small space for laptops, tests and the demo: six layers at 32x32."""

from sgnas_deploy.spaces.mixed import MixedSpace


def space(variants: tuple[str, ...]) -> MixedSpace:
    """The space with variants."""
    return MixedSpace(
        name="tiny",
        resolution=32,
        classes=10,
        stem=(16, 16),
        stem_stride=1,
        layers=((24, 2), (24, 1), (40, 2), (40, 1), (80, 2), (80, 1)),
        head=256,
    ).variant(variants)
