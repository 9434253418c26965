"""TensorRT engines: what is asked for, and where it is built.

An engine runs on the kind of GPU that it was built on. With a device named it is built there, by
the agent; without, on this machine: by `tensorrt` on its GPU, or by TensorRT for RTX, which needs
none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, final

from sgnas_deploy import targets
from sgnas_deploy.errors import BadInput, EnvironmentProblem
from sgnas_deploy.events import Reporter, stage
from sgnas_deploy.models import Batch
from sgnas_deploy.targets import Target
from sgnas_profilers import cuda
from sgnas_profilers.backends import Option, RunOptions
from sgnas_profilers.backends.tensorrt import audited
from sgnas_profilers.transports import Built, OnProgress
from sgnas_profilers.trt import load as loading
from sgnas_profilers.trt.build import build as build_here
from sgnas_profilers.trt.options import BuildOptions, from_request

BUILDERS: Final = ("tensorrt", "trtexec")
"""Backends that build engines."""

DYNAMIC_BATCHES: Final = (1, 1, 32)
"""Smallest, best and largest batch of an engine whose batch is dynamic: made for single images."""


@final
class TimingCache:
    """What TensorRT has learnt about kernels; builds on this machine hand it on.

    Attributes:
        data: of the last build; empty before the first.
    """

    def __init__(self) -> None:
        self.data = b""


@dataclass(frozen=True)
class Wish:
    """What engine is wanted.

    Attributes:
        flavour: `auto`, `tensorrt` or `rtx`.
        target: the device to build on; None for this machine.
        workspace_bytes: scratch memory that a layer may take; None for all there is.
        optimisation_level: 0 to 5; None for TensorRT's own.
        hardware_compatibility: which other GPUs it must run on; None for none.
        compute_capabilities: of the GPUs to build for (`rtx`); empty for a portable engine.
        timing_cache: shared by all builds of this wish that are made on this machine.

    Raises:
        BadInput: a value that cannot be used.
    """

    flavour: str = "auto"
    target: Target | None = None
    workspace_bytes: int | None = None
    optimisation_level: int | None = None
    hardware_compatibility: str | None = None
    compute_capabilities: tuple[str, ...] = ()
    timing_cache: TimingCache = field(default_factory=TimingCache, compare=False, repr=False)

    def __post_init__(self) -> None:
        self.options("fp32", 1)

    def options(self, precision: str, batch: Batch, keep: Sequence[str] = ()) -> BuildOptions:
        """The same as the builder takes it."""
        return from_request(self.request(precision, batch, keep))

    def request(
        self, precision: str, batch: Batch, keep: Sequence[str] = ()
    ) -> Mapping[str, Option]:
        """The same as a device takes it; what has its default is left out.

        Args:
            precision: that all nodes must have,
            batch: a number, or `dynamic`.
            keep: but for these.
        """
        found: dict[str, Option] = {
            "flavour": self.flavour,
            "precision": precision,
            "workspace_bytes": self.workspace_bytes,
            "optimisation_level": self.optimisation_level,
            "hardware_compatibility": self.hardware_compatibility,
            "compute_capabilities": list(self.compute_capabilities) or None,
            "batch": list(DYNAMIC_BATCHES) if batch == "dynamic" else None,
            "keep": list(keep),
        }
        return {name: value for name, value in found.items() if value is not None}


def wished(
    format_name: str,
    flavour: str | None = None,
    device: str | None = None,
    host: str | None = None,
    workspace_bytes: int | None = None,
    optimisation_level: int | None = None,
    hardware_compatibility: str | None = None,
    compute_capabilities: tuple[str, ...] = (),
) -> Wish:
    """What the user's words come to; None and empty are what was not said.

    Raises:
        BadInput: a word that only another format understands, a device without TensorRT, a host of
            no device, a value that cannot be used.
    """
    said = {
        "--flavour": flavour,
        "--device": device,
        "--host": host,
        "--workspace-mib": workspace_bytes,
        "--optimisation-level": optimisation_level,
        "--hardware-compatibility": hardware_compatibility,
        "--compute-capability": compute_capabilities or None,
    }
    for flag, value in said.items():
        if value is not None and format_name != "tensorrt":
            raise BadInput(
                f"{flag} is for engines, the format {format_name} has none",
                f"leave it out, or run: sgnas export --format tensorrt {flag} ...",
            )
    if host is not None and device is None:
        raise BadInput(
            "--host does not say what device is there", f"add: --device jetson --host {host}"
        )
    target = None if device is None else targets.resolve(device, None, host)
    if target is not None and target.backend not in BUILDERS:
        raise BadInput(
            f"the device {target.device!r} runs {target.backend}, which builds no engines",
            "name a device of the backend tensorrt or trtexec: sgnas devices list",
        )
    return Wish(
        flavour=flavour or "auto",
        target=target,
        workspace_bytes=workspace_bytes,
        optimisation_level=optimisation_level,
        hardware_compatibility=hardware_compatibility,
        compute_capabilities=compute_capabilities,
    )


@contextmanager
def following(reporter: Reporter, name: str) -> Iterator[Callable[[str, float], None]]:
    """Report a build as a stage; the handle is what a builder calls with phase and share.

    TensorRT's phases nest: the first is the whole build, the others say what it is at.
    """
    with stage(reporter, f"building {name}", 100, "%") as bar:
        outermost: list[str] = []

        def on_progress(phase: str, share: float) -> None:
            if not outermost:
                outermost.append(phase)
            whole = phase == outermost[0]
            bar.advance(max(0.0, 100 * share - bar.done) if whole else 0.0, "" if whole else phase)

        yield on_progress


def build(
    onnx: bytes,
    wish: Wish,
    precision: str,
    batch: Batch,
    on_progress: OnProgress = None,
    keep: Sequence[str] = (),
) -> Built:
    """Build an engine, and look at what it became where its GPU is.

    Args:
        onnx: the model, in that precision and batch.
        wish: what engine.
        precision: that the model must have; an engine in another one is never returned.
        batch: a number, or `dynamic`.
        on_progress: called with a phase and the share of it that is done.
        keep: names of the model's nodes that are in single precision on purpose.

    Returns:
        The engine and its facts; `engine_audit` says what the engine inspector has found, or why
        it was not asked.

    Raises:
        BadInput: the model or an option cannot be used, or network or engine are in another
            precision.
        EnvironmentProblem: no TensorRT, no GPU where one is needed, or no way to the device.
    """
    if wish.target is not None:
        return _build_there(onnx, wish, wish.target, precision, batch, on_progress, keep)
    runtime = loading.load(wish.flavour)
    device = None
    if runtime.flavour == "tensorrt":
        gpu = cuda.load().device()
        device = {"gpu": gpu.name, "compute_capability": gpu.compute_capability}
    engine = build_here(
        onnx,
        wish.options(precision, batch, keep),
        on_progress,
        timing_cache=wish.timing_cache.data,
        device=device,
        runtime=runtime,
    )
    wish.timing_cache.data = engine.timing_cache
    audit = (
        "not made: engines of TensorRT for RTX are built without their GPU"
        if device is None
        else audited(runtime, engine, precision)
    )
    return Built(engine.plan, {**engine.facts, "engine_audit": audit, "built_on": "this machine"})


def _build_there(
    onnx: bytes,
    wish: Wish,
    target: Target,
    precision: str,
    batch: Batch,
    on_progress: OnProgress,
    keep: Sequence[str],
) -> Built:
    with targets.transport(target).start(target.backend, RunOptions(1)) as agent:
        built = agent.build(onnx, wish.request(precision, batch, keep), on_progress)
        hello = agent.hello
    facts = {**built.facts, "built_on": target.device}
    for name in ("model", "l4t", "power_mode"):
        if name in hello.machine:
            facts.setdefault(f"device_{name}", hello.machine[name])
    if not built.artefact:
        raise EnvironmentProblem(f"the device {target.device!r} sent an empty engine")
    return Built(built.artefact, facts)
