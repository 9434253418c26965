"""How an engine is to be built: a value, readable from the JSON of a build request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Mapping

from sgnas_profilers.backends import Option
from sgnas_profilers.errors import BadInput
from sgnas_profilers.trt.audit import PRECISIONS
from sgnas_profilers.trt.load import FLAVOURS

COMPUTE_CAPABILITIES = ("7.5", "8.0", "8.6", "8.9", "12.0", "12.1")
"""That TensorRT for RTX 1.7 builds for. Orin (8.7) and Thor (11.0) are not among them."""

HARDWARE_COMPATIBILITY = ("none", "ampere_plus", "same_compute_capability")

MAX_BATCH = 1 << 16


@dataclass(frozen=True)
class BuildOptions:
    """How to build.

    Attributes:
        flavour: `auto`, `tensorrt` or `rtx`.
        precision: that the ONNX file must have; None to take it as it is.
        workspace_bytes: scratch memory that a layer may take; None for all there is.
        optimisation_level: 0 (fast build) to 5 (fast engine); None for TensorRT's own, 3.
            `tensorrt` only: the other flavour ignores it.
        hardware_compatibility: which other GPUs the engine must run on, one of
            `HARDWARE_COMPATIBILITY`; None for none. `tensorrt` only.
        compute_capabilities: of the GPUs to build for, of `COMPUTE_CAPABILITIES`; empty for a
            portable engine. `rtx` only: the other flavour builds for the GPU it is on.
        batch: smallest, best and largest batch, for a network whose batch axis is dynamic.
        keep: names of the nodes that are in another precision on purpose; None where they are not
            known, so that half of the heavy layers in `precision` are enough.

    Raises:
        BadInput: a value that cannot be used, or that the flavour lacks or ignores.
    """

    flavour: str = "auto"
    precision: str | None = None
    workspace_bytes: int | None = None
    optimisation_level: int | None = None
    hardware_compatibility: str | None = None
    compute_capabilities: tuple[str, ...] = ()
    batch: tuple[int, int, int] | None = None
    keep: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        _one_of("flavour", self.flavour, FLAVOURS)
        if self.precision is not None:
            _one_of("precision", self.precision, PRECISIONS)
        if self.workspace_bytes is not None and not 0 < self.workspace_bytes < 1 << 48:
            raise BadInput(f"a workspace of {self.workspace_bytes} bytes is impossible")
        if self.optimisation_level is not None and not 0 <= self.optimisation_level <= 5:
            raise BadInput(
                f"the optimisation level must be between 0 and 5, not {self.optimisation_level}"
            )
        if self.hardware_compatibility is not None:
            _one_of("hardware compatibility", self.hardware_compatibility, HARDWARE_COMPATIBILITY)
        for capability in self.compute_capabilities:
            _one_of("compute capability", capability, COMPUTE_CAPABILITIES)
        if len(set(self.compute_capabilities)) != len(self.compute_capabilities):
            raise BadInput("a compute capability is named twice")
        if self.batch is not None:
            low, best, high = self.batch
            if not 1 <= low <= best <= high <= MAX_BATCH:
                raise BadInput(
                    f"the batches {low}, {best}, {high} are not in order from smallest to largest"
                )

    def check_flavour(self, flavour: str) -> None:
        """Refuse what this flavour lacks or would ignore.

        Raises:
            BadInput: an option of the other flavour was given.
        """
        foreign = {
            "rtx": (
                ("an optimisation level was", self.optimisation_level is not None, "ignores it"),
                (
                    "a hardware compatibility was",
                    self.hardware_compatibility is not None,
                    "ignores it",
                ),
            ),
            "tensorrt": (
                (
                    "compute capabilities were",
                    bool(self.compute_capabilities),
                    "builds for the GPU that it runs on",
                ),
            ),
        }
        for name, given, why in foreign[flavour]:
            if given:
                title = {"rtx": "TensorRT for RTX", "tensorrt": "TensorRT"}[flavour]
                other = {"rtx": "tensorrt", "tensorrt": "rtx"}[flavour]
                raise BadInput(
                    f"{name} given, but {title} {why}",
                    f"leave it out, or choose the flavour {other}",
                )


def from_request(options: Mapping[str, Option]) -> BuildOptions:
    """Read the options of a build request; a missing one has its default.

    Raises:
        BadInput: an unknown name, or a value that cannot be used.
    """
    known = BuildOptions.__dataclass_fields__
    for name in options:
        if name not in known:
            raise BadInput(
                f"there is no build option {name!r}", f"choose among: {', '.join(sorted(known))}"
            )
    batch = options.get("batch")
    sizes = None
    if batch is not None:
        if isinstance(batch, (str, bool, int, float)) or len(batch) != 3:
            raise BadInput("the option batch takes three numbers: smallest, best, largest")
        sizes = tuple(_integer("batch", size) for size in batch)
    capabilities = options.get("compute_capabilities")
    if capabilities is None:
        capabilities = ()
    elif isinstance(capabilities, (str, bool, int, float)):
        raise BadInput("the option compute_capabilities takes a list such as 8.6, 8.9")
    keep = options.get("keep")
    if isinstance(keep, (str, bool, int, float)):
        raise BadInput("the option keep takes a list of names")
    level = options.get("optimisation_level")
    workspace = options.get("workspace_bytes")
    return BuildOptions(
        flavour=_text("flavour", options.get("flavour")) or "auto",
        precision=_text("precision", options.get("precision")),
        workspace_bytes=None if workspace is None else _integer("workspace_bytes", workspace),
        optimisation_level=None if level is None else _integer("optimisation_level", level),
        hardware_compatibility=_text(
            "hardware_compatibility", options.get("hardware_compatibility")
        ),
        compute_capabilities=tuple(str(one) for one in capabilities),
        batch=None if sizes is None else (sizes[0], sizes[1], sizes[2]),
        keep=None if keep is None else tuple(str(one) for one in keep),
    )


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise BadInput(f"there is no {name} {value!r}", f"choose one of: {', '.join(allowed)}")


def _text(name: str, value: Option) -> str | None:
    if value is None or isinstance(value, str):
        return value
    raise BadInput(f"the option {name} takes a text, not {value!r}")


def _integer(name: str, value: Option) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise BadInput(f"the option {name} takes a whole number, not {value!r}")
