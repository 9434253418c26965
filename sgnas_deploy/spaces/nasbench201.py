"""NAS-Bench-201 (Dong and Yang, ICLR 2020): three stages of five cells, 16 to 64 channels."""

from sgnas_deploy.spaces.cell import CellSpace


def space(variants: tuple[str, ...]) -> CellSpace:
    """The space with variants."""
    return CellSpace("nasbench201", resolution=32, classes=10, width=16, cells=5).variant(variants)
